// The capability `base64`: RFC 4648, in four exact forms.
//
// Enters: calls. Leaves: text or bytes. Refuses: flags that are none; text that encoding does not give is answered -1.

import { trap } from "../outcome.js";
import { ascii } from "../bytes.js";
import type { Call, Work } from "./call.js";

const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const STANDARD = ascii(`${LETTERS}+/`);
const URL_SAFE = ascii(`${LETTERS}-_`);
const PADDING = 0x3d;
const FLAGS_MAX = 3;

interface Form {
  alphabet: Uint8Array;
  padded: boolean;
}

export function formOf(flags: number): Form {
  if (flags >>> 0 > FLAGS_MAX) throw trap("invalid_argument");
  return { alphabet: (flags & 1) === 0 ? STANDARD : URL_SAFE, padded: (flags & 2) === 0 };
}

/** How long the text for so many bytes is: in whole groups of four if it is padded. */
function encodedLength(count: number, padded: boolean): number {
  return padded ? Math.ceil(count / 3) * 4 : Math.ceil((count * 4) / 3);
}

export function encode(bytes: Uint8Array, { alphabet, padded }: Form): Uint8Array {
  const out = new Uint8Array(encodedLength(bytes.length, padded)).fill(PADDING);
  let to = 0;
  for (let at = 0; at < bytes.length; at += 3) {
    const given = Math.min(3, bytes.length - at);
    const group = ((bytes[at] as number) << 16) | ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0);
    for (let i = 0; i <= given; i++) out[to + i] = alphabet[(group >> (18 - 6 * i)) & 0x3f] as number;
    to += 4;
  }
  return out;
}

/** The bytes, or null if encoding them again would give another text. */
export function decode(text: Uint8Array, { alphabet, padded }: Form): Uint8Array | null {
  const digits = padded && text.length % 4 === 0 ? withoutPadding(text) : text;
  if (digits === null || digits.length % 4 === 1 || (padded && text.length % 4 !== 0)) return null;
  const values = new Int8Array(256).fill(-1);
  alphabet.forEach((character, value) => (values[character] = value));
  const out = new Uint8Array(Math.floor((digits.length * 3) / 4));
  let bits = 0;
  let held = 0;
  let to = 0;
  for (const digit of digits) {
    const value = values[digit] as number;
    if (value < 0) return null;
    held = ((held << 6) | value) & 0x3fff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out[to++] = held >> bits;
  }
  // Bits that are left over must be those that encoding puts there: zeros.
  return (held & ((1 << bits) - 1)) === 0 ? out : null;
}

function withoutPadding(text: Uint8Array): Uint8Array {
  let end = text.length;
  while (end > 0 && end > text.length - 2 && text[end - 1] === PADDING) end -= 1;
  return text.subarray(0, end);
}

function base64Encode(call: Call, pointer: number, length: number, flags: number): number {
  const range = call.bytesRange(pointer, length);
  const count = range.end - range.start;
  call.chargeBytes(count);
  const form = formOf(flags);
  call.host.checkResult(encodedLength(count, form.padded));
  return call.giveText(encode(call.view(range), form));
}

function base64Decode(call: Call, pointer: number, length: number, flags: number): number {
  const range = call.textRange(pointer, length);
  call.chargeBytes(range.end - range.start);
  const form = formOf(flags);
  const bytes = decode(call.text(range), form);
  return bytes === null ? call.giveNothing() : call.giveBytes(bytes);
}

export const BASE64: Record<string, Work> = { base64_decode: base64Decode, base64_encode: base64Encode };
