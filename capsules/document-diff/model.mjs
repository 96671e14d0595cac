/** @type {import("../test/model.js").Make} */
export function make(random) {
  const before = random.json(4);
  // Mostly a document with something changed in it.
  const bend = (value) => {
    if (random.once(6)) return random.json(2);
    if (Array.isArray(value)) return [...value.filter(() => !random.once(8)).map(bend), ...random.list(1, () => random.json(1))];
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries([...Object.entries(value).filter(() => !random.once(8)).map(([name, inner]) => [name, bend(inner)]), ...random.list(1, () => [`n${random.text(2)}`, random.json(1)])]);
  };
  return { input: JSON.stringify({ before, after: random.once(10) ? before : bend(before) }) };
}

const escaped = (name) => String(name).replaceAll("~", "~0").replaceAll("/", "~1");
const kind = (value) => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value === "boolean" ? String(value) : typeof value);

/** @type {import("../test/model.js").Answer} */
export function answer({ input }) {
  const changes = [];
  const compare = (before, after, path) => {
    const change = (kind, at = path) => changes.push({ path: at, kind });
    if (kind(before) !== kind(after)) return change("changed");
    if (kind(before) === "object") {
      for (const [name, value] of Object.entries(before)) {
        if (Object.hasOwn(after, name)) compare(value, after[name], `${path}/${escaped(name)}`);
        else change("removed", `${path}/${escaped(name)}`);
      }
      for (const name of Object.keys(after)) if (!Object.hasOwn(before, name)) change("added", `${path}/${escaped(name)}`);
    } else if (kind(before) === "array") {
      for (let i = 0; i < Math.max(before.length, after.length); i++) {
        if (i >= after.length) change("removed", `${path}/${i}`);
        else if (i >= before.length) change("added", `${path}/${i}`);
        else compare(before[i], after[i], `${path}/${i}`);
      }
    } else if (before !== after) {
      change("changed");
    }
  };
  const { before, after } = JSON.parse(input);
  compare(before, after, "");
  return JSON.stringify({ same: !changes.length, changes });
}
