// What a built capsule does that neither `kinds/` nor the worked capsules show. Needs web/replay built.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { build } from "../sdk/transform/build.js";
import { run } from "./host.mjs";

const folder = mkdtempSync(join(tmpdir(), "tenzik-sdk-"));
after(() => rmSync(folder, { recursive: true }));
let number = 0;

async function made(files, options = {}) {
  const place = join(folder, String(number++));
  for (const [name, text] of Object.entries(typeof files === "string" ? { "index.ts": files } : files)) {
    mkdirSync(join(place, name, ".."), { recursive: true });
    writeFileSync(join(place, name), text);
  }
  return { place, ...(await build(join(place, "index.ts"), { write: false, ...options })) };
}

const output = (bytes, input) => {
  const ended = run(bytes, input);
  assert.equal(ended.status, "ok", JSON.stringify(ended));
  return ended.output;
};

test("classes from other files, renamed and exported again", async () => {
  const { bytes } = await made({
    "index.ts": `import { Outer as Input } from "./lib";\nexport function run(input: Input): string { return input.inner.text; }`,
    "lib/index.ts": `export * from "./outer";`,
    "lib/outer.ts": `import { Inner } from "./inner";\nclass Outer { inner: Inner = new Inner(); }\nexport { Outer };`,
    "lib/inner.ts": `export class Inner { text: string = ""; }`,
  });
  assert.equal(output(bytes, '{"inner":{"text":"x"}}'), '"x"');
});

test("a run from another file", async () => {
  const { bytes } = await made({ "index.ts": `export { run } from "./main";`, "main.ts": `export function run(a: i32): i64 { return <i64>a * a; }` });
  assert.equal(output(bytes, "-2147483648"), "4611686018427387904".replace(/.*/, '"$&"'));
});

test("strings are there before the author's own start-up code", async () => {
  const { bytes } = await made(`const words = ["one", "two"].join("-") + "!";\nexport function run(a: string): string { return a + words; }`);
  assert.equal(output(bytes, '"="'), '"=one-two!"');
});

test("strings of every sort", async () => {
  const long = "x".repeat(128), most = "y".repeat(127);
  const { bytes } = await made(`export function run(a: i32): string[] { return ["", "\\u0000\\u007f\\u00ff", "€", "${long}", "${most}", \`<\${a}>\`, a == 1 ? "one" : "more"]; }`);
  assert.deepEqual(JSON.parse(output(bytes, "1")), ["", "\u0000\u007f\u00ff", "€", long, most, "<1>", "one"]);
});

test("an allocation beyond a page, and one that the host refuses", async () => {
  const { bytes } = await made(`export function run(n: u32): u32 { const a = new Uint8Array(n); a[n - 1] = 7; return a[n - 1] + memory.size(); }`);
  assert.equal(output(bytes, "200000"), String(7 + 4));
  assert.equal(run(bytes, "1073741820").code, "unreachable");
});

test("strings that grow, and are compared and cut", async () => {
  const { bytes } = await made(`export function run(n: i32): string { let a = ""; for (let i = 0; i < n; i++) a += i % 2 ? "ab" : "c"; return a.substring(1, 6) + (a == "cabc" ? "!" : "?") + a.length.toString(); }`);
  assert.equal(output(bytes, "3"), '"abc!4"');
  assert.equal(output(bytes, "1000"), '"abcab?1500"');
});

test("a null taken for a value traps, and is no zero", async () => {
  const inner = await made(`class P { n: i32 = 0; m: f64 = 0; }\nclass A { p: P | null = null; }\nexport function run(x: A): f64 { return x.p!.n + x.p!.m; }`);
  assert.equal(output(inner.bytes, '{"p":{"n":1,"m":0.5}}'), "1.5");
  assert.equal(run(inner.bytes, '{"p":null}').code, "unreachable");
  const cast = await made(`class P { n: i32 = 0; }\nclass A { p: P | null = null; }\nexport function run(x: A): i32 { return (x.p as P).n; }`);
  assert.equal(output(cast.bytes, '{"p":{"n":1}}'), "1");
  assert.equal(run(cast.bytes, '{"p":null}').code, "unreachable");
  const text = await made(`class A { p: string | null = null; }\nexport function run(x: A): i32 { return x.p!.length; }`);
  assert.equal(output(text.bytes, '{"p":"ab"}'), "2");
  assert.equal(run(text.bytes, '{"p":null}').code, "unreachable");
});

test("a throw with a message ends the run with it", async () => {
  const { bytes } = await made({
    "index.ts": `import { small } from "./lib";\nexport function run(a: i32): i32 {\n  if (a > 5) throw new Error("too big");\n  switch (a) {\n    case 4: throw new RangeError("no " + "four");\n    case 3: { throw new Error(\`is \${a}\`); }\n  }\n  return small(a);\n}`,
    "lib.ts": `export function small(a: i32): i32 {\n  if (a == 2) throw new Error("€");\n  else if (a != 1) throw new Error();\n  return a;\n}`,
  });
  for (const [input, message] of [["6", "too big"], ["4", "no four"], ["3", "is 3"], ["2", "€"]]) assert.equal(run(bytes, input).message, message);
  assert.equal(output(bytes, "1"), "1");
  assert.equal(run(bytes, "0").code, "unreachable", "one without a message traps");
});

test("a throw of the author's own class is left alone", async () => {
  const { bytes } = await made(`class Error { constructor(public text: string) {} }\nexport function run(a: i32): i32 { throw new Error("a"); }`);
  assert.equal(run(bytes, "1").code, "unreachable");
});

test("one class of a union taken for another traps, and gives no address away", async () => {
  const { bytes } = await made(`@union("k") abstract class S {}\nclass A extends S { n: i32 = 0; }\nclass B extends S { s: string = "hello"; }\nexport function run(x: S): i32 { return (x as A).n; }`);
  assert.equal(output(bytes, '{"k":"A","n":7}'), "7");
  assert.equal(run(bytes, '{"k":"B","s":"hello"}').code, "unreachable");
});

test("an array's element that is not there traps", async () => {
  const { bytes } = await made(`export function run(x: i32[]): i32 { return x[1]; }`);
  assert.equal(output(bytes, "[1,2]"), "2");
  assert.equal(run(bytes, "[1]").code, "unreachable");
});

// The library's own reallocation asserts another alignment than the SDK's memory has.
test("an array grows, also where others were made meanwhile", async () => {
  const { bytes } = await made(`export function run(n: i32): string { const a: string[] = [], b: i32[] = [], c: u8[] = []; for (let i = 0; i < n; i++) { b.push(i); c.push(<u8>i); if (i & 1) a.push(i.toString()); } let sum = 0; for (let i = 0; i < n; i++) sum += b[i] * c[i]; return a.join(",") + "!" + sum.toString(); }`);
  const text = (n) => Array.from({ length: n }, (_, i) => i).filter((i) => i & 1).join(",");
  for (const n of [0, 3, 9, 17, 100]) assert.equal(output(bytes, String(n)), `"${text(n)}!${Array.from({ length: n }, (_, i) => i * i).reduce((a, b) => a + b, 0)}"`);
});

test("what the library makes too large and cuts down", async () => {
  const { bytes } = await made(`export function run(a: string): string { const b = a.replaceAll("a", "123456"); const list = b.split("3"); list.sort(); return list.join("-").toUpperCase(); }`);
  assert.equal(output(bytes, '"bananas"'), `"${"bananas".replaceAll("a", "123456").split("3").sort().join("-").toUpperCase()}"`);
});

test("assert traps where it does not hold", async () => {
  const { bytes } = await made(`export function run(x: i32): i32 { assert(x > 0, "too little"); return x; }`);
  assert.equal(output(bytes, "1"), "1");
  assert.equal(run(bytes, "0").code, "unreachable");
});

test("no input, no output, a code", async () => {
  assert.equal(output((await made(`export function run(): bool { return true; }`)).bytes, "[]"), "true");
  const silent = await made(`import { Output } from "@tenzik/sdk";\nexport function run(a: bool): void { Output.raw(a ? "1" : "2"); }`);
  assert.equal(output(silent.bytes, "false"), "2");
  assert.equal(run((await made(`export function run(): i32 { return 3; }`)).bytes, "null").code, "exit:3");
});

test("a class that is only written may have a constructor", async () => {
  const { bytes } = await made(`class Out {\n  readonly x: f64;\n  constructor(x: f64) { this.x = x; }\n  get double(): f64 { return this.x * 2; }\n}\nexport function run(a: f64): Out { return new Out(a + 1); }`);
  assert.equal(output(bytes, "1"), '{"x":2}');
});

test("lists of enums and lists of numbers are told apart", async () => {
  const { bytes } = await made(`enum E { A = "a", B = "b" }\nclass In { e: E[] | null = null; n: i32[] | null = null; m: Map<string, E> | null = null; }\nexport function run(a: In): In { return a; }`);
  for (const input of ['{"e":["b","a"],"n":[1,0],"m":{"x":"b"}}', '{"e":null,"n":null,"m":null}']) assert.equal(output(bytes, input), input);
  assert.equal(run(bytes, '{"e":[1],"n":[],"m":null}').message, "/e/0: not a string");
});

test("a path through names of the input, and one that is too long to tell", async () => {
  const { bytes } = await made(`export function run(a: Map<string, Map<string, i32>>): i32 { return a.size; }`);
  assert.equal(run(bytes, '{"é":{"a":1},"~/":{"\\ud83d\\ude00":1,"/\\n":null}}').message, "/~0~1/~1\n: not an i32");
  assert.equal(run(bytes, `{"${"~".repeat(10000)}":{"${"€".repeat(500)}":""}}`).message.length, 1 + 20000 + 1 + 500 + ": not an i32".length);
  assert.equal(run(bytes, `{"${"~".repeat(10000)}":{"${"€".repeat(1000)}":""}}`).message, ": not an i32");
});

test("a strict class makes those that extend it strict, and a union its classes", async () => {
  const { bytes } = await made(`@strict class Base { x: i32 = 0; }\nclass In extends Base { y: i32 = 0; }\nexport function run(a: In): i32 { return a.x + a.y; }`);
  assert.equal(output(bytes, '{"x":1,"y":2}'), "3");
  assert.equal(run(bytes, '{"x":1,"y":2,"z":3}').message, ": unknown member");
  const union = await made(`@strict @union("kind") abstract class Shape { n: i32 = 0; }\nclass A extends Shape {}\n@tag("b") class B extends Shape { m: i32 = 0; }\nexport function run(a: Shape[]): i32 { return a.length; }`);
  assert.equal(output(union.bytes, '[{"kind":"A","n":1},{"kind":"b","n":1,"m":2}]'), "2");
  assert.equal(run(union.bytes, '[{"kind":"A","n":1},{"kind":"b","n":1,"m":2,"o":3}]').message, "/1: unknown member");
});

test("a missing member's name is escaped in the path, and a tag's too", async () => {
  const { bytes } = await made(`class In { @name("~a/b") x: i32 = 0; }\nexport function run(a: In): i32 { return a.x; }`);
  assert.equal(run(bytes, "{}").message, "/~0a~1b: missing");
  assert.equal(run(bytes, '{"~a/b":""}').message, "/~0a~1b: not an i32");
  const nested = await made(`class In { @name("c/d") x: Map<string, In> | null = null; }\nexport function run(a: In): i32 { return 0; }`);
  assert.equal(run(nested.bytes, '{"c/d":{"~":{}}}').message, "/c~1d/~0/c~1d: missing");
  const tagged = await made(`@union("a/~") abstract class A {}\nclass B extends A {}\nclass In { b: B = new B(); }\nexport function run(a: In): i32 { return 0; }`);
  assert.equal(run(tagged.bytes, '{"b":{}}').message, "/b/a~1~0: missing");
  assert.equal(run(tagged.bytes, '{"b":{"a/~":1}}').message, "/b/a~1~0: not a string");
  assert.equal(run(tagged.bytes, '{"b":{"a/~":"C"}}').message, "/b/a~1~0: not one of the values");
});

test("a missing member whose name is long", async () => {
  const of = async (name) => (await made(`class In { m: Map<string, i32> = new Map(); @name("${name}") x: i32 = 0; }\nexport function run(a: In): i32 { return a.x; }`)).bytes;
  const long = "/".repeat(10000);
  assert.ok(run(await of(long), '{"m":{}}').message === `/${"~1".repeat(10000)}: missing`);
  assert.equal(run(await of("/".repeat(15000)), '{"m":{}}').message, ": missing");
});

test("comments become descriptions, what belongs to the capsule comes from capsule.json", async () => {
  const { manifest } = await made({
    "index.ts": `/**\n * An order.\n * Of things.\n */\n@strict\nclass Order {\n  /** How many. */ @optional n: u8 = 3;\n  // Not this.\n  m: bool = false;\n}\nexport function run(order: Order): u8 { return order.n; }`,
    "capsule.json": JSON.stringify({ name: "orders", version: "2.1.0", description: "Orders.", input_type: "json", example: { input: "in.json", output: "out.json", clock_ms: 5 } }),
    "in.json": '{"m":true}\n', "out.json": "3",
  });
  assert.deepEqual(manifest, {
    manifest: 1, name: "orders", version: "2.1.0", description: "Orders.", abi: "tenzik_v1", input_type: "json", capabilities: ["json"],
    input: {
      $schema: "https://json-schema.org/draft/2020-12/schema", $ref: "#/$defs/Order",
      $defs: { Order: { description: "An order. Of things.", type: "object", properties: { n: { description: "How many.", type: "integer", minimum: 0, maximum: 255, default: 3 }, m: { type: "boolean" } }, required: ["m"], additionalProperties: false } },
    },
    output: { $schema: "https://json-schema.org/draft/2020-12/schema", type: "integer", minimum: 0, maximum: 255 },
    examples: [{ input: '{"m":true}\n', output: "3", clock_ms: 5 }],
  });
});

test("the manifest has the cases that end well, within a bound", async () => {
  const example = { input: "in.json", output: "out.json", clock_ms: 5 };
  const source = "export function run(a: string): string { return a; }";
  const examples = async (cases, files = { "in.json": '"a"', "out.json": '"a"' }) =>
    (await made({ "index.ts": source, "capsule.json": JSON.stringify({ name: "same", example, cases }), ...files })).manifest.examples;
  const first = { input: '"a"', output: '"a"', clock_ms: 5 };
  assert.deepEqual(await examples([
    { name: "fails", input: "1", status: "failed" },
    { name: "text", input: '"b"', output: '"b"', seed: "0".repeat(64) },
    { name: "no text", input_hex: "ff", output: "" },
    { name: "files", input_file: "in.json", output_file: "out.json" },
    { name: "other terms", input: '"b"', output: '"b"', limits: { fuel: 9 } },
    { name: "other grants", input: '"b"', output: '"b"', grants: [] },
    { name: "packed", input_gzip: "in.gz", output: '"b"' },
    { name: "not written yet", input: '"b"', output_file: "later.json" },
    { name: "long", input: `"${"b".repeat(1022)}"`, output: "x" },
    { name: "as long as may be", input: `"${"b".repeat(1021)}"`, output: "x" },
  ]), [
    first, { name: "text", input: '"b"', output: '"b"', seed: "0".repeat(64) }, { name: "no text", input_base64: "/w==", output: "" },
    { name: "files", input: '"a"', output: '"a"' }, { name: "as long as may be", input: `"${"b".repeat(1021)}"`, output: "x" },
  ]);
  assert.equal((await examples(Array.from({ length: 20 }, (_, i) => ({ name: String(i), input: '"b"', output: '"b"' })))).length, 16);
  assert.deepEqual(await examples([], { "in.json": '"a"' }), [], "an output that nobody wrote yet is not an empty one");
  assert.equal((await examples([], { "in.json": `"${"a".repeat(65532)}"`, "out.json": '"a"' })).length, 0, "too long to be read at a glance");
  await assert.rejects(examples([null]), /`cases` must be a list of objects/);
  await assert.rejects(examples([{ name: "else", input: "1", output_file: "../other.json" }]), /must each name a file of the folder/);
});

test("a debug build runs, and has names and a source map", async () => {
  const { place, out } = await made(`export function run(a: string): string { return a + "!"; }`, { debug: true, write: true });
  const bytes = readFileSync(out);
  assert.equal(output(bytes, '"a"'), '"a!"');
  assert.ok(WebAssembly.Module.customSections(new WebAssembly.Module(bytes), "name").length);
  assert.ok(existsSync(`${out}.map`) && existsSync(join(place, `${place.split("/").pop()}.manifest.json`)));
});
