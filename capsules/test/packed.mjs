// An author outside this repository: a clean folder, the packed tarball, the compiler; first three classes and a function, then
// every program in the documentation.
//
// In: nothing; npm must reach its registry for the compiler, at the version of the lock file. Out: nothing, or the first
// thing that is not as the SDK's README has it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { again } from "./again.mjs";
import { run } from "./host.mjs";

const capsules = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tenzik-author-"));
const npm = (...args) => execFileSync("npm", [...args, "--no-audit", "--no-fund", "--ignore-scripts"], { cwd: folder, stdio: ["ignore", "pipe", "inherit"] }).toString();

try {
  npm("pack", join(capsules, "sdk"), "--pack-destination", folder);
  const [tarball] = readdirSync(folder);
  const { version } = JSON.parse(readFileSync(join(capsules, "node_modules/assemblyscript/package.json"), "utf8"));
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  again(() => npm("install", "--prefer-offline", `./${tarball}`, `assemblyscript@${version}`));

  cpSync(join(capsules, "typed-total/index.ts"), join(folder, "index.ts"));
  const told = JSON.parse(execFileSync("npx", ["--no-install", "tenzik-asc", "index.ts", "--out", "total.wasm", "--json"], { cwd: folder }).toString());
  const module = readFileSync(join(folder, "total.wasm"));
  assert.deepEqual(told, { module: "total.wasm", manifest: "total.manifest.json", bytes: module.length, capabilities: ["json"] });
  assert.deepEqual(module, readFileSync(join(capsules, "typed-total/typed-total.wasm")), "the same bytes as in the repository");
  assert.ok(module.length <= 1500, `${module.length} bytes`);
  assert.equal(run(module, '{"items":[{"sku":"a","price":2.5,"qty":2}]}').output, '{"count":2,"total":5}');
  assert.equal(JSON.parse(readFileSync(join(folder, "total.manifest.json"), "utf8")).input.$defs.Item.properties.qty.type, "integer");

  writeFileSync(join(folder, "asconfig.json"), '{ "extends": "@tenzik/sdk/asconfig.base.json" }\n');
  execFileSync("npx", ["--no-install", "asc", "index.ts", "--config", "asconfig.json", "--outFile", "plain.wasm"], { cwd: folder, stdio: "inherit" });
  assert.deepEqual(readFileSync(join(folder, "plain.wasm")), module, "asc alone gives the same module");

  execFileSync("npx", ["--no-install", "tenzik-asc", "--out", "embedded.wasm", "--embed"], { cwd: folder });
  const [section] = WebAssembly.Module.customSections(new WebAssembly.Module(readFileSync(join(folder, "embedded.wasm"))), "tenzik:manifest");
  assert.deepEqual(JSON.parse(new TextDecoder().decode(section)), JSON.parse(readFileSync(join(folder, "embedded.manifest.json"), "utf8")));
  assert.equal(run(readFileSync(join(folder, "embedded.wasm")), '{"items":[]}').output, '{"count":0,"total":0}');

  const [order, greet, sameOrder, shape, bare] = programs().map((program, i) => {
    mkdirSync(join(folder, `program-${i}`));
    writeFileSync(join(folder, `program-${i}/index.ts`), program);
    execFileSync("npx", ["--no-install", "tenzik-asc", `program-${i}/index.ts`, "--out", `program-${i}.wasm`], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
    return readFileSync(join(folder, `program-${i}.wasm`));
  });
  assert.deepEqual(order, sameOrder);
  assert.equal(order.length, module.length, "the README says so");
  assert.equal(run(order, '{"items":[{"sku":"a","price":2.5,"qty":2}]}').output, '{"count":2,"total":5}');
  assert.equal(run(greet, '{"name":"Ada"}').output, '{"text":"Hello, Ada"}');
  assert.equal(run(greet, '{"from":"Paris","name":"Ada"}').output, '{"text":"Hello, Ada from Paris"}');
  assert.equal(run(greet, '{"name":1}').message, "/name: not a string");
  assert.equal(run(shape, '{"kind":"circle","label":"","radius":1}').output, "3.141592653589793");
  assert.equal(run(shape, '{"kind":"Square","label":"","side":3}').output, "9");
  assert.equal(run(shape, '{"kind":"square","label":"","side":3}').message, "/kind: not one of the values");
  assert.equal(run(bare, '{"name":"Ada"}').output, '{"greeting":"Hello, Ada"}');
  console.log(`a capsule of ${module.length} bytes and the programs of the documentation, from the tarball alone`);
} finally {
  rmSync(folder, { recursive: true });
}

/** The programs that stand in the documentation, in its order. */
function programs() {
  const found = [];
  for (const file of ["../README.md", "README.md", "sdk/README.md"]) {
    const text = readFileSync(join(capsules, file), "utf8");
    for (const [, program] of text.matchAll(/```ts\n(.*?)```/gs)) {
      found.push(program);
    }
  }
  assert.equal(found.length, 5);
  return found;
}
