// What the transform refuses, and where it says so: each source has a mark, //^, below the place the message points at. And what only a
// debug build has.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { BuildError, build } from "../transform/build.js";

const folder = mkdtempSync(join(tmpdir(), "tenzik-sdk-"));
after(() => rmSync(folder, { recursive: true }));

const REFUSED = {
  "no run": [`export function go(): void {}`, 1, "no run"],
  "a run that is not exported": [`function run(): void {}`, 1, "no run"],
  "two inputs": [`export function run(a: string,\n  b: string): string { return a; }`, 2, "run takes one value"],
  "a generic run": [`export function run<T>(a: string): string { return a; }`, 1, "run cannot be generic"],
  "an unknown type": [`class A {\n  x: Nope = 0;\n}\nexport function run(a: A): void {}`, 2, "the type Nope is not known here"],
  "a function": [`class A {\n  x: () => void = () => {};\n}\nexport function run(a: A): void {}`, 2, "a function or tuple type cannot be JSON"],
  "bytes": [`class A {\n  x: Uint8Array = new Uint8Array(0);\n}\nexport function run(a: A): void {}`, 2, "use a string, in base64"],
  "a pointer": [`export function run(a: usize): void {}`, 1, "use u32"],
  "a generic class": [`class Box<T> { x: string = ""; }\nexport function run(\n  a: Box<i32>): void {}`, 3, "a generic class cannot be JSON"],
  "a map of numbers": [`export function run(\n  a: Map<i32, string>): void {}`, 2, "they must be string"],
  "a number or null": [`class A {\n  x: f64 | null = null;\n}\nexport function run(a: A): void {}`, 2, "cannot be null"],
  "an interface": [`interface I { x: f64; }\nexport function run(\n  a: I): void {}`, 3, "not interfaces"],
  "a private member": [`class A {\n  private x: f64 = 0;\n}\nexport function run(a: A): void {}`, 2, "only public members"],
  "a constructor of a class that is read": [`class A {\n  x: f64;\n  constructor() { this.x = 1; }\n}\nexport function run(a: A): void {}`, 3, "cannot have a constructor"],
  "a constructor of a class that it extends": [`class B {\n  constructor() {}\n}\nclass A extends B { x: f64 = 0; }\nexport function run(a: A): void {}`, 2, "cannot have a constructor"],
  "a readonly member": [`class A {\n  readonly x: f64 = 0;\n}\nexport function run(a: A): void {}`, 2, "cannot be readonly"],
  "an abstract class": [`abstract class A { x: f64 = 0; }\nexport function run(a: A): void {}`, 1, "only be JSON as a union"],
  "an optional member without a literal": [`class B {}\nclass A {\n  @optional b: B = new B();\n}\nexport function run(a: A): void {}`, 3, "must be written out"],
  "an optional number out of range": [`class A {\n  @optional b: u8 = 256;\n}\nexport function run(a: A): void {}`, 2, "must be written out"],
  "two members of one name": [`class A {\n  a: f64 = 0;\n  @name("a") b: f64 = 0;\n}\nexport function run(a: A): void {}`, 3, 'two members named "a"'],
  "a union of none": [`@union("kind")\nabstract class A {}\nexport function run(a: A): void {}`, 2, "no class extends this union"],
  "a union without a name": [`@union()\nabstract class A {}\nclass B extends A {}\nexport function run(a: A): void {}`, 1, "name the member"],
  "two of one tag": [`@union("kind")\nabstract class A {}\n@tag("b") class B extends A {}\n@tag("b") class C extends A {}\nexport function run(a: A): void {}`, 2, "have one tag"],
  "a member named as the tag": [`@union("kind")\nabstract class A {\n  kind: string = "";\n}\nclass B extends A {}\nexport function run(a: A): void {}`, 3, 'two members named "kind"'],
  "an enum of both sorts": [`enum E { A = "a",\n  B = 1 }\nexport function run(a: E): void {}`, 2, "either all members"],
  "an enum of both sorts that is no JSON": [`enum E {\n  A = "a",\n  B = 7 }\nexport function run(a: i32): i32 { return a + E.B; }`, 3, "either all members"],
  "a tag without a union": [`@tag("a")\nclass A {}\nexport function run(a: A): void {}`, 1, "extends a union"],
  "a member's mark before a class": [`@optional\nclass A {}\nexport function run(a: A): void {}`, 1, "@optional stands before a member"],
  "a class's mark before a member": [`class A {\n  @strict x: i32 = 0;\n}\nexport function run(a: A): void {}`, 2, "@strict stands before a class"],
  "an enum with an expression": [`const N = 1;\nenum E {\n  A = N }\nexport function run(a: E): void {}`, 3, "written out"],
  "a type that is itself": [`type A = B[]; type B = A[];\nexport function run(a: A): void {}`, 1, "itself"],
  "a class of somebody else": [`class A extends\n  Error {}\nexport function run(a: A): void {}`, 2, "only extend a class of yours"],
  "chance": [`export function run(a: f64): f64 {\n  return a * Math.random();\n}`, 2, "random_bytes of @tenzik/sdk/assembly/abi/random"],
  "chance under another name": [`export function run(a: f64): f64 {\n  const chance = Math.random;\n  return a;\n}`, 2, "random_bytes"],
  "random bytes": [`export function run(a: i32): i32 {\n  crypto.getRandomValues(new Uint8Array(a));\n  return a;\n}`, 2, "random_bytes"],
  "the time of day": [`class Time {\n  static now(): i64 {\n    return Date.now();\n  }\n}\nexport function run(): i64 { return Time.now(); }`, 3, "time_now_ms of @tenzik/sdk/assembly/abi/time"],
  "a stopwatch": [`export function run(): f64 {\n  return performance.now();\n}`, 2, "time_now_ms"],
  "a console": [`export function run(a: string): string {\n  if (a == "")\n    console.log("empty");\n  return a;\n}`, 3, "if (TENZIK_DEBUG) trace("],
  "a process": [`export function run(): void {\n  process.exit(1);\n}`, 2, "`fail` of @tenzik/sdk ends the run"],
  "what asc finds by itself": [`export function run(a: string): string {\n  return 1;\n}`, 2, "not assignable"],
};

test("trace is in a debug build alone, where it is asked for by the constant", async () => {
  const entry = join(folder, "trace.ts");
  const says = (/** @type {string} */ line) => writeFileSync(entry, `export function run(a: f64): f64 { ${line} return a; }`);
  const imports = async (debug = false) => {
    const { bytes } = await build(entry, { write: false, debug });
    return WebAssembly.Module.imports(new WebAssembly.Module(bytes)).map((one) => `${one.module}.${one.name}`);
  };
  says('if (TENZIK_DEBUG) trace("a", 1, a);');
  assert.ok((await imports(true)).includes("env.trace"));
  const without = await imports();
  assert.ok(!without.includes("env.trace"));
  says("");
  assert.deepEqual(await imports(), without);
});

for (const [name, [source, line, words]] of Object.entries(REFUSED)) {
  test(`refuses ${name}`, async () => {
    const path = join(folder, "index.ts");
    writeFileSync(path, source);
    await assert.rejects(build(path, { write: false }), (error) => {
      assert.ok(error instanceof BuildError, String(error));
      assert.equal(error.code, 1);
      assert.ok(error.message.includes(words), error.message);
      assert.ok(error.message.includes(`index.ts(${line},`), `not line ${line}: ${error.message}`);
      return true;
    });
  });
}

test("what a file declares itself under such a name is its own", async () => {
  const entry = join(folder, "own.ts");
  writeFileSync(entry, `namespace console { export function log(a: string): string { return a; } }\nexport function run(a: string): string { return console.log(a); }`);
  await build(entry, { write: false });
});

test("refuses a capsule.json that is no JSON, and a file that is not there", async () => {
  writeFileSync(join(folder, "index.ts"), "export function run(a: string): string { return a; }");
  writeFileSync(join(folder, "capsule.json"), "{");
  await assert.rejects(build(join(folder, "index.ts"), { write: false }), (error) => error instanceof BuildError && error.code === 2);
  rmSync(join(folder, "capsule.json"));
  await assert.rejects(build(join(folder, "nothing.ts"), { write: false }), (error) => error instanceof BuildError && error.code === 1);
});

test("capsule.json names nothing outside of its folder", async () => {
  const own = mkdtempSync(join(tmpdir(), "tenzik-sdk-"));
  after(() => rmSync(own, { recursive: true }));
  writeFileSync(join(own, "index.ts"), "export function run(name: string): string { return name; }");
  writeFileSync(join(own, "in.json"), '"a"');
  const built = (description) => {
    writeFileSync(join(own, "capsule.json"), JSON.stringify(description));
    return build(join(own, "index.ts"), { write: false });
  };
  const example = { input: "in.json", output: "in.json" };
  await built({ name: "good-1.0", example });
  for (const [description, words] of [
    [{ name: "../../evil", example }, /`name` must be letters/],
    [{ name: "", example }, /`name` must be letters/],
    [{ name: "a", example: { ...example, input: "../../etc/passwd" } }, /must each name a file of the folder/],
    [{ name: "a", example: { ...example, input: "/etc/passwd" } }, /must each name a file of the folder/],
    [{ name: "a", example: { input_hex: "00", output: "in.json" } }, /must each name a file of the folder/],
  ]) {
    await assert.rejects(built(description), (error) => error instanceof BuildError && words.test(error.message));
  }
});

test("nothing is written through a link, or over what is no file", async () => {
  const own = mkdtempSync(join(tmpdir(), "tenzik-sdk-"));
  after(() => rmSync(own, { recursive: true }));
  writeFileSync(join(own, "index.ts"), "export function run(name: string): string { return name; }");
  writeFileSync(join(own, "precious"), "as it was");
  mkdirSync(join(own, "folder"));
  const names = readdirSync(own);
  for (const [link, options] of [["out.wasm", { out: join(own, "out.wasm") }], ["made.json", { out: join(own, "other.wasm"), manifest: join(own, "made.json") }]]) {
    symlinkSync(join(own, "precious"), join(own, link));
    await assert.rejects(build(join(own, "index.ts"), options), (error) => error instanceof BuildError && error.code === 2 && error.message.includes("is a link"));
    rmSync(join(own, link));
    rmSync(join(own, "other.wasm"), { force: true });
  }
  symlinkSync(join(own, "new"), join(own, "out.wasm"));
  await assert.rejects(build(join(own, "index.ts"), { out: join(own, "out.wasm") }), /is a link/);
  rmSync(join(own, "out.wasm"));
  assert.equal(existsSync(join(own, "new")), false);
  await assert.rejects(build(join(own, "index.ts"), { out: join(own, "folder") }), /is no file/);
  await assert.rejects(build(join(own, "index.ts"), { out: join(own, "nowhere/out.wasm") }), (error) => error instanceof BuildError && error.message.includes("cannot be written"));
  assert.equal(readFileSync(join(own, "precious"), "utf8"), "as it was");
  assert.deepEqual(readdirSync(own), names, "nothing is left behind");
});

test("a source steers no terminal through the compiler's messages", async () => {
  writeFileSync(join(folder, "index.ts"), `export function run(a: string): string { /*\x1b[2J\x07\u009b31m\u202e*/ return 1;\t}`);
  await assert.rejects(build(join(folder, "index.ts"), { write: false }), (error) => {
    assert.ok(error.message.includes("\\u{1b}[2J\\u{7}\\u{9b}31m\\u{202e}"), error.message);
    assert.doesNotMatch(error.message, /[^\P{C}\n\t]/u);
    return true;
  });
});
