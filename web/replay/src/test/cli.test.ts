// The command line, on receipts that are made here: an open one, a private one, one that lies, ones that say nothing.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { blake3 } from "@noble/hashes/blake3.js";
import { ascii, toHex } from "../bytes.js";
import { type Value, type ValueObject, writeCanonical } from "../receipt/canonical.js";
import { claimId } from "../receipt/claim.js";
import { closed } from "../receipt/private.js";
import { assemble, capsule, repositoryPath, run, RULES } from "./support.js";

const CLI = fileURLToPath(new URL("../cli.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tenzik-replay-"));
after(() => rmSync(folder, { recursive: true }));

const INPUT = ascii('{"a":1}');
const SEED = "ab".repeat(32);
const SECRET = new Uint8Array(32).fill(0x5e);
const MODULE = assemble(
  `(module (import "tenzik_v1" "output_write" (func $w (param i32 i32))) (memory (export "memory") 1) (data (i32.const 0) "[1]")
   (func (export "run") (call $w (i32.const 0) (i32.const 3))))`,
);
const ENDLESS = assemble(capsule('(func (export "run") loop br 0 end)'));

function blake3Text(bytes: Uint8Array): string {
  return `blake3:${toHex(blake3(bytes))}`;
}

function members(value: Record<string, Value>): ValueObject {
  return new Map(Object.entries(value));
}

function claimOf(module: Uint8Array, changes: Record<string, Value> = {}): ValueObject {
  const limits = { fuel: 9_007_199_254_740_991, host_calls: 10, memory_pages: 2, output_bytes: 100, stack: 1000 };
  const { fuel } = run(MODULE, { input: INPUT, inputType: "json" });
  const claim = members({
    abi: "tenzik_v1",
    capsule: blake3Text(module),
    clock_ms: 0,
    detail: null,
    fuel,
    grants: [],
    host_calls: members({ output_write: 1 }),
    input: blake3Text(INPUT),
    input_type: "json",
    kind: "wasm",
    limits: members(limits),
    memory_pages_peak: 1,
    metering: "tenzik-meter/1",
    output: blake3Text(ascii("[1]")),
    policy: null,
    rules: RULES.digest,
    seed: SEED,
    status: "ok",
    transcript: null,
  });
  for (const [name, value] of Object.entries(changes)) claim.set(name, value);
  return claim;
}

function receiptOf(claim: ValueObject): string {
  return writeCanonical(
    members({
      advisory: members({ engine: "test", wall_us: null }),
      audience: null,
      backend: members({ enforced: [], kind: "wasm", profile: "dev" }),
      claim,
      crit: [],
      ext: new Map(),
      issued_at: "2026-11-20T08:00:00Z",
      log: null,
      node: `ed25519:${"0".repeat(64)}`,
      nonce: members({ epoch: "0".repeat(32), seq: 0 }),
      request: null,
      signature: `ed25519:${"0".repeat(128)}`,
      type: "tenzik/receipt/v1",
    }),
  );
}

function file(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

interface Answer {
  code: number;
  out: string;
}

function cli(...args: string[]): Promise<Answer> {
  return new Promise((resolve) => {
    execFile(process.execPath, [CLI, ...args, "--rules", repositoryPath("docs/rules.json")], (error, out) => {
      resolve({ code: Number(error?.code ?? 0), out: out.toString() });
    });
  });
}

const FILES = ["--capsule", file("capsule.wasm", MODULE), "--input", file("input.json", INPUT)];

test("a true receipt, and its claim again", async () => {
  const claim = claimOf(MODULE);
  const path = file("true.json", receiptOf(claim));
  assert.deepEqual(await cli(path, ...FILES), { code: 0, out: `same ${claimId(claim)}\n` });
  assert.deepEqual(await cli(path, ...FILES, "--claim"), { code: 0, out: writeCanonical(claim) });
});

test("a lie is named by the first member that differs", async () => {
  const fuel = claimOf(MODULE).get("fuel") as number;
  const path = file("lie.json", receiptOf(claimOf(MODULE, { fuel: fuel + 1, memory_pages_peak: 2 })));
  assert.deepEqual(await cli(path, ...FILES), { code: 1, out: `differs fuel: claimed ${fuel + 1}, here ${fuel}\n` });
  const status = file("status.json", receiptOf(claimOf(MODULE, { status: "out_of_stack", output: null, fuel: 9_007_199_254_740_991 })));
  assert.match((await cli(status, ...FILES)).out, /^differs fuel: claimed 9007199254740991, here /);
});

test("a private receipt needs its secret and its seed", async () => {
  const claim = closed(claimOf(MODULE), SECRET, INPUT, ascii("[1]"));
  const path = file("private.json", receiptOf(claim));
  const secret = ["--secret", file("secret", `${toHex(SECRET)}\n`)];
  assert.deepEqual(await cli(path, ...FILES, ...secret, "--seed", SEED), { code: 0, out: `same ${claimId(claim)}\n` });
  assert.deepEqual(await cli(path, ...FILES), { code: 2, out: "cannot tell: a private run needs its secret and its seed\n" });
  const other = await cli(path, ...FILES, ...secret, "--seed", "cd".repeat(32));
  assert.deepEqual(other, { code: 2, out: "cannot tell: the seed is not the claim's\n" });
});

test("what cannot be told", async () => {
  const told = async (changes: Record<string, Value>): Promise<string> => {
    const { code, out } = await cli(file("other.json", receiptOf(claimOf(MODULE, changes))), ...FILES);
    assert.equal(code, 2);
    return out;
  };
  assert.match(await told({ metering: "engine:wasmtime/48.0.8" }), /the metering engine:wasmtime\/48.0.8 is not known/);
  assert.match(await told({ rules: blake3Text(INPUT) }), /the rules are/);
  assert.match(await told({ abi: "tenzik_v2" }), /the abi tenzik_v2/);
  assert.match(await told({ grants: ["teleport"] }), /the grant teleport/);
  assert.match(await told({ transcript: `sha256:${"ab".repeat(32)}` }), /its transcript is needed/);
  assert.match(await told({ capsule: blake3Text(INPUT) }), /the capsule is not the claim's/);
  assert.match(await told({ input: blake3Text(MODULE) }), /the input is not the claim's/);
  assert.match(await told({ grants: ["json", "hash"] }), /not of the form/);
});

test("what takes too long is stopped, and the next receipt of a batch is run", async () => {
  const claim = claimOf(ENDLESS);
  const endless = file("endless.json", receiptOf(claim));
  const row = (receipt: string, module: string): string => JSON.stringify({ receipt, capsule: module, input: FILES[3] });
  const good = file("good.json", receiptOf(claimOf(MODULE)));
  const lines = [row(good, FILES[1] as string), row(endless, file("endless.wasm", ENDLESS)), row(good, FILES[1] as string)];
  const { code, out } = await cli("--batch", file("batch", lines.join("\n")), "--time", "8000");
  const same = `same ${claimId(claimOf(MODULE))}`;
  assert.deepEqual(out.split("\n"), [same, "cannot tell: it takes longer than 8000 ms here", same, ""]);
  assert.equal(code, 2);
});

test("arguments that cannot be taken are no answer", async () => {
  assert.equal((await cli()).code, 64);
  assert.equal((await cli("nowhere.json", ...FILES)).code, 64);
  assert.equal((await cli("--unknown")).code, 64);
});
