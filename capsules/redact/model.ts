import type { Json, Made, Random, Request } from "../test/types.ts";

// Most names are of members that the document has, or nothing would be masked.
export function make(random: Random): Made {
  const document = random.once(20) ? random.json(1) : random.container(5);
  const there = members(document);
  const names = random.list(4, () => (there.length && !random.once(4) ? random.pick(there) : `k${random.text(1)}`));
  return { input: JSON.stringify({ document, names, ...(random.once(2) ? { mask: random.text(4) } : {}) }) };
}

function members(value: Json): string[] {
  if (value === null || typeof value !== "object") return [];
  return [...(Array.isArray(value) ? [] : Object.keys(value)), ...Object.values(value).flatMap(members)];
}

export function answer({ input }: Request): string {
  const { document, names, mask = "[redacted]" }: { document: Json; names: string[]; mask?: string } = JSON.parse(input);
  const clean = (value: Json): Json => {
    if (Array.isArray(value)) return value.map(clean);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, names.includes(name) ? mask : clean(inner)]));
  };
  return JSON.stringify(clean(document));
}
