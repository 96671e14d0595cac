// What the author's code says that means something else in a capsule. In: the author's files, parsed. Out: errors where
// something is called that no host has, and each `throw` with a message ends the run with it. Names that a file declares
// itself are its own.

import { NodeKind } from "assemblyscript";
import { children, visit } from "./text.js";

const CHANCE = "a capsule has no chance but the request's seed: take random_bytes of @tenzik/sdk/assembly/abi/random";
const CLOCK = "a capsule has no clock but the request's: take time_now_ms of @tenzik/sdk/assembly/abi/time";
const CONSOLE = 'a capsule has no console: write `if (TENZIK_DEBUG) trace("here")`, and build with --debug';
const PROCESS = "a capsule is no process: `fail` of @tenzik/sdk ends the run, and the input is all that it is given";

/** What the compiler knows and would import from `env`: by object, and by member or for all of them. */
const ABSENT = new Map(Object.entries({
  "Math.random": CHANCE, "Mathf.random": CHANCE, "NativeMath.random": CHANCE, "NativeMathf.random": CHANCE, "crypto.*": CHANCE,
  "Date.now": CLOCK, "performance.*": CLOCK, "console.*": CONSOLE, "process.*": PROCESS,
}));

const ERRORS = new Set(["Error", "RangeError", "SyntaxError", "TypeError", "URIError"]);

const DECLARES = new Set([
  NodeKind.ClassDeclaration, NodeKind.EnumDeclaration, NodeKind.FunctionDeclaration, NodeKind.ImportDeclaration,
  NodeKind.NamespaceDeclaration, NodeKind.Parameter, NodeKind.VariableDeclaration,
]);

/**
 * @param {any[]} sources the author's
 * @param {import("./errors.js").Errors} errors
 */
export function absent(sources, errors) {
  for (const source of sources) {
    const own = declared(source);
    each(source, (_parent, _key, node) => {
      if (node.kind !== NodeKind.PropertyAccess || node.expression.kind !== NodeKind.Identifier) return;
      const name = node.expression.text;
      const words = ABSENT.get(`${name}.${node.property.text}`) ?? ABSENT.get(`${name}.*`);
      if (words && !own.has(name)) errors.at(node, words);
    });
  }
}

/**
 * The compiler leaves the message of a `throw` out. Here `throw new Error(text)` first ends the run with the text; the
 * `throw` stays behind it, since by it the compiler knows that nothing follows.
 * @param {any} parser @param {any[]} sources the author's
 */
export function throws(parser, sources) {
  for (const source of sources) {
    const own = declared(source);
    /** @type {(() => void)[]} */
    const found = [];
    each(source, (parent, key, node) => {
      if (node.kind !== NodeKind.Throw || node.value.kind !== NodeKind.New) return;
      const { typeName, args } = node.value;
      if (typeName.next || !ERRORS.has(typeName.identifier.text) || own.has(typeName.identifier.text) || args.length !== 1) return;
      found.push(() => { parent[key] = failing(parser, node); });
    });
    for (const replace of found) replace();
  }
}

let snippets = 0;

/** The block that stands where the `throw` stood. */
function failing(/** @type {any} */ parser, /** @type {any} */ thrown) {
  parser.parseFile('if (1) { tenzik_throw(""); }', `tenzik-throw-${snippets++}.ts`, false);
  const block = parser.sources.pop().statements[0].ifTrue;
  // The compiler finds the file that a node belongs to by its range.
  visit(block, (node) => { node.range = thrown.range; });
  block.statements[0].expression.args = thrown.value.args;
  thrown.value.args = [];
  block.statements.push(thrown);
  return block;
}

function declared(/** @type {any} */ source) {
  const names = new Set();
  each(source, (_parent, _key, node) => {
    if (DECLARES.has(node.kind)) names.add(node.name.text);
  });
  return names;
}

function each(/** @type {any} */ node, /** @type {(parent: any, key: any, node: any) => void} */ seen) {
  children(node, (parent, key, child) => {
    seen(parent, key, child);
    each(child, seen);
  });
}
