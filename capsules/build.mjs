// Builds the committed capsules, or with --check compares a fresh build with what is committed.
//
// In: `<name>/index.ts` (AssemblyScript) or `<name>/<name>.wat`. Out: `<name>/<name>.wasm` and a table
// of sizes. It refuses a capsule over the limit. It does not build `crc32`, which needs a C compiler:
// see `crc32/build.sh`. Nothing here but Node's own library and the pinned compilers, so the same
// lock file gives the same bytes.

import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
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
  const built = await build(name);
  const path = `${name}/${name}.wasm`;
  const same = existsSync(path) && built.equals(readFileSync(path));
  let note = same ? "" : checking ? "differs from the committed file" : "changed";
  if (checking && !same) wrong++;
  if (built.length > SIZE_BYTES_MAX) {
    note = `over the limit of ${SIZE_BYTES_MAX} bytes`;
    wrong++;
  } else if (!checking && !same) {
    writeFileSync(path, built);
  }
  console.log(`${String(built.length).padStart(5)}  ${path.padEnd(34)} ${note}`.trimEnd());
}

if (wrong) {
  console.error(`${wrong} not in order${checking ? "; run `npm run build` and look at the difference" : ""}`);
  process.exit(1);
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
  return path.endsWith(".wat") ? buildText(path) : buildAssemblyScript(path);
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

async function buildAssemblyScript(path) {
  const scratch = mkdtempSync(join(tmpdir(), "tenzik-capsules-"));
  try {
    const outFile = join(scratch, "capsule.wasm");
    const { error, stderr } = await asc.main([path, "--config", "asconfig.json", "--outFile", outFile]);
    const words = stderr.toString().trim();
    // The compiler says so where one more round of its optimiser made things worse; it keeps the better.
    if (words && words !== "Last converge was suboptimal.") console.error(words);
    if (error) throw error;
    return readFileSync(outFile);
  } finally {
    rmSync(scratch, { recursive: true });
  }
}
