// What stands in the source as it is: decorators, literals, comments. In: a node. Out: its value, or nothing where it is
// something else. Nothing is evaluated.

import { NodeKind } from "assemblyscript";

/** @returns {any} */
export function decorator(/** @type {any} */ node, /** @type {string} */ name) {
  return node.decorators?.find((/** @type {any} */ one) => one.name.text === name);
}

/** @returns {string | undefined} */
export function text(/** @type {any} */ node) {
  const value = node && literal(node);
  return typeof value === "string" ? value : undefined;
}

/** @returns {number | undefined} */
export function number(/** @type {any} */ node) {
  const value = literal(node);
  return typeof value === "number" && Number.isInteger(value) && value >= -(2 ** 31) && value < 2 ** 31 ? value : undefined;
}

/** The value of a literal, as it stands in the source. */
export function literal(/** @type {any} */ node) {
  const source = node.range.source.text.slice(node.range.start, node.range.end).trim();
  if (node.kind === NodeKind.True) return true;
  if (node.kind === NodeKind.False) return false;
  if (node.kind === NodeKind.Null) return null;
  if (typeof node.value === "string" && /^["']/.test(source)) return node.value;
  if (/^\[\s*\]$/.test(source)) return [];
  const digits = source.replaceAll("_", "");
  if (/^-?(0[xX][0-9a-fA-F]+|(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?)$/.test(digits)) return digits.startsWith("-") ? -Number(digits.slice(1)) : Number(digits);
  return undefined;
}

/** The documentation comment before a declaration. */
export function doc(/** @type {any} */ node) {
  let start = node.range.start;
  for (const one of node.decorators ?? []) start = Math.min(start, one.range.start);
  const before = node.range.source.text.slice(0, start).replace(/(?:@|\bexport|\babstract|\bpublic|\breadonly|\s)+$/, "");
  const end = before.lastIndexOf("*/");
  if (end < 0 || end + 2 !== before.length) return "";
  const begin = before.lastIndexOf("/*", end);
  if (!before.startsWith("/**", begin)) return "";
  return before.slice(begin + 3, end).split("\n").map((/** @type {string} */ line) => line.replace(/^\s*\*?\s?/, "").trim()).filter(Boolean).join(" ");
}
