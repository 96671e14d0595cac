// Agreement with the Rust engine on random capsules: TENZIK=PATH TENZIK_GENERATED=COUNT npm test.
//
// Each capsule is run by the command line under limits that often end it, and its receipt is replayed here. Without
// TENZIK nothing is compared. TENZIK_RULES names its rules file where that is not docs/rules.json.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { replay } from "../replay.js";
import { Generator } from "./generator.js";
import { assemble, repositoryFile } from "./support.js";

const TENZIK = process.env["TENZIK"];
/** The rules of that engine, if they are not those of this checkout. */
const RULES_FILE = process.env["TENZIK_RULES"];
const COUNT = Number(process.env["TENZIK_GENERATED"] ?? 100);
const FUEL = [30_000, 100_000, 2_000_000, 50_000_000];

function receiptOf(folder: string, seed: number, module: Uint8Array): Uint8Array | null {
  const [capsule, input, receipt] = ["capsule.wasm", "input", "receipt.json"].map((name) => join(folder, name)) as [string, string, string];
  writeFileSync(capsule, module);
  writeFileSync(input, '{"a":[1,2,3]}');
  rmSync(receipt, { force: true });
  const type = seed % 2 === 0 ? "json" : "bytes";
  const limits = ["--fuel", String(FUEL[seed % 4]), "--host-calls", seed % 7 === 0 ? "5" : "100000", "--memory-pages", String(2 + (seed % 5))];
  const args = ["run", capsule, "--input", `@${input}`, "--input-type", type, "--receipt", receipt, "--clock", String(seed)];
  try {
    execFileSync(TENZIK as string, [...args, ...limits, "--grant", "hash,json,random,time,base64"], { stdio: "ignore" });
  } catch {
    // A run that does not end well has another exit code, and a receipt all the same.
  }
  return existsSync(receipt) ? new Uint8Array(readFileSync(receipt)) : null;
}

test("the Rust engine and this one make the same claims", { skip: TENZIK === undefined }, () => {
  const folder = mkdtempSync(join(tmpdir(), "tenzik-agreement-"));
  const rules = RULES_FILE === undefined ? repositoryFile("docs/rules.json") : new Uint8Array(readFileSync(RULES_FILE));
  const input = new TextEncoder().encode('{"a":[1,2,3]}');
  let compared = 0;
  for (let seed = 1; seed <= COUNT; seed++) {
    const capsule = assemble(new Generator(seed).module());
    const receipt = receiptOf(folder, seed, capsule);
    assert.ok(receipt, `no receipt of seed ${seed}`);
    if (receipt.length > 0 && /"kind":"refused"/.test(new TextDecoder().decode(receipt))) continue;
    const verdict = replay({ receipt, capsule, input, rules });
    assert.equal(verdict.kind, "same", `seed ${seed}: ${JSON.stringify(verdict).slice(0, 400)}`);
    compared += 1;
  }
  rmSync(folder, { recursive: true });
  assert.ok(compared > COUNT / 2, `only ${compared} were compared`);
});
