// The metering rewriter: docs/determinism.md, "Metering: tenzik-meter/1".
//
// Enters: a module that was read, and the metering's table. Leaves: the bytes of a module that counts fuel and stack in
// globals of its own, and stops itself. Refuses: code that is out of form; the rest is refused by the engine, which
// validates what comes out.
//
// What is added stands after what is there, so every number keeps its meaning. Custom sections are dropped, and the
// start section becomes the export `tenzik:start`.

import { ByteBuilder } from "../bytes.js";
import type { Metering } from "../rules.js";
import { rewriteBody } from "./body.js";
import { type Code, putName, putSigned, putU32 } from "./emit.js";
import { type Added, growBody, payBody, stopBody, WHY } from "./instrument.js";
import { type FunctionType, type Module, SECTION, SECTION_ORDER, VALUE_TYPE } from "./module.js";
import { OP } from "./opcodes.js";
import { walkFunction } from "./walk.js";

export const EXPORTED = {
  fuel: "tenzik:fuel",
  pages: "tenzik:pages",
  stack: "tenzik:stack",
  start: "tenzik:start",
  why: "tenzik:why",
} as const;

const GLOBAL_EXPORT = 3;
const FUNCTION_EXPORT = 0;
const MUTABLE = 1;

/** A function that the rewriting adds, with how many locals of type `i32` it has. */
interface AddedFunction {
  type: FunctionType;
  locals: number;
  code: Code;
}

interface AddedParts {
  types: FunctionType[];
  /** The place in `types` by the type's text, since a module may have thousands of functions that ask for one. */
  places: Map<string, number>;
  functions: AddedFunction[];
  globals: { type: number }[];
  exports: { name: string; kind: number; index: number }[];
}

export function rewrite(module: Module, metering: Metering): Uint8Array {
  const added = numbers(module);
  const parts = addedParts(module, metering, added);
  const code = rewrittenCode(module, metering, added, parts);
  const out = new ByteBuilder(module.bytes.length * 2 + 1024);
  out.append([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
  for (const id of SECTION_ORDER) {
    const content = id === SECTION.code ? code : sectionContent(module, parts, id);
    if (content === null) continue;
    out.push(id);
    putU32(out, content.length);
    out.append(content);
  }
  return out.toBytes();
}

function numbers(module: Module): Added {
  const globals = module.globals.length;
  const functions = module.imports.length + module.functions.length;
  return {
    fuel: globals,
    stack: globals + 1,
    pages: globals + 2,
    why: globals + 3,
    stopFuel: functions,
    stopStack: functions + 1,
    grow: functions + 2,
    payMemory: functions + 3,
    payTable: functions + 4,
  };
}

function addedParts(module: Module, metering: Metering, added: Added): AddedParts {
  const stop: FunctionType = { params: [], results: [] };
  const pay: FunctionType = { params: [VALUE_TYPE.i32], results: [VALUE_TYPE.i32] };
  const parts: AddedParts = {
    types: [],
    places: new Map(),
    functions: [
      { type: stop, locals: 0, code: stopBody(added, WHY.fuel) },
      { type: stop, locals: 0, code: stopBody(added, WHY.stack) },
      { type: pay, locals: 1, code: growBody(added, metering) },
      { type: pay, locals: 0, code: payBody(added, metering.bulkShift) },
      { type: pay, locals: 0, code: payBody(added, 0) },
    ],
    globals: [{ type: VALUE_TYPE.i64 }, { type: VALUE_TYPE.i32 }, { type: VALUE_TYPE.i64 }, { type: VALUE_TYPE.i32 }],
    exports: (["fuel", "stack", "pages", "why"] as const).map((name) => {
      return { name: EXPORTED[name], kind: GLOBAL_EXPORT, index: added[name] };
    }),
  };
  if (module.start !== null) parts.exports.push({ name: EXPORTED.start, kind: FUNCTION_EXPORT, index: module.start });
  return parts;
}

/** The code section. Types that it needs are added to the parts, so it comes before the type section is written. */
function rewrittenCode(module: Module, metering: Metering, added: Added, parts: AddedParts): Uint8Array {
  const resultsType = (results: number[]): number => typeNumber(module, parts, { params: [], results });
  const out = new ByteBuilder(module.bytes.length * 2);
  putU32(out, module.bodies.length + parts.functions.length);
  module.bodies.forEach((body, i) => {
    const type = module.types[module.functions[i] as number] as FunctionType;
    const walked = walkFunction(module, metering, type, body);
    const rewritten = rewriteBody({ bytes: module.bytes, added, resultsType }, type, body, walked);
    putU32(out, rewritten.length);
    out.append(rewritten);
  });
  for (const { locals, code } of parts.functions) {
    const groups = locals === 0 ? [0] : [1, locals, VALUE_TYPE.i32];
    putU32(out, groups.length + code.out.length);
    out.append(groups);
    out.append(code.out.toBytes());
  }
  return out.toBytes();
}

/** The number of a type that the rewriting adds, the same for the same type. */
function typeNumber(module: Module, parts: AddedParts, type: FunctionType): number {
  const key = JSON.stringify(type);
  let place = parts.places.get(key);
  if (place === undefined) {
    place = parts.types.push(type) - 1;
    parts.places.set(key, place);
  }
  return module.types.length + place;
}

/** A section other than the code: what was there, and behind it what is added; null where there is neither. */
function sectionContent(module: Module, parts: AddedParts, id: number): Uint8Array | null {
  const there = module.contents.get(id);
  if (id === SECTION.start) return null;
  if (id === SECTION.dataCount) return there === undefined ? null : module.bytes.slice(there.start, there.end);
  const more = addedItems(module, parts, id);
  const count = itemCount(module, id) + more.length;
  if (there === undefined && count === 0) return null;
  const out = new ByteBuilder();
  putU32(out, count);
  if (there !== undefined) out.append(module.bytes.subarray(there.start, there.end));
  for (const item of more) out.append(item);
  return out.toBytes();
}

function itemCount(module: Module, id: number): number {
  const lists = {
    [SECTION.type]: module.types,
    [SECTION.import]: module.imports,
    [SECTION.function]: module.functions,
    [SECTION.table]: module.tables,
    [SECTION.memory]: module.memories,
    [SECTION.global]: module.globals,
    [SECTION.export]: module.exports,
    [SECTION.element]: module.elements,
    [SECTION.data]: module.data,
  } as Record<number, unknown[]>;
  return (lists[id] as unknown[]).length;
}

function addedItems(module: Module, parts: AddedParts, id: number): Uint8Array[] {
  switch (id) {
    case SECTION.function:
      return parts.functions.map(({ type }) => item((out) => putU32(out, typeNumber(module, parts, type))));
    case SECTION.type:
      // The added functions' types, too, are asked for here before the list is written.
      for (const { type } of parts.functions) typeNumber(module, parts, type);
      return parts.types.map((type) => item((out) => putFunctionType(out, type)));
    case SECTION.global:
      return parts.globals.map(({ type }) => item((out) => putZeroGlobal(out, type)));
    case SECTION.export:
      return parts.exports.map(({ name, kind, index }) =>
        item((out) => {
          putName(out, name);
          out.push(kind);
          putU32(out, index);
        }),
      );
    default:
      return [];
  }
}

function item(put: (out: ByteBuilder) => void): Uint8Array {
  const out = new ByteBuilder();
  put(out);
  return out.toBytes();
}

function putFunctionType(out: ByteBuilder, { params, results }: FunctionType): void {
  out.push(0x60);
  for (const list of [params, results]) {
    putU32(out, list.length);
    out.append(list);
  }
}

/** A mutable global of value zero; the host sets it before the run. */
function putZeroGlobal(out: ByteBuilder, type: number): void {
  out.append([type, MUTABLE, type === VALUE_TYPE.i64 ? OP.i64Const : OP.i32Const]);
  putSigned(out, 0n);
  out.push(OP.end);
}
