// The published vectors of the host functions, tests/vectors/host: answer, ending, and exact charge.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, toHex } from "../bytes.js";
import { hostFunction } from "../host/functions.js";
import { type Fuel, Host } from "../host/host.js";
import { parseDocument } from "../json/document.js";
import { type Ending, Exit } from "../outcome.js";
import type { ImportRule } from "../rules.js";
import { stringToUtf8, utf8ToUtf16 } from "../text.js";
import { AMPLE, repositoryJson, RULES } from "./support.js";

const FILES = ["base64", "hash", "io", "json", "number", "path", "pointers", "random", "text", "time"];
const PAGE_BYTES = 65_536;

interface Blob {
  at?: number;
  text?: string;
  hex?: string;
  repeat?: [string, number];
}

type CallText = [string, ...(number | string)[]];

interface Case {
  name: string;
  call: CallText;
  fuel: number;
  text?: 8 | 16;
  input_type?: "bytes" | "json";
  input?: Blob;
  clock_ms?: number;
  seed?: string;
  limits?: { output_bytes?: number; host_calls?: number };
  pages?: number;
  memory?: Blob[];
  before?: CallText[];
  value?: number | string;
  result?: Blob;
  after?: Blob[];
  output?: Blob;
  trap?: string;
  status?: string;
  code?: string;
  message?: Blob;
}

function bytesOf(blob: Blob, text: 8 | 16): Uint8Array {
  if (blob.text !== undefined) return text === 16 ? utf8ToUtf16(stringToUtf8(blob.text)) : stringToUtf8(blob.text);
  if (blob.repeat !== undefined) {
    const [unit, count] = [fromHex(blob.repeat[0]), blob.repeat[1]];
    const out = new Uint8Array(unit.length * count);
    for (let i = 0; i < count; i++) out.set(unit, i * unit.length);
    return out;
  }
  return fromHex(blob.hex ?? "");
}

function ruleOf(name: string): ImportRule {
  const rule = RULES.imports.find((row) => row.name === name);
  assert.ok(rule, name);
  return rule;
}

function bitsToNumber(bits: string): number {
  return new DataView(fromHex(bits).buffer).getFloat64(0);
}

function numberToBits(value: number): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return toHex(bytes);
}

class Scene {
  readonly memory: WebAssembly.Memory;
  readonly fuel: Fuel = { left: 1e12 };
  readonly host: Host;
  readonly text: 8 | 16;

  constructor(readonly given: Case) {
    this.text = given.text ?? 8;
    this.memory = new WebAssembly.Memory({ initial: given.pages ?? 1 });
    const inputType = given.input_type ?? "bytes";
    let input = bytesOf(given.input ?? {}, 8);
    if (inputType === "json" && input.length === 0) input = stringToUtf8("0");
    const limits = {
      ...AMPLE,
      fuel: 1e12,
      outputBytes: given.limits?.output_bytes ?? 1 << 24,
      hostCalls: given.limits?.host_calls ?? 1000,
    };
    const seed = given.seed === undefined ? new Uint8Array(32) : fromHex(given.seed);
    const document = inputType === "json" ? parseDocument(input, RULES.limits) : null;
    const request = { input, inputType, clockMs: given.clock_ms ?? 0, seed, limits };
    this.host = new Host(RULES, request, this.text === 16 ? 2 : 1, this.memory, this.fuel, document);
    for (const blob of given.memory ?? []) this.view.set(bytesOf(blob, this.text), blob.at ?? 0);
    for (const call of given.before ?? []) this.call(call);
  }

  get view(): Uint8Array {
    return new Uint8Array(this.memory.buffer);
  }

  call([name, ...texts]: CallText): number | bigint | undefined {
    const rule = ruleOf(name);
    const args = texts.map((value, i) => (rule.params[i] === "f64" ? bitsToNumber(value as string) : (value as number) | 0));
    return hostFunction(rule, () => this.host)(...args);
  }

  /** The case's own call with so much fuel: its value or the run's ending, and what it was charged. */
  played(fuel: number): { value?: number | bigint | undefined; ending: Ending | null; charged: number } {
    this.fuel.left = fuel;
    try {
      const value = this.call(this.given.call);
      return { value, ending: null, charged: fuel - this.fuel.left };
    } catch (thrown) {
      if (!(thrown instanceof Exit)) throw thrown;
      return { ending: thrown.ending, charged: fuel - this.fuel.left };
    }
  }
}

function checkEnding(given: Case, ending: Ending | null): void {
  if (given.trap !== undefined) assert.deepEqual(ending, { status: "trapped", code: given.trap });
  else if (given.status === undefined) assert.equal(ending, null);
  else {
    assert.equal(ending?.status, given.status);
    assert.equal(ending !== null && "code" in ending ? ending.code : undefined, given.code);
    if (ending?.status !== "failed" || given.message === undefined) return;
    assert.deepEqual(ending.message, bytesOf(given.message, 8));
  }
}

function checkValue(given: Case, value: number | bigint | undefined): void {
  if (given.value === undefined) return;
  const result = ruleOf(given.call[0]).result;
  if (result === "f64") assert.equal(numberToBits(value as number), given.value);
  else assert.equal(Number(value) | 0, (given.value as number) | 0);
  if (result === "i64") assert.equal(value, BigInt(given.value));
}

function checkAfter(scene: Scene, given: Case): void {
  const text = scene.text;
  for (const blob of given.after ?? []) {
    const wanted = bytesOf(blob, text);
    const at = blob.at ?? 0;
    assert.ok(Buffer.from(scene.view.subarray(at, at + wanted.length)).equals(wanted), "memory");
  }
  if (given.result !== undefined) {
    const wanted = bytesOf(given.result, text);
    const at = (given.pages ?? 1) * PAGE_BYTES - wanted.length;
    if (wanted.length > 0) scene.view.fill(0xaa, at);
    scene.call(["result_read", at]);
    assert.ok(Buffer.from(scene.view.subarray(at)).equals(wanted), "result");
  }
}

function check(given: Case): void {
  const scene = new Scene(given);
  const ample = scene.played(1e11);
  checkEnding(given, ample.ending);
  assert.equal(ample.charged, given.fuel);
  checkEnding(given, new Scene(given).played(given.fuel).ending);
  if (given.fuel > 0) assert.equal(new Scene(given).played(given.fuel - 1).ending?.status, "out_of_fuel");
  if (ample.ending !== null) return;
  checkValue(given, ample.value);
  checkAfter(scene, given);
  if (given.output === undefined) return;
  const other = new Scene(given);
  other.played(1e11);
  assert.deepEqual(other.host.finish(), { status: "ok", output: bytesOf(given.output, 8) });
}

for (const file of FILES) {
  test(`host vectors: ${file}`, () => {
    const { cases } = repositoryJson<{ cases: Case[] }>(`tests/vectors/host/${file}.json`);
    const failures = cases.flatMap((given) => {
      try {
        check(given);
        return [];
      } catch (error) {
        return [`${given.name}: ${String(error).slice(0, 300)}`];
      }
    });
    assert.deepEqual(failures, []);
  });
}
