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

let passed = 0, failed = 0;
for (const { name } of readdirSync(root, { withFileTypes: true })) {
  const folder = new URL(`${name}/`, root);
  if (!existsSync(new URL("model.ts", folder)) || (names.length && !names.includes(name))) continue;
  const model = await import(new URL("model.ts", folder));
  const about = JSON.parse(readFileSync(new URL("capsule.json", folder), "utf8"));
  const module = readFileSync(new URL(`${name}.wasm`, folder));
  let good = 0;
  for (let i = 0; i < count; i++) {
    const { input, clock_ms = 0, seed = "0".repeat(64) } = model.make(new Random(i * 2654435761 + 1));
    const want = answer(model, { input, clock_ms, seed });
    if (want.output !== undefined) good++;
    if (emit) {
      process.stdout.write(`${JSON.stringify({ capsule: name, input, clock_ms, seed, ...want })}\n`);
      continue;
    }
    const { output, message, status } = host.run(module, input, { grants: about.grants, inputType: about.input_type, clockMs: clock_ms, seed: Buffer.from(seed, "hex") });
    if (output === want.output && message === want.message && status === (want.output === undefined ? "failed" : "ok")) {
      passed++;
    } else if (failed++ < 10) {
      console.log(`${name} ${i}: ${input}\n  clock ${clock_ms}\n  want ${JSON.stringify(want)}\n  got  ${JSON.stringify({ status, output, message })}`);
    }
  }
  // A model that is never asked for an answer, or that always fails, shows little.
  if (good * 3 < count) throw new Error(`${name}: only ${good} of ${count} inputs have an output`);
  if (!emit) console.log(`${name.padEnd(20)} ${count} inputs, ${good} with an output`);
}
if (!emit) console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;

function answer(model, request) {
  try {
    return { output: model.answer(request) };
  } catch (error) {
    if (error instanceof Fail) return { message: error.message };
    throw error;
  }
}
