// The runs of every `capsule.json` in Node, for a quick look while a capsule is written: `node test/cases.mjs [NAME...]`.
// `cargo test --test capsules` runs them on the engine, and is what counts.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { run } from "./host.mjs";

const root = new URL("../", import.meta.url);
const names = process.argv.slice(2);
let failed = 0, passed = 0;
for (const { name } of readdirSync(root, { withFileTypes: true }).filter((entry) => existsSync(new URL(`${entry.name}/capsule.json`, root)))) {
  if (names.length && !names.includes(name)) continue;
  const folder = new URL(`${name}/`, root);
  const read = (file) => readFileSync(new URL(file, folder));
  const about = JSON.parse(read("capsule.json"));
  const module = read(`${name}.wasm`);
  const { example, cases } = about;
  const runs = [{ name: "example", ...example, input: undefined, output: undefined, input_file: example.input, output_file: example.output }, ...cases];
  for (const one of runs) {
    const input = one.input ?? (one.input_hex !== undefined ? Buffer.from(one.input_hex, "hex") : one.input_file ? read(one.input_file) : gunzipSync(read(one.input_gzip)));
    const seed = one.seed ? Buffer.from(one.seed, "hex") : new Uint8Array(32);
    const got = run(module, input, { grants: about.grants, inputType: about.input_type, clockMs: one.clock_ms ?? 0, seed });
    const output = one.output ?? (one.output_file ? read(one.output_file).toString() : undefined);
    const want = { status: one.status ?? "ok", code: one.code, message: one.message, output };
    const same = ["status", "code", "output"].every((key) => got[key] === want[key]) && (want.message === undefined || got.message === want.message);
    if (same) passed++;
    else {
      failed++;
      console.log(`${name}: ${one.name}\n  want ${JSON.stringify(want)}\n  got  ${JSON.stringify(got)}`);
    }
  }
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
