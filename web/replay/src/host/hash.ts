// The capability `hash`.
//
// Enters: calls. Leaves: digests as 64 lower-case hex digits. Refuses: as docs/abi.md has it.

import { blake3 } from "@noble/hashes/blake3.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { ascii, sameBytes, toHex } from "../bytes.js";
import type { Call, Work } from "./call.js";

const HEX_UNITS = 64;

function digits(digest: Uint8Array): Uint8Array {
  return ascii(toHex(digest));
}

function hashed(hash: (bytes: Uint8Array) => Uint8Array): Work {
  return (call, pointer = 0, length = 0) => {
    const range = call.bytesRange(pointer, length);
    call.chargeBytes(range.end - range.start);
    return call.giveText(digits(hash(call.view(range))));
  };
}

function hashVerify(call: Call, pointer: number, length: number, hexPointer: number): number {
  const range = call.bytesRange(pointer, length);
  const hexRange = call.textRange(hexPointer, HEX_UNITS);
  call.chargeBytes(range.end - range.start);
  const wanted = call.text(hexRange);
  return sameBytes(wanted, digits(blake3(call.view(range)))) ? 1 : 0;
}

function hmacSha256(call: Call, keyPointer: number, keyLength: number, pointer: number, length: number): number {
  const key = call.bytesRange(keyPointer, keyLength);
  const range = call.bytesRange(pointer, length);
  call.chargeBytes(key.end - key.start + (range.end - range.start));
  return call.giveText(digits(hmac(sha256, call.view(key), call.view(range))));
}

export const HASH: Record<string, Work> = {
  hash_commit: hashed(blake3),
  hash_sha256: hashed(sha256),
  hash_verify: hashVerify,
  hmac_sha256: hmacSha256,
};
