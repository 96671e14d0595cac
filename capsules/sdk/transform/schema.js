// JSON Schema (2020-12) of the author's types. In: the model of `types.js`. Out: a schema that accepts exactly what the
// generated readers accept, but for numbers beyond a binary64, which no schema can tell.

import { RANGES } from "./types.js";

const SAFE = Number.MAX_SAFE_INTEGER;
// Halfway between the largest f32 and what would be the next one: from here on the nearest f32 is an infinity.
const F32_BEYOND = 3.4028235677973366e38;

/** @param {import("./types.js").Type | undefined} type nothing stands for any value */
export function schema(type) {
  if (!type) return { $schema: DIALECT };
  const defs = new Map();
  const names = new Map();
  const body = of(type, { defs, names });
  return { $schema: DIALECT, ...body, ...(defs.size ? { $defs: Object.fromEntries(defs) } : {}) };
}

const DIALECT = "https://json-schema.org/draft/2020-12/schema";

/**
 * @typedef {{ defs: Map<string, any>, names: Map<any, string> }} Context
 * @returns {any}
 */
function of(/** @type {import("./types.js").Type} */ type, /** @type {Context} */ context) {
  const body = plain(type, context);
  if (!type.nullable) return body;
  if (typeof body.type === "string" && !("$ref" in body)) return { ...body, type: [body.type, "null"] };
  // Written so that a mistake further in is found there, not here.
  return { if: { not: { type: "null" } }, then: body };
}

/** @returns {any} */
function plain(/** @type {import("./types.js").Type} */ type, /** @type {Context} */ context) {
  switch (type.kind) {
    case "f64": return { type: "number" };
    case "f32": return { type: "number", exclusiveMinimum: -F32_BEYOND, exclusiveMaximum: F32_BEYOND };
    case "bool": return { type: "boolean" };
    case "string": return { type: "string" };
    case "value": return {};
    case "i64": return wide(context, "i64", -SAFE, i64Pattern());
    case "u64": return wide(context, "u64", 0, `^${upTo("18446744073709551615")}$`);
    case "array":
    case "static": return { type: "array", items: of(type.of, context) };
    case "map": return { type: "object", additionalProperties: of(type.of, context) };
    case "enum": return named(type.of, context, () => ({ ...described(type.of.doc), enum: type.of.members.map((member) => member.text ?? member.value) }));
    case "class": return named(type.of, context, () => object(type.of, context));
    default: {
      const [minimum, maximum] = RANGES[type.kind] ?? [];
      return { type: "integer", minimum, maximum };
    }
  }
}

function described(/** @type {string} */ doc) {
  return doc ? { description: doc } : {};
}

/** A place in `$defs`, made at the first use, so that a class may hold itself. */
function named(/** @type {any} */ model, /** @type {Context} */ { defs, names }, /** @type {() => any} */ make) {
  const known = names.get(model);
  if (known !== undefined) return { $ref: `#/$defs/${known}` };
  /** @type {string} */
  let name = model.name;
  for (let i = 2; defs.has(name); i++) name = `${model.name}${i}`;
  names.set(model, name);
  defs.set(name, null); // its place in the order
  defs.set(name, make());
  return { $ref: `#/$defs/${name}` };
}

function object(/** @type {import("./types.js").ClassModel} */ model, /** @type {Context} */ context) {
  if (model.variants) return union(model, context);
  /** @type {[string, any][]} */
  const properties = model.tag ? [[model.tag.member, { const: model.tag.value }]] : [];
  const required = model.tag ? [model.tag.member] : [];
  for (const field of model.fields) {
    const body = { ...described(field.doc), ...of(field.type, context) };
    if (field.initial && field.initial.json !== null) body.default = field.initial.json;
    properties.push([field.json, body]);
    if (!field.optional) required.push(field.json);
  }
  return {
    ...described(model.doc), type: "object", properties: Object.fromEntries(properties),
    ...(required.length ? { required } : {}),
    ...(model.strict ? { additionalProperties: false } : {}),
  };
}

// The tag decides first; then only the class that it names is asked, so that a mistake is found where it is.
function union(/** @type {import("./types.js").ClassModel} */ model, /** @type {Context} */ context) {
  const variants = /** @type {import("./types.js").ClassModel[]} */ (model.variants);
  const member = variants[0]?.tag?.member ?? "";
  return {
    ...described(model.doc), type: "object", required: [member],
    properties: { [member]: { enum: variants.map((variant) => variant.tag?.value) } },
    allOf: variants.map((variant) => ({
      if: { type: "object", required: [member], properties: { [member]: { const: variant.tag?.value } } },
      then: plain({ kind: "class", of: variant, nullable: false }, context),
    })),
  };
}

function wide(/** @type {Context} */ { defs }, /** @type {string} */ name, /** @type {number} */ minimum, /** @type {string} */ pattern) {
  const key = `${name}`;
  if (!defs.has(key)) {
    defs.set(key, {
      description: "a number up to 2^53 - 1, or a string of digits",
      type: ["integer", "string"], minimum, maximum: SAFE, pattern,
    });
  }
  return { $ref: `#/$defs/${key}` };
}

function i64Pattern() {
  // The largest ends in 7, the least in 8.
  return `^(${upTo("9223372036854775807")}|-${upTo("9223372036854775808", true)})$`;
}

/** A pattern for the whole numbers from 0, or from 1, to `most`, in the one way to write each. */
function upTo(/** @type {string} */ most, positive = false) {
  const n = most.length;
  const ways = positive ? [] : ["0"];
  ways.push(`[1-9][0-9]{0,${n - 2}}`);
  for (const [i, digit] of [...most].entries()) {
    const least = i === 0 ? 1 : 0;
    const below = Number(digit) - 1;
    if (below < least) continue;
    const rest = n - 1 - i;
    ways.push(`${most.slice(0, i)}${least === below ? least : `[${least}-${below}]`}${rest ? `[0-9]{${rest}}` : ""}`);
  }
  ways.push(most);
  return `(${ways.join("|")})`;
}
