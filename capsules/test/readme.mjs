// The commands of the two READMEs as they stand there, in clean folders: an author outside of this repository with the SDK in a
// folder, and "Your own in five minutes" in a copy of this one.
//
// In: TENZIK is the program; without it what `cargo build --release` makes. npm must reach its registry for the compiler. Out: a
// line, or the first thing that is not as the text has it.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { again } from "./again.mjs";

const capsules = fileURLToPath(new URL("..", import.meta.url));
const built = join(process.env.CARGO_TARGET_DIR ?? join(capsules, "../target"), "release/tenzik");
const tenzik = resolve(process.env.TENZIK ?? built);
const folder = mkdtempSync(join(tmpdir(), "tenzik-readme-"));
const MINUTES = 5;

const shell = (command, cwd) => {
  const env = { ...process.env, TENZIK_HOME: join(folder, "home") };
  return execFileSync("bash", ["-euo", "pipefail", "-c", command], { cwd, env, timeout: MINUTES * 60_000, stdio: ["ignore", "pipe", "inherit"] }).toString();
};

/** What is between two headings. */
function section(file, from, to) {
  const text = readFileSync(join(capsules, file), "utf8");
  const [, , part] = new RegExp(`(^|\n)${from}\n(.*?)\n${to}`, "s").exec(text) ?? [];
  assert.ok(part, `${file} has no ${from}`);
  return part;
}

const commands = (text) => [...text.matchAll(/^ {4}((?:npm|npx|cargo) .*)$/gm)].map(([, command]) => command);
const block = (text, language) => new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, "s").exec(text)[1];

try {
  outside();
  inside();
  console.log("the commands of both READMEs work as written");
} finally {
  rmSync(folder, { recursive: true });
}

function outside() {
  const own = join(folder, "outside");
  mkdirSync(own);
  execFileSync("npm", ["pack", "--silent", join(capsules, "sdk"), "--pack-destination", folder], { stdio: ["ignore", "ignore", "inherit"] });
  const [tarball] = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  execFileSync("tar", ["-xzf", join(folder, tarball), "-C", own]);
  cpSync(join(own, "package"), join(own, "tenzik-sdk"), { recursive: true });
  rmSync(join(own, "package"), { recursive: true });
  const start = section("sdk/README.md", "# @tenzik/sdk", "## Types");
  writeFileSync(join(own, "package.json"), '{ "private": true, "type": "module" }\n');
  writeFileSync(join(own, "index.ts"), block(start, "ts"));
  writeFileSync(join(own, "asconfig.json"), block(start, "json"));
  const steps = commands(start);
  assert.equal(steps.length, 3);
  for (const command of steps) {
    const step = () => shell(command, own);
    if (/^npm (ci|install) /.test(command)) again(step);
    else step();
  }
  assert.ok(existsSync(join(own, "outside.manifest.json")));
  assert.deepEqual(readFileSync(join(own, "outside.wasm")), readFileSync(join(own, "hello.wasm")), "tenzik-asc and asc give the same");
  assert.deepEqual(readFileSync(join(own, "outside.wasm")), readFileSync(join(capsules, "typed-total/typed-total.wasm")));
}

function inside() {
  const text = section("README.md", "## Your own in five minutes", "## capsule.json");
  const own = join(folder, "repository/capsules");
  mkdirSync(join(own, "greet"), { recursive: true });
  for (const name of ["build.mjs", "package.json"]) cpSync(join(capsules, name), join(own, name));
  symlinkSync(join(capsules, "node_modules"), join(own, "node_modules"));
  writeFileSync(join(own, "greet/index.ts"), block(text, "ts"));
  writeFileSync(join(own, "greet/capsule.json"), block(text, "json"));
  const [build, run, ...more] = commands(text);
  assert.deepEqual(more, []);
  shell(build, own);
  const CARGO = "cargo run --release -- ";
  assert.ok(run.startsWith(CARGO), run);
  const told = shell(`'${tenzik}' ${run.slice(CARGO.length)}`, join(own, ".."));
  assert.equal(told, '{"text":"Hello, Ada"}');
  assert.ok(text.includes(`It prints \`${told}\``));
  writeFileSync(join(own, "greet/example.json"), '{"name":"Ada"}');
  writeFileSync(join(own, "greet/expected.json"), told);
  assert.match(shell(`'${tenzik}' test capsules/greet`, join(own, "..")), /^passed/m);
}
