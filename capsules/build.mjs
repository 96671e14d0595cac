// Builds the committed capsules, or with --check compares a fresh build with what is committed.
//
// In: `<name>/index.ts` (AssemblyScript) or `<name>/<name>.wat`. Out: `<name>/<name>.wasm`, of AssemblyScript also
// `<name>/<name>.manifest.json`, and a table of sizes. It refuses a capsule over the limit. It does not build `crc32`, which needs a C compiler:
// see `crc32/build.sh`. Nothing here but Node's own library and the pinned compilers, so the same
// lock file gives the same bytes.

import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { BuildError, build as buildAssemblyScript, print } from "@tenzik/sdk/build";
import wabt from "wabt";

// What the engine accepts by default.
const SIZE_BYTES_MAX = 5 * 1024;

// The features of docs/abi.md that a text capsule may use beyond the first WebAssembly.
const WAT_FEATURES = {
  bulk_memory: true, multi_value: true, mutable_globals: true,
  sat_float_to_int: true, sign_extension: true,
  reference_types: false, simd: false,
};

process.chdir(fileURLToPath(new URL(".", import.meta.url)));
const checking = process.argv.includes("--check");
let wrong = 0;

for (const name of capsules()) {
  try {
    const { module, manifest } = await build(name);
    keep(`${name}/${name}.wasm`, module, SIZE_BYTES_MAX);
    if (manifest) keep(`${name}/${name}.manifest.json`, Buffer.from(manifest));
  } catch (error) {
    if (!(error instanceof BuildError)) throw error;
    console.error(error.message);
    wrong++;
  }
}

if (wrong) {
  console.error(`${wrong} not in order${checking ? "; run `npm run build` and look at the difference" : ""}`);
  process.exit(1);
}

function keep(path, built, bytes_max = Infinity) {
  const same = existsSync(path) && built.equals(readFileSync(path));
  let note = same ? "" : checking ? "differs from the committed file" : "changed";
  if (checking && !same) wrong++;
  if (built.length > bytes_max) {
    note = `over the limit of ${bytes_max} bytes`;
    wrong++;
  } else if (!checking && !same) {
    writeFileSync(path, built);
  }
  if (path.endsWith(".wasm") || note) console.log(`${String(built.length).padStart(5)}  ${path.padEnd(42)} ${note}`.trimEnd());
}

function capsules() {
  return readdirSync(".", { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && source(entry.name))
    .map((entry) => entry.name)
    .sort();
}

function source(name) {
  if (existsSync(`${name}/capsule.json`)) {
    return [`${name}/index.ts`, `${name}/${name}.wat`].find(existsSync);
  }
}

async function build(name) {
  const path = source(name);
  if (path.endsWith(".wat")) return { module: await buildText(path) };
  const { bytes, manifest, warnings } = await buildAssemblyScript(path, { write: false });
  if (warnings) console.error(warnings);
  return { module: Buffer.from(bytes), manifest: print(manifest) };
}

async function buildText(path) {
  const { parseWat } = await wabt();
  const module = parseWat(path, readFileSync(path, "utf8"), WAT_FEATURES);
  try {
    module.validate(WAT_FEATURES);
    return Buffer.from(module.toBinary({ write_debug_names: false }).buffer);
  } finally {
    module.destroy();
  }
}
