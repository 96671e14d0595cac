// One instruction of a function's body.
//
// Enters: a reader that stands on an opcode. Leaves: the instruction with its immediates, and where it ends.
// Refuses: opcodes that docs/abi.md does not allow, and immediates that are cut off or out of form.

import type { Reader } from "./reader.js";
import { Immediate, type Operator, OP, plainOperator, prefixedOperator, FC } from "./opcodes.js";

export interface Instruction {
  opcode: number;
  /** The number after the prefix 0xfc, else -1. */
  prefixed: number;
  pops: number;
  pushes: number;
  /** The first index: a label, a local, a function, a type; a block's type as the format writes it. */
  index: number;
  start: number;
  end: number;
}

/** A block type with no parameters and no results. */
export const EMPTY_BLOCK = -64;

/** As a power of two; the format's later forms of an address put flags above it. */
const ALIGNMENT_MAX = 3;

export function readInstruction(reader: Reader): Instruction {
  const start = reader.position;
  const opcode = reader.byte();
  if (opcode === OP.prefix) return readPrefixed(reader, start);
  const operator = plainOperator(opcode);
  if (operator === undefined) reader.fail(`the opcode 0x${opcode.toString(16).padStart(2, "0")}`);
  const index = readImmediate(reader, operator);
  return { opcode, prefixed: -1, pops: operator.pops, pushes: operator.pushes, index, start, end: reader.position };
}

function readPrefixed(reader: Reader, start: number): Instruction {
  const prefixed = reader.u32();
  const operator = prefixedOperator(prefixed);
  if (operator === undefined) reader.fail(`the opcode 0xfc ${prefixed}`);
  let index = 0;
  if (prefixed === FC.memoryInit || prefixed === FC.dataDrop || prefixed === FC.elemDrop || prefixed === FC.tableInit) {
    index = reader.u32();
  }
  if (prefixed === FC.memoryInit || prefixed === FC.memoryFill) zeroByte(reader);
  if (prefixed === FC.memoryCopy) {
    zeroByte(reader);
    zeroByte(reader);
  }
  if (prefixed === FC.tableInit) tableZero(reader);
  if (prefixed === FC.tableCopy) {
    tableZero(reader);
    tableZero(reader);
  }
  return { opcode: OP.prefix, prefixed, ...operator, index, start, end: reader.position };
}

function readImmediate(reader: Reader, operator: Operator): number {
  switch (operator.immediate) {
    case Immediate.None:
      return 0;
    case Immediate.Index:
      return reader.u32();
    case Immediate.CallIndirect: {
      const type = reader.u32();
      tableZero(reader);
      return type;
    }
    case Immediate.BlockType:
      return readBlockType(reader);
    case Immediate.BranchTable:
      reader.list(() => reader.u32());
      return reader.u32();
    case Immediate.ConstI32:
      return Number(reader.signed(32));
    default:
      skipImmediate(reader, operator.immediate);
      return 0;
  }
}

/** What is read for its form alone. */
function skipImmediate(reader: Reader, immediate: Immediate): void {
  if (immediate === Immediate.MemoryArgument) {
    if (reader.u32() > ALIGNMENT_MAX) reader.fail("an alignment beyond 8 bytes");
    reader.u32();
  } else if (immediate === Immediate.ZeroByte) zeroByte(reader);
  else if (immediate === Immediate.ConstI64) reader.signed(64);
  else reader.skip(immediate === Immediate.ConstF32 ? 4 : 8);
}

/** A type's index, or one of the five types in a byte that stand as negative numbers: nothing, f64, f32, i64, i32. */
function readBlockType(reader: Reader): number {
  const type = Number(reader.signed(33));
  if (type < 0 && type !== EMPTY_BLOCK && (type < -4 || type > -1)) reader.fail("a block type");
  return type;
}

function zeroByte(reader: Reader): void {
  if (reader.byte() !== 0) reader.fail("a memory other than the first");
}

function tableZero(reader: Reader): void {
  if (reader.u32() !== 0) reader.fail("a table other than the first");
}
