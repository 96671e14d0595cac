import type { Json, Made, Random, Request } from "../test/types.ts";

export function make(random: Random): Made {
  const before = random.json(4);
  // Mostly a document with something changed in it.
  const bend = (value: Json): Json => {
    if (random.once(6)) return random.json(2);
    if (Array.isArray(value)) return [...value.filter(() => !random.once(8)).map(bend), ...random.list(1, () => random.json(1))];
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries([...Object.entries(value).filter(() => !random.once(8)).map(([name, inner]) => [name, bend(inner)]), ...random.list(1, () => [`n${random.text(2)}`, random.json(1)])]);
  };
  return { input: JSON.stringify({ before, after: random.once(10) ? before : bend(before) }) };
}

const escaped = (name: string) => name.replaceAll("~", "~0").replaceAll("/", "~1");
const isObject = (value: Json): value is { [name: string]: Json } => value !== null && typeof value === "object" && !Array.isArray(value);

export function answer({ input }: Request): string {
  const changes: { path: string; kind: string }[] = [];
  const compare = (before: Json, after: Json, path: string): void => {
    const change = (kind: string, at = path) => void changes.push({ path: at, kind });
    if (isObject(before) && isObject(after)) {
      for (const [name, value] of Object.entries(before)) {
        if (Object.hasOwn(after, name)) compare(value, after[name], `${path}/${escaped(name)}`);
        else change("removed", `${path}/${escaped(name)}`);
      }
      for (const name of Object.keys(after)) if (!Object.hasOwn(before, name)) change("added", `${path}/${escaped(name)}`);
    } else if (Array.isArray(before) && Array.isArray(after)) {
      for (let i = 0; i < Math.max(before.length, after.length); i++) {
        if (i >= after.length) change("removed", `${path}/${i}`);
        else if (i >= before.length) change("added", `${path}/${i}`);
        else compare(before[i], after[i], `${path}/${i}`);
      }
    } else if (before !== after) {
      change("changed");
    }
  };
  const { before, after }: { before: Json; after: Json } = JSON.parse(input);
  compare(before, after, "");
  return JSON.stringify({ same: !changes.length, changes });
}
