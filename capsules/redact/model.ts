import type { Json, Made, Random, Request } from "../test/types.ts";

export function make(random: Random): Made {
  const names = random.list(4, () => `k${random.text(1)}`);
  return { input: JSON.stringify({ document: random.json(5), names, ...(random.once(2) ? { mask: random.text(4) } : {}) }) };
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
