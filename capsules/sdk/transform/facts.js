// What a path in an error message can be, from the type of the input. In: the model of `types.js`. Out: the text of
// `assembly/facts.ts` for this capsule.

/** @typedef {import("./types.js").Type} Type */

/**
 * What the compiler can leave out: see `assembly/facts.ts`.
 * @param {Type | undefined} input
 */
export function facts(input) {
  const { names, foreign, depth } = input ? extent(input) : { names: 0, foreign: false, depth: 0 };
  const flat = depth === 0 || (depth === 1 && input?.kind === "class" && !input.of.variants && !foreign);
  // An index has at most eight digits: an input has at most 16 MiB.
  const units = depth * (Math.max(names, 8) + 1) + 32;
  const open = foreign || units > 20000;
  return [
    "export const enum Depth { Root, Members, Any }",
    `@inline export const DEPTH: Depth = ${depth === 0 ? "Depth.Root" : flat ? "Depth.Members" : "Depth.Any"};`,
    `@inline export const FOREIGN_NAMES: bool = ${open};`,
    // Short ones fit what is there anyway.
    `@inline export const NAME_UNITS_MAX: usize = ${names > 200 ? names : 0};`,
    `export const MESSAGE = memory.data(${open ? 16 : 2 * units});`, "",
  ].join("\n");
}

/** The longest member name, whether there are maps, and how deep values can stand. */
function extent(/** @type {Type} */ input) {
  let names = 0, foreign = false;
  const open = new Set();
  const known = new Map();
  function named(/** @type {string} */ name) {
    // A name with `~` or `/` needs escapes, as those of maps do.
    if (/[~/]/.test(name)) foreign = true;
    names = Math.max(names, name.length);
  }
  /** @returns {number} */
  function depth(/** @type {Type} */ type) {
    if (type.kind === "map") foreign = true;
    if (type.kind === "array" || type.kind === "static" || type.kind === "map") return 1 + depth(type.of);
    if (type.kind !== "class") return 0;
    if (open.has(type.of)) return 128; // it holds itself: as deep as JSON may be
    if (known.has(type.of)) return known.get(type.of);
    open.add(type.of);
    let deepest = 0;
    for (const model of [type.of, ...(type.of.variants ?? [])]) {
      if (model !== type.of) deepest = Math.max(deepest, depth({ kind: "class", of: model, nullable: false }));
      if (model.tag) named(model.tag.member);
      for (const field of model.fields) {
        named(field.json);
        deepest = Math.max(deepest, 1 + depth(field.type));
      }
    }
    deepest = Math.max(deepest, 1);
    open.delete(type.of);
    known.set(type.of, deepest);
    return deepest;
  }
  const deepest = Math.min(depth(input), 129);
  return { names, foreign, depth: deepest };
}
