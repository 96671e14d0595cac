// A module's sections.
//
// Enters: a module's bytes. Leaves: a `Module`: types, imports, declarations, exports, segments, and where each
// section and body stands. Refuses: what is cut off or out of form, sections and types that docs/abi.md has off, and
// offsets and initial values that are no constants. That the code is well typed is left to the engine's validation.

import {
  type Body,
  type Export,
  type FunctionType,
  type Global,
  type Import,
  type Limits,
  type Module,
  SECTION,
  SECTION_ORDER,
  type Segment,
  VALUE_TYPE,
} from "./module.js";
import { Immediate, OP, plainOperator } from "./opcodes.js";
import { readInstruction } from "./instruction.js";
import { Reader } from "./reader.js";

const MAGIC = [0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00];

export function readModule(bytes: Uint8Array): Module {
  const reader = new Reader(bytes);
  for (const byte of MAGIC) {
    if (reader.byte() !== byte) reader.fail("no WebAssembly of version 1");
  }
  const module = emptyModule(bytes);
  let place = -1;
  while (!reader.atEnd) {
    const id = reader.byte();
    const section = reader.part(reader.u32());
    if (id === SECTION.custom) {
      section.name();
      continue;
    }
    const found = (SECTION_ORDER as readonly number[]).indexOf(id);
    if (found <= place) reader.fail(`a section ${id} that is unknown, doubled or out of order`);
    place = found;
    readSection(module, id, section);
  }
  if (module.bodies.length !== module.functions.length) reader.fail("another number of bodies than of functions");
  return module;
}

function emptyModule(bytes: Uint8Array): Module {
  return {
    bytes,
    types: [],
    imports: [],
    functions: [],
    tables: [],
    memories: [],
    globals: [],
    exports: [],
    start: null,
    elements: [],
    data: [],
    bodies: [],
    contents: new Map(),
  };
}

function readSection(module: Module, id: number, section: Reader): void {
  const isList = id !== SECTION.start && id !== SECTION.dataCount;
  let count = 0;
  if (isList) count = section.u32();
  if (isList && count > section.end - section.position) section.fail("a list longer than its section");
  module.contents.set(id, { start: section.position, end: section.end });
  if (id === SECTION.start) module.start = section.u32();
  else if (id === SECTION.dataCount) section.u32();
  else for (let i = 0; i < count; i++) readItem(module, id, section);
  if (!section.atEnd) section.fail("bytes after the end of a section");
}

function readItem(module: Module, id: number, section: Reader): void {
  switch (id) {
    case SECTION.type:
      return void module.types.push(readFunctionType(section));
    case SECTION.import:
      return void module.imports.push(readImport(module, section));
    case SECTION.function:
      return void module.functions.push(typeIndex(module, section));
    case SECTION.table:
      return void module.tables.push(readTable(section));
    case SECTION.memory:
      return void module.memories.push(readLimits(section));
    case SECTION.global:
      return void module.globals.push(readGlobal(section));
    case SECTION.export:
      return void module.exports.push(readExport(section));
    case SECTION.element:
      return void module.elements.push(readElement(section));
    case SECTION.code:
      return void module.bodies.push(readBody(section));
    case SECTION.data:
      return void module.data.push(readData(section));
    default:
      section.fail("a section that is not known");
  }
}

function valueType(section: Reader): number {
  const type = section.byte();
  if (type < VALUE_TYPE.f64 || type > VALUE_TYPE.i32) section.fail("a type other than i32, i64, f32, f64");
  return type;
}

function typeIndex(module: Module, section: Reader): number {
  const index = section.u32();
  if (index >= module.types.length) section.fail("a type that is not there");
  return index;
}

function readFunctionType(section: Reader): FunctionType {
  if (section.byte() !== 0x60) section.fail("a type that is no function's");
  return { params: section.list(() => valueType(section)), results: section.list(() => valueType(section)) };
}

function readImport(module: Module, section: Reader): Import {
  const from = section.name();
  const name = section.name();
  if (section.byte() !== 0x00) section.fail("an import that is no function");
  return { module: from, name, type: typeIndex(module, section) };
}

function readTable(section: Reader): Limits {
  if (section.byte() !== 0x70) section.fail("a table of other than functions");
  return readLimits(section);
}

function readLimits(section: Reader): Limits {
  const flags = section.byte();
  if (flags > 1) section.fail("a shared or 64-bit memory or table");
  return { min: section.u32(), max: flags === 1 ? section.u32() : null };
}

function readGlobal(section: Reader): Global {
  const type = valueType(section);
  const mutability = section.byte();
  if (mutability > 1) section.fail("a global that is neither constant nor mutable");
  const value = constant(section);
  return { type, mutable: mutability === 1, i32: value };
}

/** A constant expression: one constant and `end`. Its value if it is an `i32`, which the validator holds to its type. */
function constant(section: Reader): number | null {
  const instruction = readInstruction(section);
  const immediate = plainOperator(instruction.opcode)?.immediate ?? Immediate.None;
  if (immediate < Immediate.ConstI32) section.fail("an expression that is no constant");
  if (section.byte() !== OP.end) section.fail("an expression of more than one constant");
  return instruction.opcode === OP.i32Const ? instruction.index : null;
}

function readExport(section: Reader): Export {
  const name = section.name();
  const kind = (["function", "table", "memory", "global"] as const)[section.byte()];
  if (kind === undefined) section.fail("an export of a kind that is not known");
  return { name, kind, index: section.u32() };
}

/** An offset: one `i32.const`, read as unsigned. */
function offset(section: Reader): number {
  const value = constant(section);
  if (value === null) section.fail("an offset that is no i32.const");
  return value >>> 0;
}

function readElement(section: Reader): Segment {
  const flags = section.u32();
  if (flags > 3) section.fail("an element segment of expressions");
  if (flags === 2 && section.u32() !== 0) section.fail("a table other than the first");
  const active = flags === 0 || flags === 2 ? { offset: offset(section) } : null;
  if (flags !== 0 && section.byte() !== 0x00) section.fail("an element segment of other than functions");
  return { active, length: section.list(() => section.u32()).length };
}

function readData(section: Reader): Segment {
  const flags = section.u32();
  if (flags > 2) section.fail("a data segment of a kind that is not known");
  if (flags === 2 && section.u32() !== 0) section.fail("a memory other than the first");
  const active = flags === 1 ? null : { offset: offset(section) };
  const length = section.u32();
  section.skip(length);
  return { active, length };
}

function readBody(section: Reader): Body {
  const size = section.u32();
  const start = section.position;
  const body = section.part(size);
  const localGroups = body.u32();
  let locals = 0;
  for (let i = 0; i < localGroups; i++) {
    locals += body.u32();
    valueType(body);
  }
  if (locals > 0xffff_ffff) body.fail("more locals than can be counted");
  return { start, code: body.position, end: start + size, localGroups, locals };
}
