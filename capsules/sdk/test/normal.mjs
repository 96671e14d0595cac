// What a capsule that gives back its input makes of it. In: a value that fits, and the schema. Out: the value with defaults
// filled in, members left out that no class names and optional ones that are null, whole numbers in strings as numbers where
// that is how they are written, and numbers of binary32 as such.

export function normal(value, schema, root = schema) {
  const again = (inner, part) => normal(inner, part, root);
  if (schema.$ref) return again(value, root.$defs[schema.$ref.slice("#/$defs/".length)]);
  if (schema.allOf) return again(value, schema.allOf.find((one) => Object.entries(one.if.properties).every(([name, { const: tag }]) => value[name] === tag)).then);
  if (schema.if) return value === null ? null : again(value, schema.then);
  if (!schema.type && !schema.enum) return value;
  if (typeof value === "number") return (schema.exclusiveMaximum ? Math.fround(value) : value) + 0;
  if (typeof value === "string" && schema.pattern) return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  if (Array.isArray(value)) return schema.items ? value.map((one) => again(one, schema.items)) : value;
  if (value === null || typeof value !== "object") return value;
  if (!schema.properties && !schema.additionalProperties) return value;
  // Assigned one by one, a member `__proto__` would be none.
  const out = new Map();
  for (const [name, part] of Object.entries(schema.properties ?? {})) {
    const optional = !schema.required?.includes(name);
    const inner = Object.hasOwn(value, name) ? value[name] : part.default;
    if (inner === undefined || (inner === null && optional && nullable(part))) continue;
    out.set(name, again(inner, part));
  }
  if (typeof schema.additionalProperties === "object") {
    for (const [name, inner] of Object.entries(value)) out.set(name, again(inner, schema.additionalProperties));
  }
  return Object.fromEntries(out);
}

// A member of any type keeps its null.
function nullable(part) {
  return part.if !== undefined || (Array.isArray(part.type) && part.type.includes("null"));
}
