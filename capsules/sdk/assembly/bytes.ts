// Bytes, and what the host does with them. An `ArrayBuffer` is bytes with their length; text goes in and out as UTF-8.

import { result_read, text_decode, text_encode } from "./abi/core";
import { base64_decode, base64_encode } from "./abi/base64";
import { hash_commit, hash_sha256, hmac_sha256 } from "./abi/hash";
import { take } from "./text";

// The result buffer, of that many bytes.
function takeBytes(len: i32): ArrayBuffer {
  const ptr = __new(len, idof<ArrayBuffer>());
  result_read(ptr);
  return changetype<ArrayBuffer>(ptr);
}

/** The UTF-8 of a text. Traps with `invalid_text` on a lone surrogate. */
export function utf8(text: string): ArrayBuffer {
  return takeBytes(text_encode(changetype<usize>(text), text.length));
}

/** The text of UTF-8 bytes, or null if they are not UTF-8. */
export function fromUtf8(bytes: ArrayBuffer): string | null {
  const units = text_decode(changetype<usize>(bytes), bytes.byteLength);
  return units < 0 ? null : take(units);
}

/** BLAKE3 in 64 lower-case hex digits. Needs `hash`. */
export function blake3(bytes: ArrayBuffer): string {
  return take(hash_commit(changetype<usize>(bytes), bytes.byteLength));
}

/** SHA-256 in 64 lower-case hex digits. Needs `hash`. */
export function sha256(bytes: ArrayBuffer): string {
  return take(hash_sha256(changetype<usize>(bytes), bytes.byteLength));
}

/** HMAC-SHA-256 in 64 lower-case hex digits. Needs `hash`. */
export function hmacSha256(key: ArrayBuffer, bytes: ArrayBuffer): string {
  return take(hmac_sha256(changetype<usize>(key), key.byteLength, changetype<usize>(bytes), bytes.byteLength));
}

/** Base64; `flags` is `URL_SAFE`, `NO_PADDING`, both or 0. Needs `base64`. */
export function toBase64(bytes: ArrayBuffer, flags: i32): string {
  return take(base64_encode(changetype<usize>(bytes), bytes.byteLength, flags));
}

/** The bytes, or null unless the text is exactly what `toBase64` with these flags gives. Needs `base64`. */
export function fromBase64(text: string, flags: i32): ArrayBuffer | null {
  const len = base64_decode(changetype<usize>(text), text.length, flags);
  return len < 0 ? null : takeBytes(len);
}
