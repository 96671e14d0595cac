// Private runs: docs/receipt.md, "Private runs".
//
// Enters: a secret, a member's name, its bytes. Leaves: the commitment; an open claim with commitments in the place of
// its private members. Refuses: nothing.

import { blake3 } from "@noble/hashes/blake3.js";
import { ascii, toHex } from "../bytes.js";
import { type ValueObject, writeCanonical } from "./canonical.js";
import { PRIVATE_MEMBERS } from "./claim.js";

const CONTEXT = "tenzik 2026-11-20 receipt v1 private ";

export function commitment(secret: Uint8Array, member: string, value: Uint8Array): string {
  const key = blake3(secret, { context: ascii(CONTEXT + member) });
  return `blake3-keyed:${toHex(blake3(value, { key }))}`;
}

/** The claim with its private members closed. Input and output are committed to by their bytes, all else by its text. */
export function closed(claim: ValueObject, secret: Uint8Array, input: Uint8Array, output: Uint8Array | null): ValueObject {
  const result: ValueObject = new Map(claim);
  for (const name of PRIVATE_MEMBERS) {
    const value = claim.get(name);
    if (value === null || value === undefined) continue;
    const text = ascii(writeCanonical(value));
    const bytes = name === "input" ? input : name === "output" ? (output ?? text) : text;
    result.set(name, commitment(secret, name, bytes));
  }
  return result;
}
