// Modules that are cut, changed, or made to hurt: a clear refusal, soon, and nothing else.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CannotTell } from "../outcome.js";
import { BadModule, Reader } from "../wasm/reader.js";
import { rewrite } from "../wasm/rewrite.js";
import { readModule } from "../wasm/sections.js";
import { Generator } from "./generator.js";
import { assemble, capsule, repositoryFile, run, RULES, said } from "./support.js";

const METERING = RULES.metering as NonNullable<typeof RULES.metering>;
const ORDER_TOTAL = repositoryFile("capsules/order-total/order-total.wasm");

function refused(bytes: Uint8Array | string, why: RegExp): void {
  assert.throws(
    () => run(bytes),
    (error: unknown) => error instanceof CannotTell && why.test(error.message),
    String(why),
  );
}

/** A module of one section. */
function withSection(id: number, content: number[]): Uint8Array {
  return Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, id, content.length, ...content]);
}

test("a module that is cut is refused wherever it is cut", () => {
  for (let length = 0; length < ORDER_TOTAL.length; length++) {
    assert.throws(() => run(ORDER_TOTAL.slice(0, length)), CannotTell);
  }
});

test("a module with a changed byte runs or is refused; reading and rewriting it never fail otherwise", () => {
  const random = new Generator(7);
  for (let i = 0; i < 3000; i++) {
    const bytes = ORDER_TOTAL.slice();
    for (let change = random.below(3); change >= 0; change--) bytes[random.below(bytes.length)] = random.below(256);
    try {
      rewrite(readModule(bytes), METERING);
      run(bytes, { limits: { fuel: 200_000 } });
    } catch (error) {
      assert.ok(error instanceof CannotTell, String((error as Error).stack));
    }
  }
});

test("numbers of too many bytes or bits are refused", () => {
  const u32 = (...bytes: number[]): number => new Reader(Uint8Array.from(bytes)).u32();
  assert.equal(u32(0xff, 0xff, 0xff, 0xff, 0x0f), 0xffff_ffff);
  assert.equal(u32(0x80, 0x80, 0x80, 0x80, 0x00), 0);
  assert.throws(() => u32(0xff, 0xff, 0xff, 0xff, 0x1f), /beyond 32 bits/);
  assert.throws(() => u32(0x80, 0x80, 0x80, 0x80, 0x80, 0x00), BadModule);
  assert.throws(() => u32(0x80), /unexpected end/);
  const signed = (bits: number, ...bytes: number[]): bigint => new Reader(Uint8Array.from(bytes)).signed(bits);
  assert.equal(signed(32, 0x80, 0x80, 0x80, 0x80, 0x78), -(2n ** 31n));
  assert.equal(signed(64, 0x7f), -1n);
  assert.equal(signed(33, 0x40), -64n);
  assert.throws(() => signed(32, 0x80, 0x80, 0x80, 0x80, 0x08), /beyond 32 bits/);
  assert.throws(() => signed(32, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00), /too many bytes/);
});

test("lists that say that they are longer than the module are refused at once", () => {
  const huge = [0xff, 0xff, 0xff, 0xff, 0x0f];
  for (const id of [1, 2, 3, 4, 5, 6, 7, 9, 10, 11]) {
    assert.throws(() => readModule(withSection(id, huge)), BadModule);
    assert.throws(() => readModule(withSection(id, [1, ...huge])), BadModule);
  }
  assert.throws(() => readModule(Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, ...huge])), /unexpected end/);
  // Four groups of 2^32 - 1 locals.
  const group = [...huge, 0x7f];
  assert.throws(() => readModule(withSection(10, [1, 26, 4, ...group, ...group, ...group, ...group, 0x0b])), /more locals/);
});

test("sections that are unknown, doubled or out of order are refused", () => {
  assert.throws(() => readModule(withSection(13, [0])), /section 13/);
  const twice = Uint8Array.from([...withSection(1, [0]), 1, 1, 0]);
  assert.throws(() => readModule(twice), /doubled/);
  assert.throws(() => readModule(Uint8Array.from([...withSection(3, [0]), 1, 1, 0])), /out of order/);
  assert.throws(() => readModule(withSection(1, [0, 0])), /after the end/);
});

test("deep nesting and long code are read in little time", () => {
  const depth = 100_000;
  const deep = assembleBody([...Array<number[]>(depth).fill([0x02, 0x40]).flat(), ...Array<number>(depth).fill(0x0b)]);
  const started = performance.now();
  try {
    run(deep);
  } catch (error) {
    assert.ok(error instanceof CannotTell);
  }
  const loops = assembleBody(Array<number[]>(60_000).fill([0x03, 0x40, 0x0b]).flat());
  assert.equal(said(run(loops)), "ok");
  assert.ok(performance.now() - started < 10_000);
});

/** A capsule with a table of one slot whose `run` has this code. */
function assembleBody(code: number[]): Uint8Array {
  const leb = (value: number): number[] => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)]);
  const body = [0, ...code, 0x0b];
  const section = [1, ...leb(body.length), ...body];
  const before = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 4, 4, 1, 0x70, 0, 1, 5, 3, 1, 0, 1];
  const exported = [2, 3, ...Buffer.from("run"), 0, 0, 6, ...Buffer.from("memory"), 2, 0];
  const head = Uint8Array.from([...before, 7, exported.length, ...exported, 10, ...leb(section.length)]);
  const bytes = new Uint8Array(head.length + section.length);
  bytes.set(head);
  bytes.set(section, head.length);
  return bytes;
}

test("an overlong table index of call_indirect is accepted, other memories and tables are not", () => {
  assert.equal(said(run(assembleBody([0x41, 0, 0x11, 0, 0x80, 0x80, 0x00]))), "trapped indirect_call");
  refused(assembleBody([0x3f, 0x01, 0x1a]), /memory other than the first|not valid/);
  refused(assembleBody([0x41, 0, 0x11, 0, 1]), /table other than the first|not valid/);
});

test("features that are off are refused", () => {
  const run_ = '(func (export "run"))';
  refused(capsule('(func (export "run") (drop (v128.const i32x4 0 0 0 0)))'), /opcode 0xfd/);
  refused(capsule('(table 1 externref) (func (export "run"))'), /other than functions/);
  refused(capsule('(table 1 funcref) (func (export "run") (drop (table.size 0)))'), /opcode 0xfc 16/);
  refused(capsule('(table 1 funcref) (func (export "run") (drop (table.get 0 (i32.const 0))))'), /opcode 0x25/);
  refused(capsule('(func (export "run") (drop (select (result i32) (i32.const 0) (i32.const 0) (i32.const 0))))'), /opcode 0x1c/);
  refused(capsule('(func $f (export "run") return_call $f)'), /opcode 0x12/);
  refused(capsule('(tag $t) (func (export "run") (throw $t))'), /section 13|opcode/);
  refused(`(module (memory (export "memory") 1 1 shared) ${run_})`, /shared/);
  refused(`(module (table 1 funcref) (table 1 funcref) (memory (export "memory") 1) ${run_})`, /more than one table/);
});

test("what the ABI refuses of imports, exports and segments", () => {
  const run_ = '(func (export "run"))';
  refused(`(module ${run_})`, /exactly one memory/);
  refused(`(module (memory 1) ${run_})`, /export its memory/);
  refused(capsule(""), /exports no function run/);
  refused(capsule('(func (export "run") (param i32))'), /another type/);
  refused(capsule('(func (export "run") (result i64) i64.const 0)'), /another type/);
  refused(capsule('(func (export "tenzik:x")) (func (export "run"))'), /reserved name/);
  refused('(module (import "env" "memory" (memory 1)) (func (export "run")))', /import that is no function/);
  refused('(module (import "wasi" "exit" (func)) (memory (export "memory") 1) (func (export "run")))', /imports "wasi.exit"/);
  refused('(module (import "tenzik_v1" "input_len" (func)) (memory (export "memory") 1) (func (export "run")))', /another type/);
  refused('(module (import "tenzik_v1" "tool_call" (func (param i32 i32 i32 i32) (result i32))) (memory (export "memory") 1) (func (export "run")))', /not granted/);
  refused('(module (import "tenzik_v1" "input_len" (func $f (result i32))) (export "run" (func $f)) (memory (export "memory") 1))', /exports an import/);
  refused('(module (import "env" "abort" (func $f (param i32 i32 i32 i32))) (memory (export "memory") 1) (func (export "run")) (start $f))', /not valid|start/);
  for (const value of ["(mut i32) (i32.const 16)", "i32 (i32.const 9)", "i64 (i64.const 16)"]) {
    refused(capsule(`(global (export "capsule_text") ${value}) ${run_}`), /capsule_text/);
  }
  refused(capsule(`(func (export "capsule_text")) ${run_}`), /capsule_text/);
  refused(capsule(`(data (i32.const 65535) "ab") ${run_}`), /does not fit/);
  refused(capsule(`(data (i32.const 65537) "") ${run_}`), /does not fit/);
  refused(capsule(`(data (i32.const -1) "") ${run_}`), /does not fit/);
  refused(capsule(`(table 1 funcref) (elem (i32.const 1) $f) (func $f) ${run_}`), /does not fit/);
  refused(capsule(`(global i32 (i32.const 0)) (data (global.get 0) "") ${run_}`), /no constant|not valid/);
  assert.equal(said(run(capsule(`(data (i32.const 65536) "") ${run_}`))), "ok");
});

test("modules whose code is not well typed are refused before anything is put into them", () => {
  for (const code of [[0x6a], [0x20, 0], [0x41, 0], [0x0c, 5], [0x10, 9], [0x23, 0], [0x05], [0x0b]]) {
    refused(assembleBody(code), /not valid|no capsule/);
  }
  // The numbers of what will be added are not there before it is added.
  refused(assembleBody([0x42, 0, 0x24, 0]), /not valid/);
  refused(assembleBody([0x10, 1]), /not there|not valid/);
});

test("random capsules: rewritten, valid, and the same twice", () => {
  for (let seed = 5000; seed < 5150; seed++) {
    const module = assemble(new Generator(seed).module());
    assert.ok(WebAssembly.validate(rewrite(readModule(module), METERING) as BufferSource), `seed ${seed}`);
    const given = { limits: { fuel: 300_000 } };
    assert.deepEqual(run(module, given), run(module, given), `seed ${seed}`);
  }
});
