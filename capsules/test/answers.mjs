// Holds every capsule that has a `model.ts` against it, on generated inputs, to the byte.
//
// A model is TypeScript written apart from the capsule. What it exports stands in `types.ts`. `node test/answers.mjs [COUNT] [NAME...]`
// runs the capsules in Node; with `--emit` it prints requests and answers instead, one JSON object a line, for
// `tests/answers.rs`, which runs them on the engine.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import "./typescript.mjs";

const { Fail } = await import("./fail.ts");
const { Random } = await import("./random.ts");

const root = new URL("../", import.meta.url);
const words = process.argv.slice(2).filter((word) => word !== "--emit");
const emit = process.argv.includes("--emit");
const count = Number(words[0] ?? 1000);
const names = words.slice(1);
const host = emit ? undefined : await import("./host.mjs");

// One answer, of an output or a failure, may be that of so many inputs in a hundred: a capsule that always gave it would be
// right that often.
const SAME_PERCENT_MAX = 40;

let passed = 0, failed = 0;
for (const { name } of readdirSync(root, { withFileTypes: true })) {
  const folder = new URL(`${name}/`, root);
  if (!existsSync(new URL("model.ts", folder)) || (names.length && !names.includes(name))) continue;
  const model = await import(new URL("model.ts", folder));
  const about = JSON.parse(readFileSync(new URL("capsule.json", folder), "utf8"));
  const module = readFileSync(new URL(`${name}.wasm`, folder));
  const wants = new Map();
  let good = 0;
  for (const [i, request] of requests(name, model).entries()) {
    const want = answer(model, request);
    if (want.output !== undefined) good++;
    const key = JSON.stringify(want);
    wants.set(key, (wants.get(key) ?? 0) + 1);
    if (emit) process.stdout.write(`${JSON.stringify({ capsule: name, ...request, ...want })}\n`);
    else compare(name, i, request, want, { module, about });
  }
  varied(name, wants, good);
  if (!emit) console.log(`${name.padEnd(20)} ${count} inputs, ${good} with an output, ${wants.size} answers`);
}
if (!emit) console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;

/** As many requests as were asked for, no two alike. */
function requests(name, model) {
  const found = new Map();
  for (let i = 0; found.size < count; i++) {
    if (i > 10 * count + 100) throw new Error(`${name}: of ${i} inputs only ${found.size} are not alike`);
    const { input, clock_ms = 0, seed = "0".repeat(64) } = model.make(new Random(i * 2654435761 + 1));
    const request = { input, clock_ms, seed };
    found.set(JSON.stringify(request), request);
  }
  return [...found.values()];
}

function compare(name, i, { input, clock_ms, seed }, want, { module, about }) {
  const { output, message, status } = host.run(module, input, { grants: about.grants, inputType: about.input_type, clockMs: clock_ms, seed: Buffer.from(seed, "hex") });
  if (output === want.output && message === want.message && status === (want.output === undefined ? "failed" : "ok")) {
    passed++;
  } else if (failed++ < 10) {
    console.log(`${name} ${i}: ${input}\n  clock ${clock_ms}\n  want ${JSON.stringify(want)}\n  got  ${JSON.stringify({ status, output, message })}`);
  }
}

/** A model that mostly fails, or mostly gives one answer, shows little. Of a few inputs nothing can be said. */
function varied(name, wants, good) {
  if (good * 3 < count) throw new Error(`${name}: only ${good} of ${count} inputs have an output`);
  const [most, times] = [...wants].reduce((a, b) => (b[1] > a[1] ? b : a));
  if (count >= 100 && times * 100 > SAME_PERCENT_MAX * count) throw new Error(`${name}: ${times} of ${count} inputs have one answer, ${most}`);
}

function answer(model, request) {
  try {
    return { output: model.answer(request) };
  } catch (error) {
    if (error instanceof Fail) return { message: error.message };
    throw error;
  }
}
