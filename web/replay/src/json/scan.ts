// The tokens of strict JSON: white space, numbers, strings.
//
// Enters: bytes and a place in them. Leaves: where a token ends, and what a string stands for. Refuses, by -1: what
// RFC 8259 does not have, bytes that are not UTF-8, lone surrogates in escapes. No JSON.parse: it takes other texts.

import { putScalar, sequenceLength } from "../text.js";

export const CHAR = {
  tab: 0x09,
  lineFeed: 0x0a,
  carriageReturn: 0x0d,
  space: 0x20,
  quote: 0x22,
  plus: 0x2b,
  comma: 0x2c,
  minus: 0x2d,
  point: 0x2e,
  slash: 0x2f,
  zero: 0x30,
  nine: 0x39,
  colon: 0x3a,
  upperE: 0x45,
  openBracket: 0x5b,
  backslash: 0x5c,
  closeBracket: 0x5d,
  lowerE: 0x65,
  lowerU: 0x75,
  openBrace: 0x7b,
  closeBrace: 0x7d,
} as const;

/** What scanning gives where nothing fits. */
export const NONE = -1;

export function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  for (;;) {
    const byte = bytes[at];
    const space = byte === CHAR.space || byte === CHAR.lineFeed || byte === CHAR.carriageReturn || byte === CHAR.tab;
    if (!space) return at;
    at += 1;
  }
}

/** Where the literal ends that should stand there. */
export function literalEnd(bytes: Uint8Array, from: number, literal: string): number {
  for (let i = 0; i < literal.length; i++) {
    if (bytes[from + i] !== literal.charCodeAt(i)) return NONE;
  }
  return from + literal.length;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= CHAR.zero && byte <= CHAR.nine;
}

function skipDigits(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isDigit(bytes[at])) at += 1;
  return at;
}

/** Where the number ends that begins there. */
export function numberEnd(bytes: Uint8Array, from: number): number {
  let at = bytes[from] === CHAR.minus ? from + 1 : from;
  const whole = bytes[at] === CHAR.zero ? at + 1 : skipDigits(bytes, at);
  if (whole === at) return NONE;
  at = whole;
  if (bytes[at] === CHAR.point) {
    const fraction = skipDigits(bytes, at + 1);
    if (fraction === at + 1) return NONE;
    at = fraction;
  }
  if (bytes[at] === CHAR.lowerE || bytes[at] === CHAR.upperE) {
    const sign = bytes[at + 1] === CHAR.plus || bytes[at + 1] === CHAR.minus ? at + 2 : at + 1;
    const exponent = skipDigits(bytes, sign);
    if (exponent === sign) return NONE;
    at = exponent;
  }
  return at;
}

/** Where the string ends whose opening quote stands there, its closing quote included. */
export function stringEnd(bytes: Uint8Array, from: number): number {
  let at = from + 1;
  while (at < bytes.length) {
    const byte = bytes[at] as number;
    if (byte === CHAR.quote) return at + 1;
    if (byte < CHAR.space) return NONE;
    const size = byte === CHAR.backslash ? escapeAt(bytes, at)?.size : byte < 0x80 ? 1 : sequenceLength(bytes, at);
    if (size === undefined || size === 0) return NONE;
    at += size;
  }
  return NONE;
}

export interface Escape {
  scalar: number;
  /** Bytes from the backslash on. */
  size: number;
}

const SIMPLE: Readonly<Record<string, number>> = {
  '"': 0x22,
  "\\": 0x5c,
  "/": 0x2f,
  b: 0x08,
  f: 0x0c,
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
};

/** The escape whose backslash stands there; a surrogate pair is one escape. */
export function escapeAt(bytes: Uint8Array, at: number): Escape | undefined {
  const letter = bytes[at + 1];
  if (letter === undefined) return undefined;
  if (letter !== CHAR.lowerU) {
    const scalar = SIMPLE[String.fromCharCode(letter)];
    return scalar === undefined ? undefined : { scalar, size: 2 };
  }
  const first = fourDigits(bytes, at + 2);
  if (first === NONE) return undefined;
  if (first < 0xd800 || first > 0xdfff) return { scalar: first, size: 6 };
  const isPair = first < 0xdc00 && bytes[at + 6] === CHAR.backslash && bytes[at + 7] === CHAR.lowerU;
  const second = isPair ? fourDigits(bytes, at + 8) : NONE;
  if (second < 0xdc00 || second > 0xdfff) return undefined;
  return { scalar: 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), size: 12 };
}

function fourDigits(bytes: Uint8Array, from: number): number {
  let value = 0;
  for (let i = 0; i < 4; i++) {
    const digit = hexDigit(bytes[from + i]);
    if (digit === NONE) return NONE;
    value = value * 16 + digit;
  }
  return value;
}

function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return NONE;
  if (isDigit(byte)) return byte - CHAR.zero;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x61 + 10 : NONE;
}

/** What a string that was scanned stands for, as UTF-8. The span has the quotes. */
export function unescape(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const inside = bytes.subarray(start + 1, end - 1);
  if (!inside.includes(CHAR.backslash)) return inside.slice();
  const out = new Uint8Array(inside.length);
  let length = 0;
  for (let at = 0; at < inside.length; ) {
    const byte = inside[at] as number;
    const escape = byte === CHAR.backslash ? escapeAt(inside, at) : undefined;
    if (escape === undefined) {
      out[length++] = byte;
      at += 1;
    } else {
      length = putScalar(out, length, escape.scalar);
      at += escape.size;
    }
  }
  return out.slice(0, length);
}
