// The transform that asc loads. In: the author's files, parsed. Out: the same program with readers, writers and a `run`
// for the host, and literals packed. Where the author's `run` cannot be made a capsule's, there are errors at its lines.

import { readFileSync } from "node:fs";
import { NodeKind, Range } from "assemblyscript";
import { Transform } from "assemblyscript/transform";
import { absent, throws } from "./author.js";
import { Errors } from "./errors.js";
import { facts } from "./facts.js";
import { Glue } from "./glue.js";
import { schema } from "./schema.js";
import { Scope } from "./scope.js";
import { pack, visit } from "./text.js";
import { MIXED_ENUM, Types, enumTexts } from "./types.js";

const READONLY = 1 << 6; // CommonFlags
const STUB = 0; // Runtime
const USER = 0, USER_ENTRY = 1; // SourceKind
const MEMORY_BASE = 1024; // what the compiler leaves unused anyway
const SDK = "~lib/@tenzik/sdk/";

/**
 * What the last compilation was: the schemas of input and output, and the readers and writers as text.
 * @type {{ input: any, output: any, typed: boolean, glue: string } | undefined}
 */
export let last;

export default class Capsule extends Transform {
  /** @param {any} parser */
  afterParse(parser) {
    last = undefined;
    const errors = new Errors(parser);
    const scope = new Scope(parser.sources);
    const found = this.#author(scope, errors);
    if (!found) return;
    const { author, entry } = found;
    if (/** @type {any} */ (this).program.options.runtime !== STUB) errors.at(undefined, "the SDK needs the option --runtime stub: memory is never collected");
    const types = new Types(scope, errors);
    const { parameters, returnType } = author.declaration.signature;
    if (author.declaration.isGeneric) errors.at(author.declaration.name, "run cannot be generic");
    if (parameters.length > 1) errors.at(parameters[1], "run takes one value, the input: put it into a class");
    const input = parameters[0] && types.of(parameters[0].type, author.source);
    const plain = returnType.kind === NodeKind.NamedType ? returnType.name.identifier.text : "";
    const code = plain === "i32" && !parameters.length;
    const output = plain === "void" || code ? undefined : types.of(returnType, author.source);
    if (input) constructible(input, errors);
    if (errors.count) return;
    strings(scope.sources, errors);
    const written = scope.sources.filter((source) => own(source) && !source.internalPath.startsWith(SDK));
    absent(written, errors);
    if (errors.count) return;
    throws(parser, written);
    const glue = new Glue(scope).module(entry, input, output, code);
    last = { input: schema(input), output: schema(output), typed: parameters.length > 0 || output !== undefined, glue };
    this.#add(parser, entry, facts(input), glue);
  }

  /** The author's `run`, and the entry file that exports it. */
  #author(/** @type {Scope} */ scope, /** @type {Errors} */ errors) {
    const entries = scope.sources.filter((source) => source.sourceKind === USER_ENTRY && !source.internalPath.startsWith("~lib/") && source.internalPath !== "rt/index-stub");
    const own = entries.filter((source) => !/(^|\/)(@tenzik\/)?sdk\/assembly\/entry$/.test(source.internalPath));
    for (const source of own) {
      const found = scope.exported(source, "run", new Set());
      if (found?.declaration.kind === NodeKind.FunctionDeclaration) return { author: found, entry: source };
    }
    const first = own[0];
    const start = first && new Range(0, 0);
    if (start) start.source = first;
    errors.at(start && { range: start }, "no run: a capsule is a file with `export function run(input: Input): Output`");
    return undefined;
  }

  #add(/** @type {any} */ parser, /** @type {any} */ entry, /** @type {string} */ constants, /** @type {string} */ glue) {
    const { options } = /** @type {any} */ (this).program;
    // The capsule's exports are the generated file's.
    entry.sourceKind = USER;
    parser.parseFile(constants, `${SDK}assembly/facts.ts`, false);
    const typed = readFileSync(new URL("../assembly/typed.ts", import.meta.url), "utf8");
    parser.parseFile(typed, `${SDK}assembly/typed.ts`, false);
    smaller(parser);
    parser.parseFile(glue, "tenzik-run.ts", true);
    const packed = pack(parser, parser.sources.filter(own), "run");
    parser.parseFile(packed.module, "tenzik-text.ts", false);
    options.memoryBase = Math.max(options.memoryBase, MEMORY_BASE, (packed.end + 15) & ~15);
  }
}

/** Puts the smaller bodies of `assembly/stub.ts` in the place of the standard library's. */
function smaller(/** @type {any} */ parser) {
  parser.parseFile(readFileSync(new URL("../assembly/stub.ts", import.meta.url), "utf8"), "tenzik-stub.ts", false);
  for (const ours of parser.sources.pop().statements) {
    const isClass = ours.kind === NodeKind.ClassDeclaration;
    const path = isClass ? "~lib/string" : "~lib/rt/stub";
    const theirs = named(parser.sources.find((/** @type {any} */ source) => source.internalPath === path).statements, ours);
    if (!isClass) replace(theirs, ours);
    else for (const method of ours.members) replace(named(theirs.members, method), method);
  }
}

/** @returns {any} */
function named(/** @type {any[]} */ list, /** @type {any} */ like) {
  return list.find((one) => one.name?.text === like.name.text);
}

function replace(/** @type {any} */ theirs, /** @type {any} */ ours) {
  // The compiler finds the file that a node belongs to by its range.
  for (const part of [ours.signature, ours.body]) visit(part, (node) => { node.range = theirs.range; });
  theirs.signature = ours.signature;
  theirs.body = ours.body;
}

/** Whether the literals of a file are ours to pack. */
function own(/** @type {any} */ source) {
  const path = source.internalPath;
  return path.startsWith(SDK) || !(path.startsWith("~lib/") || path.startsWith("rt/"));
}

/** Classes that are read are made without their constructor, and their members are set from outside. */
function constructible(/** @type {import("./types.js").Type} */ type, /** @type {Errors} */ errors, seen = new Set()) {
  if (type.kind === "array" || type.kind === "static" || type.kind === "map") constructible(type.of, errors, seen);
  if (type.kind !== "class" || seen.has(type.of)) return;
  seen.add(type.of);
  const made = type.of.family.flatMap((one) => one.declaration.members).find((member) => member.kind === NodeKind.MethodDeclaration && member.name.kind === NodeKind.Constructor);
  if (made) errors.at(made.name, "a class that is read from JSON cannot have a constructor: its members come from the input");
  for (const { node } of type.of.fields) {
    if (node.flags & READONLY) errors.at(node.name, "a member that is read from JSON cannot be readonly");
  }
  for (const field of type.of.fields) constructible(field.type, errors, seen);
  for (const variant of type.of.variants ?? []) constructible({ kind: "class", of: variant, nullable: false }, errors, seen);
}

/** AssemblyScript has no enums of strings: the members become numbers, the strings live in readers and writers. */
function strings(/** @type {any[]} */ sources, /** @type {Errors} */ errors) {
  for (const source of sources.filter(own)) {
    for (const statement of source.statements) {
      const texts = statement.kind === NodeKind.EnumDeclaration && enumTexts(statement);
      if (!texts) continue;
      // A number beside strings would be lost, in an enum that is no JSON too.
      const odd = statement.values.find((/** @type {any} */ _, /** @type {number} */ i) => texts[i] === undefined);
      if (odd) errors.at(odd, MIXED_ENUM);
      for (const member of statement.values) member.initializer = null;
    }
  }
}
