// Whether a module is a capsule: imports, exports, memory, segments.
//
// Enters: a module and the grants. Leaves: what a run needs to know of it. Refuses: what docs/abi.md, "A capsule",
// refuses of these, and imports whose capability is not granted.
//
// Not repeated here are the limits on counts (`counts` of the rules) and the compile cost. They bound what a host
// spends and change no run's result: a module beyond them is refused by Tenzik, so it has no `wasm` receipt.

import { CannotTell } from "../outcome.js";
import type { ImportRule, NumberType, Rules } from "../rules.js";
import { type Export, type FunctionType, type Module, VALUE_TYPE } from "./module.js";

export interface Capsule {
  textUnitBytes: 1 | 2;
  /** The rule of each import, in order. */
  imports: ImportRule[];
  initialPages: number;
  /** The memory's own maximum, in pages. */
  maximumPages: number;
  tableSlots: number;
  segmentUnits: number;
}

const PAGE_BYTES = 65_536;
const RESERVED = "tenzik:";
const SHOWN_MAX = 80;
/** What 32-bit addresses reach: the most pages of a memory that names no maximum. */
const PAGES_MAX = 65_536;

export function readCapsule(module: Module, rules: Rules, grants: readonly string[]): Capsule {
  const [memory] = module.memories;
  if (memory === undefined || module.memories.length > 1) refuse("it does not define exactly one memory");
  if (module.tables.length > 1) refuse("it has more than one table");
  const tableSlots = module.tables[0]?.min ?? 0;
  const imports = module.imports.map((row) => importRule(module, rules, grants, row));
  checkExports(module);
  if (module.start !== null && module.start < module.imports.length) refuse("its start function is an import");
  const segmentUnits =
    segments(module.data, memory.min * PAGE_BYTES) + segments(module.elements, tableSlots);
  return {
    textUnitBytes: textUnitBytes(module),
    imports,
    initialPages: memory.min,
    maximumPages: memory.max ?? PAGES_MAX,
    tableSlots,
    segmentUnits,
  };
}

/** Text of a module as it can be shown: short, printable ASCII, in quotes. */
function shown(text: string): string {
  const cut = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
  return JSON.stringify(cut).replace(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

function refuse(why: string): never {
  throw new CannotTell(`the module is no capsule: ${why}`);
}

function importRule(module: Module, rules: Rules, grants: readonly string[], row: Module["imports"][number]): ImportRule {
  const rule = rules.imports.find((rule) => rule.module === row.module && rule.name === row.name);
  const path = shown(`${row.module}.${row.name}`);
  if (rule === undefined) return refuse(`it imports ${path}`);
  const type = module.types[row.type] as FunctionType;
  if (!sameTypes(type.params, rule.params)) refuse(`it imports ${path} with another type`);
  if (!sameTypes(type.results, rule.result === null ? [] : [rule.result])) refuse(`it imports ${path} with another type`);
  if (rule.capability !== null && !grants.includes(rule.capability)) {
    throw new CannotTell(`the module imports ${path}, and ${rule.capability} is not granted`);
  }
  return rule;
}

function sameTypes(found: number[], wanted: NumberType[]): boolean {
  return found.length === wanted.length && wanted.every((type, i) => found[i] === VALUE_TYPE[type]);
}

function checkExports(module: Module): void {
  for (const { name, kind, index } of module.exports) {
    if (name.startsWith(RESERVED)) refuse(`it exports the reserved name ${shown(name)}`);
    if (kind === "function" && index < module.imports.length) refuse("it exports an import");
  }
  if (named(module, "memory")?.kind !== "memory") refuse("it does not export its memory as memory");
  const run = named(module, "run");
  if (run?.kind !== "function") refuse("it exports no function run");
  const index = module.functions[run.index - module.imports.length];
  const type = index === undefined ? undefined : module.types[index];
  const isRun = type?.params.length === 0 && (type.results.length === 0 || sameTypes(type.results, ["i32"]));
  if (!isRun) refuse("its run has another type than () or () -> i32");
}

function named(module: Module, name: string): Export | undefined {
  return module.exports.find((row) => row.name === name);
}

function textUnitBytes(module: Module): 1 | 2 {
  const marker = named(module, "capsule_text");
  if (marker === undefined) return 1;
  const global = marker.kind === "global" ? module.globals[marker.index] : undefined;
  const value = global?.mutable === false && global.type === VALUE_TYPE.i32 ? global.i32 : null;
  if (value !== 8 && value !== 16) return refuse("its capsule_text is neither 8 nor 16");
  return value === 16 ? 2 : 1;
}

/** The units that active segments write at the start, all of which must fit. */
function segments(list: Module["data"], room: number): number {
  let units = 0;
  for (const { active, length } of list) {
    if (active === null) continue;
    if (active.offset + length > room) refuse("a segment that does not fit");
    units += length;
  }
  return units;
}
