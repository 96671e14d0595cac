// Receipts: the published vectors, the one form, and the rules of a claim.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ascii, fromHex } from "../bytes.js";
import { CannotTell } from "../outcome.js";
import { readCanonical, type ValueObject, writeCanonical } from "../receipt/canonical.js";
import { claimId } from "../receipt/claim.js";
import { closed, commitment } from "../receipt/private.js";
import { readReceipt } from "../receipt/receipt.js";
import { repositoryJson } from "./support.js";

interface Vectors {
  commitments: { member: string; bytes: string; commitment: string }[];
  receipts: { name: string; receipt: string; claim_id: string }[];
  run_secret: string;
}

const VECTORS = repositoryJson<Vectors>("crates/receipt/tests/vectors/receipts.json");

function vector(name: string): string {
  const found = VECTORS.receipts.find((row) => row.name === name);
  assert.ok(found, name);
  return found.receipt;
}

test("vectors are read, written again, and have their claim id", () => {
  for (const { name, receipt, claim_id } of VECTORS.receipts) {
    const value = readCanonical(ascii(receipt)) as ValueObject;
    assert.equal(writeCanonical(value), receipt, name);
    assert.equal(claimId(value.get("claim") as ValueObject), claim_id, name);
  }
});

test("claims of kind wasm are read; the other kinds cannot be run again", () => {
  for (const { name, receipt } of VECTORS.receipts) {
    if (["an attested run", "a refusal", "a router's refusal"].includes(name)) {
      assert.throws(() => readReceipt(ascii(receipt)), /of kind (attested|refused) cannot be run again/);
    } else assert.equal(writeCanonical(readReceipt(ascii(receipt)).value.get("kind") ?? null), '"wasm"');
  }
});

test("commitments of a private run", () => {
  const secret = fromHex(VECTORS.run_secret);
  for (const given of VECTORS.commitments) {
    assert.equal(commitment(secret, given.member, ascii(given.bytes)), given.commitment, given.member);
  }
});

test("an open claim closes to the private one", () => {
  const open = readReceipt(ascii(vector("a run that ended well"))).value;
  const secret = fromHex(VECTORS.run_secret);
  const shut = closed(open, secret, ascii("input"), ascii("output"));
  assert.equal(shut.get("input"), commitment(secret, "input", ascii("input")));
  assert.equal(shut.get("output"), commitment(secret, "output", ascii("output")));
  assert.equal(shut.get("fuel"), commitment(secret, "fuel", ascii(String(open.get("fuel")))));
  assert.equal(shut.get("transcript"), null);
  assert.equal(shut.get("status"), "ok");
});

const EDITS: [from: string, to: string][] = [
  ['{"advisory"', ' {"advisory"'],
  ['{"advisory"', '{ "advisory"'],
  [":41", ": 41"],
  [":41", ":041"],
  [":41", ":-41"],
  [":41", ":41.0"],
  [":41", ":4e1"],
  [":41", ":9007199254740992"],
  ['"type":"tenzik/receipt/v1"}', '"type":"tenzik/receipt/v1"}\n'],
  ['"type":"tenzik/receipt/v1"}', '"type":"tenzik/receipt/v2"}'],
  ['"type":"tenzik/receipt/v1"}', '"type":"tenzik/receipt/v1","u":1}'],
  ['"crit":[]', '"crit":["a"]'],
  ['"ext":{}', '"ext":{"b":1,"a":1}'],
  ['"ext":{}', '"ext":{"a":1,"a":1}'],
  ['"ext":{}', '"ext":{"a":[[[[[[[[0]]]]]]]]}'],
  ['"ext":{}', '"ext":{"":0}'],
  ['"kind":"wasm"', '"kind":"wasn"'],
  ['"kind":"wasm"', '"kind":"w\\u0061sm"'],
  ['"output":"blake3:', '"output":"blake3-keyed:'],
  ['"output":"blake3:', '"output":"BLAKE3:'],
  ['"status":"ok"', '"status":"failed"'],
  ['"status":"ok"', '"status":"out_of_fuel"'],
  ['"detail":null', '"detail":{"code":"fail","message":null}'],
  ['"profile":"', '"profile":"x'],
];

test("every spelling but the one is refused, and every contradiction", () => {
  const text = vector("a run that ended well");
  assert.ok(readReceipt(ascii(text)));
  for (const [from, to] of EDITS) {
    assert.ok(text.includes(from), from);
    assert.throws(() => readReceipt(ascii(text.replaceAll(from, to))), CannotTell, to);
  }
});

test("a cut receipt is refused wherever it is cut, and so is a long or deep one", () => {
  const text = vector("every optional part");
  for (let length = 0; length < text.length; length++) {
    assert.throws(() => readReceipt(ascii(text.slice(0, length))), CannotTell);
  }
  assert.throws(() => readReceipt(new Uint8Array(32_769).fill(0x30)), /more than 32768 bytes/);
  assert.throws(() => readReceipt(new Uint8Array(32_768).fill(0x5b)), /too many levels/);
});

test("days that the calendar does not have are no times", () => {
  const text = vector("a run that ended well");
  const issued = /"issued_at":"([^"]*)"/.exec(text)?.[1] as string;
  for (const other of ["2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z", "1969-12-31T23:59:59Z"]) {
    assert.throws(() => readReceipt(ascii(text.replace(issued, other))), /issued_at: not a time/);
  }
  assert.ok(readReceipt(ascii(text.replace(issued, "2024-02-29T23:59:59Z"))));
});
