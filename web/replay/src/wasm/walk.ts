// A function's body, walked once: what it costs, how high its stack gets, and where the rewriting changes it.
//
// Enters: a module and one of its functions. Leaves: the cost of each region, the frame, and a plan: the places, in the
// order of the text, where something is put in or replaced. Refuses: bodies that do not end where they should, and
// indices that lead nowhere. That operands are there and have the right types is left to the engine's validation.
//
// It follows docs/determinism.md, "Metering: tenzik-meter/1"; the words "dead", "region", "height" are meant as there.

import type { Metering } from "../rules.js";
import { EMPTY_BLOCK, type Instruction, readInstruction } from "./instruction.js";
import type { Body, FunctionType, Module } from "./module.js";
import { FC, nanResult, OP } from "./opcodes.js";
import { Reader } from "./reader.js";

/** A change to the text. `at` is where; `to` is where the original goes on. */
export type Change = { at: number; to: number } & (
  | { kind: "region"; region: number; look: boolean }
  | { kind: "return"; depth: number }
  | { kind: "grow" }
  | { kind: "bulk"; table: boolean }
  | { kind: "nan"; type: "f32" | "f64" }
);

export interface Walked {
  frame: number;
  /** The cost of each region, the first one's entry included. */
  costs: number[];
  changes: Change[];
}

interface Construct {
  /** The height below its parameters. */
  base: number;
  params: number;
  results: number;
  live: boolean;
}

const NO_CONSTRUCT: FunctionType = { params: [], results: [] };

export function walkFunction(module: Module, metering: Metering, type: FunctionType, body: Body): Walked {
  const walk = new Walk(module, metering, body);
  const greatest = walk.run(type);
  const frame = metering.frame + type.params.length + body.locals + greatest;
  return { frame, costs: walk.costs, changes: walk.changes };
}

class Walk {
  readonly costs: number[] = [];
  readonly changes: Change[] = [];
  readonly #constructs: Construct[] = [];
  readonly #reader: Reader;
  #height = 0;
  #greatest = 0;
  #dead = false;

  constructor(
    readonly module: Module,
    readonly metering: Metering,
    body: Body,
  ) {
    this.#reader = new Reader(module.bytes, body.code, body.end);
  }

  /** Walks to the function's own `end`; gives the greatest height. */
  run(type: FunctionType): number {
    this.#constructs.push({ base: 0, params: 0, results: type.results.length, live: true });
    this.#beginRegion(this.#reader.position, true);
    this.#pay(this.metering.entry);
    while (this.#constructs.length > 0) this.#step(readInstruction(this.#reader));
    if (!this.#reader.atEnd) this.#reader.fail("code after the end of a function");
    return this.#greatest;
  }

  #step(instruction: Instruction): void {
    const { opcode } = instruction;
    if (opcode === OP.block || opcode === OP.loop || opcode === OP.if) this.#open(instruction);
    else if (opcode === OP.else || opcode === OP.end) this.#meet(instruction);
    else if (!this.#dead) this.#live(instruction);
  }

  /** `block`, `loop`, `if`. */
  #open(instruction: Instruction): void {
    const { opcode, end } = instruction;
    const type = this.#blockType(instruction.index);
    const live = !this.#dead;
    if (live) {
      // A loop is paid for in each of its rounds, so it belongs to what follows it.
      if (opcode === OP.loop) this.#beginRegion(end, true);
      this.#payFor(instruction);
      if (opcode === OP.if) {
        this.#change(1, 0);
        this.#beginRegion(end, false);
      }
    }
    const base = this.#height - type.params.length;
    this.#constructs.push({ base, params: type.params.length, results: type.results.length, live });
  }

  /** `else` and `end`: what follows is live if the construct is. */
  #meet(instruction: Instruction): void {
    const construct = this.#constructs.at(-1) as Construct;
    const isEnd = instruction.opcode === OP.end;
    if (!this.#dead) this.#payFor(instruction);
    if (isEnd) this.#constructs.pop();
    if (!construct.live) return;
    this.#dead = false;
    this.#reach(construct.base + (isEnd ? construct.results : construct.params));
    if (this.#constructs.length > 0) this.#beginRegion(instruction.end, false);
  }

  /** A live operator other than those that open, part or close a construct. */
  #live(instruction: Instruction): void {
    const { opcode, start, end } = instruction;
    this.#payFor(instruction);
    if (opcode === OP.return) {
      this.changes.push({ kind: "return", at: start, to: end, depth: this.#constructs.length - 1 });
    }
    if (opcode === OP.memoryGrow) this.changes.push({ kind: "grow", at: start, to: end });
    if (opcode === OP.prefix) this.#bulk(instruction);
    const float = nanResult(opcode);
    if (float !== undefined) this.changes.push({ kind: "nan", type: float, at: end, to: end });
    this.#change(instruction.pops, instruction.pushes);
    if (opcode === OP.call) this.#call(this.#functionType(instruction.index));
    if (opcode === OP.callIndirect) this.#call(this.#typeAt(instruction.index));
    if (opcode === OP.br || opcode === OP.brTable || opcode === OP.return || opcode === OP.unreachable) this.#dead = true;
  }

  #bulk({ prefixed, start }: Instruction): void {
    const isTable = prefixed === FC.tableInit || prefixed === FC.tableCopy;
    const isMemory = prefixed === FC.memoryInit || prefixed === FC.memoryCopy || prefixed === FC.memoryFill;
    if (isTable || isMemory) this.changes.push({ kind: "bulk", table: isTable, at: start, to: start });
  }

  #call(type: FunctionType): void {
    this.#change(type.params.length, type.results.length);
  }

  #change(pops: number, pushes: number): void {
    this.#reach(this.#height - pops + pushes);
  }

  #reach(height: number): void {
    this.#height = height;
    this.#greatest = Math.max(this.#greatest, height);
  }

  #beginRegion(at: number, look: boolean): void {
    this.changes.push({ kind: "region", region: this.costs.length, look, at, to: at });
    this.costs.push(0);
  }

  #payFor({ opcode, prefixed }: Instruction): void {
    const { operators, operatorsFc, operator } = this.metering;
    const cost = opcode === OP.prefix ? operatorsFc.get(prefixed) : operators.get(opcode);
    this.#pay(cost ?? operator);
  }

  #pay(cost: number): void {
    this.costs[this.costs.length - 1] = (this.costs.at(-1) as number) + cost;
  }

  #blockType(index: number): FunctionType {
    if (index === EMPTY_BLOCK) return NO_CONSTRUCT;
    // One of the four types by itself: a block with that one result.
    if (index < 0) return { params: [], results: [0x80 + index] };
    return this.#typeAt(index);
  }

  #typeAt(index: number): FunctionType {
    return this.module.types[index] ?? this.#reader.fail("a type that is not there");
  }

  #functionType(index: number): FunctionType {
    const { imports, functions } = this.module;
    const imported = imports[index];
    const type = imported === undefined ? functions[index - imports.length] : imported.type;
    return this.#typeAt(type ?? this.#reader.fail("a function that is not there"));
  }
}
