import type { Json, Made, Random, Request } from "../test/types.ts";

// Mostly a document with something changed in it, below its root.
export function make(random: Random): Made {
  const before = random.once(20) ? random.json(1) : random.container(4);
  const kept = <T>(list: T[]) => list.filter(() => !random.once(8));
  const inside = (value: Json): Json => {
    if (Array.isArray(value)) return [...kept(value).map(bend), ...random.list(1, () => random.json(1))];
    if (value === null || typeof value !== "object") return value;
    const members = kept(Object.entries(value)).map(([name, inner]) => [name, bend(inner)]);
    return Object.fromEntries([...members, ...random.list(1, () => [`n${random.text(2)}`, random.json(1)])]);
  };
  const bend = (value: Json): Json => (random.once(6) ? random.json(2) : inside(value));
  const after = random.once(15) ? before : random.once(15) ? bend(before) : inside(before);
  return { input: JSON.stringify({ before, after }) };
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
