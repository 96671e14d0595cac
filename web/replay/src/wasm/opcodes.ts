// The opcodes that a capsule may use, and how each changes the height of the operand stack.
//
// Enters: an opcode. Leaves: what follows it in the text, what it takes and gives. Refuses: every other opcode.
// On: the first WebAssembly, sign extension, saturating truncation, bulk memory. Types are left to the validator.

/** What stands behind an opcode. */
export const enum Immediate {
  None,
  /** One index; for `call_indirect` a type and a table. */
  Index,
  CallIndirect,
  BlockType,
  BranchTable,
  MemoryArgument,
  ZeroByte,
  ConstI32,
  ConstI64,
  ConstF32,
  ConstF64,
}

export interface Operator {
  immediate: Immediate;
  pops: number;
  pushes: number;
}

export const OP = {
  unreachable: 0x00,
  nop: 0x01,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  select: 0x1b,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  memorySize: 0x3f,
  memoryGrow: 0x40,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  i32Eq: 0x46,
  i32LtS: 0x48,
  i64LtS: 0x53,
  i64GtU: 0x56,
  f32Eq: 0x5b,
  f64Eq: 0x61,
  i32Add: 0x6a,
  i32Sub: 0x6b,
  i64Add: 0x7c,
  i64Sub: 0x7d,
  i64Mul: 0x7e,
  i64ShrU: 0x88,
  i64ExtendI32U: 0xad,
  prefix: 0xfc,
} as const;

export const FC = { memoryInit: 8, dataDrop: 9, memoryCopy: 10, memoryFill: 11, tableInit: 12, elemDrop: 13, tableCopy: 14 } as const;

const plain = new Map<number, Operator>();

function define(first: number, last: number, pops: number, pushes: number, immediate = Immediate.None): void {
  for (let opcode = first; opcode <= last; opcode++) plain.set(opcode, { immediate, pops, pushes });
}

// Control: what branches, calls and blocks take and give depends on types, and is worked out where they are walked.
define(0x00, 0x01, 0, 0);
define(0x02, 0x04, 0, 0, Immediate.BlockType);
define(0x05, 0x05, 0, 0);
define(0x0b, 0x0b, 0, 0);
define(0x0c, 0x0c, 0, 0, Immediate.Index);
define(0x0d, 0x0d, 1, 0, Immediate.Index);
define(0x0e, 0x0e, 1, 0, Immediate.BranchTable);
define(0x0f, 0x0f, 0, 0);
define(0x10, 0x10, 0, 0, Immediate.Index);
define(0x11, 0x11, 1, 0, Immediate.CallIndirect);
// Operands and variables.
define(0x1a, 0x1a, 1, 0);
define(0x1b, 0x1b, 3, 1);
define(0x20, 0x20, 0, 1, Immediate.Index);
define(0x21, 0x21, 1, 0, Immediate.Index);
define(0x22, 0x22, 1, 1, Immediate.Index);
define(0x23, 0x23, 0, 1, Immediate.Index);
define(0x24, 0x24, 1, 0, Immediate.Index);
// Memory.
define(0x28, 0x35, 1, 1, Immediate.MemoryArgument);
define(0x36, 0x3e, 2, 0, Immediate.MemoryArgument);
define(0x3f, 0x3f, 0, 1, Immediate.ZeroByte);
define(0x40, 0x40, 1, 1, Immediate.ZeroByte);
// Constants.
define(0x41, 0x41, 0, 1, Immediate.ConstI32);
define(0x42, 0x42, 0, 1, Immediate.ConstI64);
define(0x43, 0x43, 0, 1, Immediate.ConstF32);
define(0x44, 0x44, 0, 1, Immediate.ConstF64);
// Numbers: tests and comparisons, then arithmetic by type, conversions, sign extension.
define(0x45, 0x45, 1, 1);
define(0x46, 0x4f, 2, 1);
define(0x50, 0x50, 1, 1);
define(0x51, 0x66, 2, 1);
define(0x67, 0x69, 1, 1);
define(0x6a, 0x78, 2, 1);
define(0x79, 0x7b, 1, 1);
define(0x7c, 0x8a, 2, 1);
define(0x8b, 0x91, 1, 1);
define(0x92, 0x98, 2, 1);
define(0x99, 0x9f, 1, 1);
define(0xa0, 0xa6, 2, 1);
define(0xa7, 0xc4, 1, 1);

/** The operator of one byte, if a capsule may have it. */
export function plainOperator(opcode: number): Operator | undefined {
  return plain.get(opcode);
}

/** What the operator after the prefix 0xfc takes and gives, if a capsule may have it. */
export function prefixedOperator(number: number): { pops: number; pushes: number } | undefined {
  if (number <= 7) return { pops: 1, pushes: 1 };
  if (number === FC.dataDrop || number === FC.elemDrop) return { pops: 0, pushes: 0 };
  return number <= FC.tableCopy ? { pops: 3, pushes: 0 } : undefined;
}

const F32_ARITHMETIC = [0x8d, 0x8e, 0x8f, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0xb6];
const F64_ARITHMETIC = [0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xbb];
const floats = new Map<number, "f32" | "f64">([
  ...F32_ARITHMETIC.map((opcode) => [opcode, "f32"] as const),
  ...F64_ARITHMETIC.map((opcode) => [opcode, "f64"] as const),
]);

/** The type of the result, if the operator is arithmetic that may give a NaN of any bits. */
export function nanResult(opcode: number): "f32" | "f64" | undefined {
  return floats.get(opcode);
}
