/** @type {import("../test/model.js").Make} */
export function make(random) {
  const names = random.list(4, () => `k${random.text(1)}`);
  return { input: JSON.stringify({ document: random.json(5), names, ...(random.once(2) ? { mask: random.text(4) } : {}) }) };
}

/** @type {import("../test/model.js").Answer} */
export function answer({ input }) {
  const { document, names, mask = "[redacted]" } = JSON.parse(input);
  const clean = (value) => {
    if (Array.isArray(value)) return value.map(clean);
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, names.includes(name) ? mask : clean(inner)]));
  };
  return JSON.stringify(clean(document));
}
