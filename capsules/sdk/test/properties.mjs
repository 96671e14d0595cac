// The generated readers and writers against the schemas that are emitted with them.
//
// For each file in `kinds/` values are made from the input's schema, most of them with something wrong somewhere. Then
// - what the schema accepts, the capsule reads, and gives back as it was, but for defaults, nulls of optional members, and
//   members that no class names; that again is accepted, and comes back to the byte;
// - what the schema refuses, the capsule refuses, at the place that the schema names; where that names several, at one of them,
//   since the capsule stops at the first;
// - what is no strict JSON, the host refuses before either is asked.
// What a schema accepts is said by the `jsonschema` crate, in `schema-check/`; the capsule runs on web/replay.
//
// `node properties.mjs [COUNT] [SEED]`, 400 values of each kind. Needs cargo, and web/replay built.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "../transform/build.js";
import { run } from "../../test/host.mjs";
import "../../test/typescript.mjs";
import { Maker } from "./make.mjs";
import { normal } from "./normal.mjs";
import { Speller } from "./spell.mjs";

const { Random } = await import("../../test/random.ts");

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const count = Number(process.argv[2] ?? 400);
const seed = Number(process.argv[3] ?? 1);
const target = process.env.CARGO_TARGET_DIR ?? here("../../../target");
const CHECK = ["run", "--quiet", "--locked", "--manifest-path", here("schema-check/Cargo.toml"), "--target-dir", `${target}/schema-check`];

/** Where each value does not fit. A line is a value: line ends between its parts become blanks. */
function places(schema, values) {
  const input = [schema, ...values].map((one) => (typeof one === "string" ? one.replaceAll(/[\r\n]/g, " ") : JSON.stringify(one))).join("\n");
  const lines = execFileSync("cargo", CHECK, { input, maxBuffer: 2 ** 28 }).toString().trimEnd().split("\n");
  assert.equal(lines.length, values.length);
  return lines.map((line) => JSON.parse(line));
}

for (const file of readdirSync(here("kinds"))) {
  const { bytes, manifest } = await build(here(`kinds/${file}`), { write: false });
  const random = new Random(seed);
  const values = Array.from({ length: count }, () => new Speller(random).value(new Maker(manifest.input, random).value()));
  const wrong = places(manifest.input, values);
  const outputs = [];
  let refused = 0, alone = 0;
  for (const [i, input] of values.entries()) {
    const ended = run(bytes, input);
    const told = () => `${file} ${i}: ${input}\n  schema ${JSON.stringify(wrong[i])}\n  capsule ${JSON.stringify(ended)}`;
    if (wrong[i].length) {
      assert.equal(ended.status, "failed", told());
      refused++;
      const named = new Set(wrong[i]), at = ended.message.slice(0, ended.message.lastIndexOf(": "));
      assert.ok(named.has(at), told());
      if (named.size === 1) alone++;
      continue;
    }
    assert.equal(ended.status, "ok", told());
    assert.deepEqual(JSON.parse(ended.output), normal(JSON.parse(input), manifest.input), told());
    assert.equal(run(bytes, ended.output).output, ended.output, told());
    outputs.push(ended.output);
  }
  if (outputs.length) for (const [i, at] of places(manifest.output, outputs).entries()) assert.deepEqual(at, [], outputs[i]);
  let broken = 0;
  for (let i = 0; i < count / 4; i++) {
    const speller = new Speller(random, true);
    const input = speller.value(new Maker(manifest.input, random).value());
    if (speller.broken) continue;
    broken++;
    assert.throws(() => run(bytes, input), /the input is not strict JSON/, `${file}: ${input}`);
  }
  assert.ok(broken * 8 > count / 4, `${file}: ${broken} were no strict JSON`);
  // Both must have been seen, or little was shown.
  assert.ok(outputs.length * 8 > count && (count - outputs.length) * 8 > count, `${file}: ${outputs.length} of ${count} fit`);
  // Only there the place is proved to be the one.
  assert.ok(alone * 2 > refused, `${file}: of ${refused} that were refused ${alone} have one place alone`);
  console.log(`${file}: ${outputs.length} of ${count} values fit, and all were judged alike, ${alone} of ${refused} by one place alone; ${broken} more were no strict JSON`);
}
