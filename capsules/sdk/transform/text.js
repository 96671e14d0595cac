// String literals, packed. In: all parsed sources. Out: each literal that live code can reach is replaced by an address,
// and a module that, before anything else runs, lays the strings out there as AssemblyScript has them.
//
// The compiler would store twenty bytes of header and two for each character; packed it is two for the length and one
// for each character. Strings over 127 characters or beyond Latin-1 stay with the compiler.

import { LiteralKind, NodeKind } from "assemblyscript";

// The first bytes of memory are scratch for the SDK and for authors who want some.
const BASE = 256;
const LENGTH_MAX = 127;

/** Statements and expressions whose strings the compiler wants as they are, or drops. */
const OPAQUE = new Set([NodeKind.Import, NodeKind.Export, NodeKind.Decorator, NodeKind.Throw, NodeKind.EnumDeclaration, NodeKind.TypeDeclaration, NodeKind.InterfaceDeclaration]);

/**
 * @param {any} parser
 * @param {any[]} sources the author's and the SDK's
 * @param {string} root what is called from outside
 */
export function pack(parser, sources, root) {
  /** @type {Map<string, any[]>} */
  const literals = new Map();
  for (const place of reach(sources, root)) {
    const list = literals.get(place.node.value);
    if (list) list.push(place);
    else literals.set(place.node.value, [place]);
  }
  let at = BASE;
  /** @type {number[]} */
  const bytes = [];
  for (const [text, places] of literals) {
    bytes.push(2 * text.length, 0, ...[...text].map((c) => c.charCodeAt(0)));
    for (const { parent, key, node } of places) parent[key] = address(parser, at + 4, node.range);
    at += 4 + 2 * text.length;
  }
  return { module: module(bytes), end: at };
}

// A string is its size in bytes, 32 bits, and its characters, 16 bits each. All of them stand in the module with 8 bits
// for every 16, which the size and the characters fit.
function module(/** @type {number[]} */ bytes) {
  if (!bytes.length) return "";
  return `const packed = memory.data<u8>([${bytes.join(",")}]);
function unpack(): void {
  let i: usize = ${bytes.length};
  do {
    i--;
    store<u16>(i << 1, load<u8>(i + packed), ${BASE});
  } while (i);
}
unpack();
`;
}

let snippets = 0;

/** An expression for the string at that address, which stands where the literal stood. */
function address(/** @type {any} */ parser, /** @type {number} */ at, /** @type {any} */ range) {
  parser.parseFile(`changetype<string>(${at});`, `tenzik-literal-${snippets++}.ts`, false);
  const source = parser.sources.pop();
  const { expression } = source.statements[0];
  visit(expression, (node) => {
    node.range = range;
  });
  return expression;
}

/** The literals in code that can be reached, going by names alone: a function counts once its name is written. */
function reach(/** @type {any[]} */ sources, /** @type {string} */ root) {
  /** @type {Map<string, any[]>} bodies that wait for their name */
  const waiting = new Map();
  /** @type {any[]} */
  const places = [];
  const named = new Set();
  /** @type {any[]} */
  const todo = [];
  const name = (/** @type {string} */ word) => {
    if (named.has(word)) return;
    named.add(word);
    todo.push(...(waiting.get(word) ?? []));
  };
  const scan = (/** @type {any} */ parent, /** @type {any} */ key, /** @type {any} */ node) => {
    if (OPAQUE.has(node.kind)) return;
    const declared = node.kind === NodeKind.FunctionDeclaration || node.kind === NodeKind.MethodDeclaration || node.kind === NodeKind.ClassDeclaration
      || (node.kind === NodeKind.VariableDeclaration && parent.top);
    if (declared && !node.seen) {
      node.seen = true;
      const word = node.name.text;
      // A constructor lives as its class does.
      if (word !== "constructor" && !named.has(word)) {
        waiting.set(word, [...(waiting.get(word) ?? []), { parent, key, node }]);
        return;
      }
    }
    if (node.kind === NodeKind.Identifier) name(node.text);
    if (node.kind === NodeKind.Call && node.expression.text === "assert") {
      scan(node.args, 0, node.args[0]);
      return;
    }
    if (isText(node)) {
      if (packable(node.value)) places.push({ parent, key, node });
      return;
    }
    children(node, scan);
  };
  for (const source of sources) {
    for (const [i, statement] of source.statements.entries()) todo.push({ parent: source.statements, key: i, node: statement });
  }
  name(root);
  for (let next; (next = todo.pop());) scan(next.parent, next.key, next.node);
  return places;
}

function isText(/** @type {any} */ node) {
  return node.kind === NodeKind.Literal && node.literalKind === LiteralKind.String;
}

function packable(/** @type {string} */ text) {
  return text.length <= LENGTH_MAX && /^[\u0000-\u00ff]*$/.test(text);
}

export function visit(/** @type {any} */ node, /** @type {(node: any) => void} */ seen) {
  seen(node);
  children(node, (_parent, _key, child) => visit(child, seen));
}

/** Calls `each` for every node right below. */
export function children(/** @type {any} */ node, /** @type {(parent: any, key: any, child: any) => void} */ each) {
  for (const key of Object.keys(node)) {
    const value = node[key];
    if (key === "range" || value === null || typeof value !== "object") continue;
    if (Array.isArray(value)) {
      for (const [i, one] of value.entries()) {
        if (one && typeof one === "object" && "kind" in one) each(value, i, one);
      }
    } else if ("kind" in value) {
      each(node, key, value);
    }
  }
}
