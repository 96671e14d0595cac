// The rewriting pass: what is counted, where it is looked at, and that nothing else changes.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Rules } from "../rules.js";
import type { Outcome } from "../run.js";
import { capsule, run, RULES, said, STARTUP } from "./support.js";

const METERING = RULES.metering as NonNullable<Rules["metering"]>;

/** Fuel of the run of a body without input, less what starting it and entering `run` costs. */
function cost(body: string, fields = ""): number {
  const outcome = run(capsule(`${fields} (func (export "run") ${body})`));
  assert.equal(said(outcome), "ok");
  return outcome.fuel - STARTUP - METERING.entry;
}

function op(opcode: number): number {
  return METERING.operators.get(opcode) ?? METERING.operator;
}

const [IF, BR, BR_IF, BR_TABLE, CALL, CONST, SET, GET, ADD, LOOP] = [0x04, 0x0c, 0x0d, 0x0e, 0x10, 0x41, 0x21, 0x20, 0x6a, 0x03].map(op) as [
  number, number, number, number, number, number, number, number, number, number,
];

test("straight code costs its operators", () => {
  assert.equal(cost(""), 0);
  assert.equal(cost("nop nop"), 2 * op(0x01));
  assert.equal(cost("(drop (i32.div_u (i32.const 7) (i32.const 2)))"), 2 * CONST + op(0x6e) + op(0x1a));
  assert.equal(cost("(drop (i32.trunc_sat_f64_s (f64.const 1)))"), op(0x44) + (METERING.operatorsFc.get(2) as number) + op(0x1a));
});

test("dead code costs nothing, however it is nested", () => {
  assert.equal(cost("return i32.const 1 i32.const 2 i32.add drop"), op(0x0f));
  assert.equal(cost("block br 0 block loop i32.const 0 if nop else nop end end end end"), op(0x02) + BR);
  assert.equal(cost("block br 0 i32.const 1 if i32.const 9 drop else i32.const 9 drop end end i32.const 1 drop"), op(0x02) + BR + CONST + op(0x1a));
});

test("a region is paid for as a whole, also where a branch leaves it", () => {
  // The constants behind the branch are in its region: `br_if` does not end one.
  const region = op(0x02) + CONST + BR_IF + 2 * (CONST + op(0x1a)) + op(0x0b);
  assert.equal(cost("block i32.const 1 br_if 0 (drop (i32.const 0)) (drop (i32.const 0)) end"), region);
  assert.equal(cost("block i32.const 0 br_if 0 (drop (i32.const 0)) (drop (i32.const 0)) end"), region);
});

test("of an if only the arm that is taken is paid for", () => {
  const long = "(drop (i32.const 0)) (drop (i32.const 0)) (drop (i32.const 0))";
  const arm = 3 * (CONST + op(0x1a));
  assert.equal(cost(`(if (i32.const 1) (then ${long}))`), CONST + IF + arm);
  assert.equal(cost(`(if (i32.const 0) (then ${long}))`), CONST + IF);
  assert.equal(cost(`(if (i32.const 0) (then ${long}) (else nop))`), CONST + IF + op(0x01));
});

test("the else of an arm that ends dead is live, and what follows its end", () => {
  const text = (condition: number): string =>
    `block (if (i32.const ${condition}) (then br 1) (else nop nop br 1)) (drop (i32.const 0)) end`;
  assert.equal(cost(text(1)), op(0x02) + CONST + IF + BR);
  assert.equal(cost(text(0)), op(0x02) + CONST + IF + 2 * op(0x01) + BR);
});

test("a loop costs its region in each round", () => {
  const round = LOOP + GET + CONST + ADD + op(0x22) + CONST + op(0x49) + BR_IF;
  const body = (rounds: number): string =>
    `(local i32) loop (local.tee 0 (i32.add (local.get 0) (i32.const 1))) i32.const ${rounds} i32.lt_u br_if 0 end`;
  assert.equal(cost(body(1)), round);
  assert.equal(cost(body(1000)), 1000 * round);
  const outer = `(local i32 i32) loop (local.set 1 (i32.const 0))
    loop (local.tee 1 (i32.add (local.get 1) (i32.const 1))) i32.const 5 i32.lt_u br_if 0 end
    (local.tee 0 (i32.add (local.get 0) (i32.const 1))) i32.const 3 i32.lt_u br_if 0 end`;
  assert.equal(cost(outer), 3 * (LOOP + CONST + SET + 5 * round + (round - LOOP)));
});

test("br_table, and values that go through blocks", () => {
  assert.equal(cost("block block (br_table 0 1 0 (i32.const 1)) end nop end"), 2 * op(0x02) + CONST + BR_TABLE);
  const pair = "(type $pair (func (param i32) (result i32 i32)))";
  assert.equal(cost("i32.const 1 (block (type $pair) i32.const 2) i32.add drop", pair), 2 * CONST + op(0x02) + ADD + op(0x1a));
  const two = '(func $two (result i32 f64) (if (i32.const 1) (then (return (i32.const 1) (f64.const 2)))) i32.const 3 f64.const 4)';
  assert.equal(
    cost("call $two drop drop", two),
    CALL + 2 * op(0x1a) + METERING.entry + CONST + IF + CONST + op(0x44) + op(0x0f),
  );
});

test("call_indirect keeps what numbers mean", () => {
  const fields = `(type $t (func (result i32))) (table 3 funcref) (elem (i32.const 0) $a $b)
    (func $a (type $t) i32.const 5) (func $b (type $t) i32.const 6) (func $other (param i32))`;
  const call = (index: number): Outcome =>
    run(capsule(`${fields} (func (export "run") (result i32) (call_indirect (type $t) (i32.const ${index})))`));
  assert.equal(said(call(0)), "failed exit:5");
  assert.equal(said(call(1)), "failed exit:6");
  assert.equal(said(call(2)), "trapped indirect_call");
  assert.equal(said(call(3)), "trapped table");
});

test("fuel is looked at where functions, rounds and calls begin, and at the end", () => {
  const straight = capsule(`(func (export "run") ${"(drop (i32.const 0)) ".repeat(50)})`);
  const all = run(straight).fuel;
  assert.equal(said(run(straight, { limits: { fuel: all } })), "ok");
  const short = run(straight, { limits: { fuel: all - 1 } });
  assert.equal(said(short), "out_of_fuel");
  assert.equal(said(run(straight, { limits: { fuel: STARTUP - 1 } })), "out_of_fuel");
  assert.equal(run(straight, { limits: { fuel: STARTUP - 1 } }).memoryPagesPeak, 0);
  assert.equal(run(straight, { limits: { fuel: STARTUP } }).memoryPagesPeak, 1);
  // A trap in a region behind an `if` that was not covered any more is told as that trap.
  const trapping = capsule('(func (export "run") (if (i32.const 1) (then (drop (i32.const 0)) unreachable)))');
  const covered = STARTUP + METERING.entry + CONST + IF;
  assert.equal(said(run(trapping, { limits: { fuel: covered } })), "trapped unreachable");
  assert.equal(said(run(trapping, { limits: { fuel: covered - 1 } })), "out_of_fuel");
});

test("an endless loop and an endless recursion stop", () => {
  assert.equal(said(run(capsule('(func (export "run") loop br 0 end)'))), "out_of_fuel");
  const recursion = capsule('(func $f (export "run") call $f)');
  assert.equal(said(run(recursion)), "out_of_stack");
  assert.equal(said(run(recursion, { limits: { fuel: STARTUP + 50 } })), "out_of_fuel");
});

/** The least limit of the stack with which the run does not run out of it. */
function stackOf(text: string): number {
  let [low, high] = [0, 32_768];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (said(run(text, { limits: { stack: middle } })) === "out_of_stack") low = middle + 1;
    else high = middle;
  }
  return low;
}

test("a frame is its base, parameters, locals and greatest height", () => {
  const frame = METERING.frame;
  assert.equal(stackOf(capsule('(func (export "run"))')), frame);
  assert.equal(stackOf(capsule('(func (export "run") (local i32 i64 f64))')), frame + 3);
  assert.equal(stackOf(capsule('(func (export "run") i32.const 1 i32.const 2 i32.add drop)')), frame + 2);
  assert.equal(stackOf(capsule('(func (export "run") return i32.const 1 i32.const 2 i32.const 3 drop drop drop)')), frame);
  assert.equal(stackOf(capsule('(func (export "run") (i32.const 1) (if (result i32) (i32.const 1) (then i32.const 1) (else i32.const 2)) drop drop)')), frame + 2);
  const called = '(func $f (param i32 i32) (result i32) local.get 0)';
  assert.equal(stackOf(capsule(`${called} (func (export "run") (drop (call $f (i32.const 1) (i32.const 2))))`)), frame + 2 + frame + 2 + 1);
});

test("frames are given back on every way out", () => {
  const ways = ["", "return", "br 0", "i32.const 1 br_if 0", "i32.const 0 br_table 0 0", "block br 1 end", "(if (i32.const 1) (then return))"];
  for (const way of ways) {
    const text = capsule(`(func $f ${way}) (func (export "run") ${"call $f ".repeat(20)})`);
    assert.equal(stackOf(text), 2 * METERING.frame + (way.includes("i32.const") ? 1 : 0), way);
  }
});

test("growing: what the limit does not allow costs nothing more, all else is paid before", () => {
  const grow = (pages: number | string): string => capsule(`(func (export "run") (result i32) (memory.grow (i32.const ${pages})))`);
  const base = STARTUP + METERING.entry + CONST + op(0x40);
  const beyond = run(grow(4));
  assert.equal(said(beyond), "failed exit:-1");
  assert.equal(beyond.fuel, base);
  const grown = run(grow(3));
  assert.equal(said(grown), "failed exit:1");
  assert.equal(grown.fuel, base + 3 * METERING.growPage);
  assert.equal(grown.memoryPagesPeak, 4);
  assert.equal(said(run(grow(3), { limits: { memoryPages: 3 } })), "failed exit:-1");
  assert.equal(said(run(grow(-1))), "failed exit:-1");
  assert.equal(run(grow(0)).fuel, base);
  const short = run(grow(3), { limits: { fuel: base + 3 * METERING.growPage - 1 } });
  assert.equal(said(short), "out_of_fuel");
  assert.equal(short.memoryPagesPeak, 1);
});

test("bulk operators pay for their length as an unsigned number, whether or not they trap", () => {
  const fill = (length: number): string => capsule(`(func (export "run") (memory.fill (i32.const 0) (i32.const 1) (i32.const ${length})))`);
  const base = STARTUP + METERING.entry + 3 * CONST + (METERING.operatorsFc.get(11) as number);
  for (const length of [0, 1, 3, 4, 7, 65_536]) assert.equal(run(fill(length)).fuel, base + (length >> METERING.bulkShift));
  assert.equal(said(run(fill(65_537))), "trapped memory");
  // 2^32 - 1 bytes: it is out of fuel before it traps, and with just enough it traps.
  const all = base + Math.floor((2 ** 32 - 1) / 2 ** METERING.bulkShift);
  assert.equal(said(run(fill(-1), { limits: { fuel: all - 1 } })), "out_of_fuel");
  assert.equal(said(run(fill(-1), { limits: { fuel: all } })), "trapped memory");
  assert.equal(said(run(fill(65_537), { limits: { fuel: base + (65_537 >> METERING.bulkShift) - 1 } })), "out_of_fuel");
  const table = `(table 8 funcref) (elem $e func $f $f) (func $f)
    (func (export "run") (table.init $e (i32.const 0) (i32.const 0) (i32.const 2)) (table.copy (i32.const 1) (i32.const 0) (i32.const 5)) elem.drop $e)`;
  const slots = 8 * RULES.startup.tableSlot;
  const tableBase = STARTUP + slots + METERING.entry + 6 * CONST + [12, 14, 13].reduce((sum, n) => sum + (METERING.operatorsFc.get(n) as number), 0);
  assert.equal(run(capsule(table)).fuel, tableBase + 2 + 5);
});

test("traps have their codes", () => {
  const ways: [string, string][] = [
    ["unreachable", "unreachable"],
    ["(drop (i32.load (i32.const -1)))", "memory"],
    ["(drop (i32.load (i32.const 65533)))", "memory"],
    ["(memory.copy (i32.const 0) (i32.const 65536) (i32.const 1))", "memory"],
    ["(memory.init $d (i32.const 0) (i32.const 0) (i32.const 3))", "memory"],
    ["(table.init $e (i32.const 0) (i32.const 0) (i32.const 2))", "table"],
    ["(table.init $e (i32.const 2) (i32.const 0) (i32.const 1))", "table"],
    ["(table.copy (i32.const 2) (i32.const 0) (i32.const 1))", "table"],
    ["(call_indirect (i32.const 9))", "table"],
    ["(call_indirect (param i32) (i32.const 0) (i32.const 0))", "indirect_call"],
    ["(call_indirect (i32.const 1))", "indirect_call"],
    ["(drop (i32.div_s (i32.const 1) (i32.const 0)))", "divide_by_zero"],
    ["(drop (i64.rem_u (i64.const 1) (i64.const 0)))", "divide_by_zero"],
    ["(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", "integer_overflow"],
    ["(drop (i64.div_s (i64.const 0x8000000000000000) (i64.const -1)))", "integer_overflow"],
    ["(drop (i32.trunc_f64_s (f64.const nan)))", "conversion"],
    ["(drop (i64.trunc_f32_u (f32.const -1)))", "conversion"],
    ["(drop (i32.trunc_f32_s (f32.const 3e9)))", "conversion"],
  ];
  for (const [body, code] of ways) {
    const fields = '(table 2 funcref) (elem (i32.const 0) $f) (data $d "ab") (elem $e func $f) (func $f)';
    const outcome = run(capsule(`${fields} (func (export "run") ${body})`));
    assert.equal(said(outcome), `trapped ${code}`, body);
  }
});

test("a start function runs first, is metered, and may end the run", () => {
  const text = (start: string): string =>
    capsule(`(global $g (mut i32) (i32.const 0)) (func $s ${start}) (start $s) (func (export "run") (result i32) global.get $g)`);
  const outcome = run(text("(global.set $g (i32.const 7))"));
  assert.equal(said(outcome), "failed exit:7");
  assert.equal(outcome.fuel, STARTUP + 2 * METERING.entry + CONST + op(0x24) + op(0x23));
  assert.equal(said(run(text("unreachable"))), "trapped unreachable");
});

test("NaNs that arithmetic gives are the canonical ones, others keep their bits", () => {
  const bits = (type: "f32" | "f64", body: string): string => {
    const integer = type === "f32" ? "i32" : "i64";
    const canonical = type === "f32" ? "0x7fc00000" : "0x7ff8000000000000";
    const outcome = run(capsule(`(global $z (mut ${type}) (${type}.const 0)) (global $n (mut ${type}) (${type}.const -nan:0x200001))
      (func (export "run") (result i32) (${integer}.eq (${integer}.reinterpret_${type} ${body}) (${integer}.const ${canonical})))`));
    return said(outcome);
  };
  const yes = "failed exit:1";
  for (const type of ["f32", "f64"] as const) {
    const [zero, nan] = ["(global.get $z)", "(global.get $n)"];
    for (const binary of ["add", "sub", "mul", "div", "min", "max"]) {
      assert.equal(bits(type, `(${type}.${binary} ${nan} ${zero})`), yes, binary);
      assert.equal(bits(type, `(${type}.${binary} ${zero} ${nan})`), yes, binary);
    }
    for (const unary of ["sqrt", "ceil", "floor", "trunc", "nearest"]) assert.equal(bits(type, `(${type}.${unary} ${nan})`), yes, unary);
    assert.equal(bits(type, `(${type}.div ${zero} ${zero})`), yes);
    assert.equal(bits(type, nan), "ok");
    assert.equal(bits(type, `(${type}.neg ${nan})`), "ok");
    assert.equal(bits(type, `(${type}.abs ${nan})`), "ok");
  }
  assert.equal(bits("f64", "(f64.promote_f32 (f32.const -nan:0x200001))"), yes);
  assert.equal(bits("f32", "(f32.demote_f64 (f64.const -nan:0x200001))"), yes);
  assert.equal(bits("f32", "(f32.demote_f64 (f64.const nan:0x4000000000001))"), yes);
});
