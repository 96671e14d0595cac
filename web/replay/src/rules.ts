// The tables of docs/rules.json.
//
// Enters: the file's bytes. Leaves: prices, limits and the metering as typed tables, and the digest that claims name.
// Refuses: a file without a table or number that is needed here. Nothing of it is written down in this program.

import { blake3 } from "@noble/hashes/blake3.js";
import { toHex } from "./bytes.js";
import { CannotTell } from "./outcome.js";
import { utf8ToString } from "./text.js";

export type NumberType = "f64" | "i32" | "i64";

export interface ImportRule {
  module: string;
  name: string;
  capability: string | null;
  params: NumberType[];
  result: NumberType | null;
  base: number;
  byte: number;
}

export interface Metering {
  name: string;
  entry: number;
  operator: number;
  operators: ReadonlyMap<number, number>;
  operatorsFc: ReadonlyMap<number, number>;
  bulkShift: number;
  growPage: number;
  frame: number;
  stackMax: number;
}

export interface Rules {
  digest: string;
  abi: string;
  imports: ImportRule[];
  jsonGetMember: number;
  jsonOutputByte: number;
  path: { child: number; member: number; node: number; pathByte: number; sourceByte: number };
  limits: { jsonDepth: number; jsonTextBytes: number; messageBytes: number; pathBytes: number; resultBytes: number };
  longNumber: { aboveCharacters: number; fuel: number };
  startup: { jsonInputByte: number; page: number; run: number; segmentUnit: number; tableSlot: number };
  metering: Metering | null;
}

type Table = Record<string, unknown>;

export function readRules(bytes: Uint8Array): Rules {
  const root = table(parse(bytes), "the rules file");
  const long = member(root, "long_number");
  return {
    digest: `blake3:${toHex(blake3(bytes))}`,
    abi: text(root, "abi"),
    imports: list(root, "imports").map((row) => importRule(table(row, "an import"))),
    jsonGetMember: number(root, "json_get_member"),
    jsonOutputByte: number(root, "json_output_byte"),
    path: pathPrices(member(root, "json_path")),
    limits: sizeLimits(member(root, "limits")),
    longNumber: { aboveCharacters: number(long, "above_characters"), fuel: number(long, "fuel") },
    startup: startupPrices(member(root, "startup")),
    metering: root["metering"] === undefined ? null : metering(member(root, "metering")),
  };
}

function pathPrices(row: Table): Rules["path"] {
  return {
    child: number(row, "child"),
    member: number(row, "member"),
    node: number(row, "node"),
    pathByte: number(row, "path_byte"),
    sourceByte: number(row, "source_byte"),
  };
}

function sizeLimits(row: Table): Rules["limits"] {
  return {
    jsonDepth: number(row, "json_depth"),
    jsonTextBytes: number(row, "json_text_bytes"),
    messageBytes: number(row, "message_bytes"),
    pathBytes: number(row, "path_bytes"),
    resultBytes: number(row, "result_bytes"),
  };
}

function startupPrices(row: Table): Rules["startup"] {
  return {
    jsonInputByte: number(row, "json_input_byte"),
    page: number(row, "page"),
    run: number(row, "run"),
    segmentUnit: number(row, "segment_unit"),
    tableSlot: number(row, "table_slot"),
  };
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(utf8ToString(bytes));
  } catch {
    throw new CannotTell("the rules file is not JSON");
  }
}

function importRule(row: Table): ImportRule {
  const capability = row["capability"];
  const result = row["result"];
  return {
    module: text(row, "module"),
    name: text(row, "name"),
    capability: capability === null ? null : text(row, "capability"),
    params: list(row, "params").map(numberType),
    result: result === null ? null : numberType(result),
    base: number(row, "base"),
    byte: number(row, "byte"),
  };
}

function metering(row: Table): Metering {
  return {
    name: text(row, "name"),
    entry: number(row, "entry"),
    operator: number(row, "operator"),
    operators: costs(member(row, "operators"), /^0x[0-9a-f]{2}$/),
    operatorsFc: costs(member(row, "operators_fc"), /^(0|[1-9][0-9]*)$/),
    bulkShift: number(row, "bulk_shift"),
    growPage: number(row, "grow_page"),
    frame: number(row, "frame"),
    stackMax: number(row, "stack_max"),
  };
}

/** Costs by opcode; `Number` reads both ways of writing the keys. */
function costs(row: Table, key: RegExp): Map<number, number> {
  const found = new Map<number, number>();
  for (const name of Object.keys(row)) {
    if (!key.test(name)) throw new CannotTell(`the rules file names no opcode by ${JSON.stringify(name)}`);
    found.set(Number(name), number(row, name));
  }
  return found;
}

function numberType(value: unknown): NumberType {
  if (value === "f64" || value === "i32" || value === "i64") return value;
  throw new CannotTell("the rules file has a type that is not known here");
}

function table(value: unknown, what: string): Table {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Table;
  throw new CannotTell(`${what} is no table`);
}

function member(parent: Table, name: string): Table {
  return table(parent[name], `the rules' ${name}`);
}

function list(parent: Table, name: string): unknown[] {
  const value = parent[name];
  if (Array.isArray(value)) return value;
  throw new CannotTell(`the rules' ${name} is no list`);
}

function text(parent: Table, name: string): string {
  const value = parent[name];
  if (typeof value === "string") return value;
  throw new CannotTell(`the rules' ${name} is no text`);
}

function number(parent: Table, name: string): number {
  const value = parent[name];
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new CannotTell(`the rules' ${name} is no whole number`);
}
