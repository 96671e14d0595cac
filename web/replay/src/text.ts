// Text: UTF-8 and UTF-16, strictly.
//
// Enters: bytes of a memory or of an input. Leaves: UTF-8 bytes, little-endian UTF-16, counts, strings. Refuses, by
// `null` or `false`: overlong forms, surrogates in UTF-8, code points above 0x10ffff, lone surrogates in UTF-16.
//
// Inside of this program text is UTF-8 bytes: that is what prices and caps are counted in.

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The string of bytes that are UTF-8. */
export function utf8ToString(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** The UTF-8 of a string without lone surrogates. */
export function stringToUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

export function isUtf8(bytes: Uint8Array): boolean {
  let at = 0;
  while (at < bytes.length) {
    const size = (bytes[at] as number) < 0x80 ? 1 : sequenceLength(bytes, at);
    if (size === 0) return false;
    at += size;
  }
  return true;
}

/** The length of the multi-byte sequence that begins there, 0 if there is none: table 3-7 of the Unicode standard. */
export function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] as number;
  const second = bytes[at + 1] ?? 0;
  if (lead >= 0xc2 && lead <= 0xdf) return isContinuation(second) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const low = lead === 0xe0 ? 0xa0 : 0x80;
    const high = lead === 0xed ? 0x9f : 0xbf;
    return second >= low && second <= high && isContinuation(bytes[at + 2] ?? 0) ? 3 : 0;
  }
  if (lead < 0xf0 || lead > 0xf4) return 0;
  const low = lead === 0xf0 ? 0x90 : 0x80;
  const high = lead === 0xf4 ? 0x8f : 0xbf;
  const whole = second >= low && second <= high && isContinuation(bytes[at + 2] ?? 0) && isContinuation(bytes[at + 3] ?? 0);
  return whole ? 4 : 0;
}

function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}

/** How many UTF-16 code units text has: one for each sequence, two for one of four bytes. */
export function utf16Length(utf8: Uint8Array): number {
  let units = 0;
  for (const byte of utf8) {
    if (!isContinuation(byte)) units += byte >= 0xf0 ? 2 : 1;
  }
  return units;
}

export function utf8ToUtf16(utf8: Uint8Array): Uint8Array {
  const units = new Uint8Array(2 * utf16Length(utf8));
  let to = 0;
  const put = (unit: number): void => {
    units[to++] = unit & 0xff;
    units[to++] = unit >> 8;
  };
  for (let at = 0; at < utf8.length; ) {
    const [scalar, size] = scalarAt(utf8, at);
    at += size;
    if (scalar < 0x10000) put(scalar);
    else {
      put(0xd800 + ((scalar - 0x10000) >> 10));
      put(0xdc00 + ((scalar - 0x10000) & 0x3ff));
    }
  }
  return units;
}

function scalarAt(utf8: Uint8Array, at: number): [scalar: number, size: number] {
  const lead = utf8[at] as number;
  const next = (i: number): number => (utf8[at + i] as number) & 0x3f;
  if (lead < 0x80) return [lead, 1];
  if (lead < 0xe0) return [((lead & 0x1f) << 6) | next(1), 2];
  if (lead < 0xf0) return [((lead & 0x0f) << 12) | (next(1) << 6) | next(2), 3];
  return [((lead & 0x07) << 18) | (next(1) << 12) | (next(2) << 6) | next(3), 4];
}

/** What became of a piece of UTF-16: its text, and the high surrogate at its end that waits for its other half. */
export interface Utf16Piece {
  utf8: Uint8Array;
  held: number | null;
}

/** The text of whole UTF-16, or null if it is not well formed. */
export function utf16ToUtf8(bytes: Uint8Array): Uint8Array | null {
  const piece = utf16PieceToUtf8(null, bytes);
  return piece === null || piece.held !== null ? null : piece.utf8;
}

/** The text of a held high surrogate and the units after it. A high surrogate at the very end is held in turn. */
export function utf16PieceToUtf8(held: number | null, bytes: Uint8Array): Utf16Piece | null {
  const out = new Uint8Array((bytes.length / 2) * 3 + 4);
  let length = 0;
  let high = held;
  for (let at = 0; at < bytes.length; at += 2) {
    const unit = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
    const isLow = unit >= 0xdc00 && unit <= 0xdfff;
    if (isLow !== (high !== null)) return null;
    if (unit >= 0xd800 && unit <= 0xdbff) {
      high = unit;
      continue;
    }
    const scalar = high === null ? unit : 0x10000 + ((high - 0xd800) << 10) + (unit - 0xdc00);
    high = null;
    length = putScalar(out, length, scalar);
  }
  return { utf8: out.slice(0, length), held: high };
}

/** Writes a scalar value as UTF-8 and gives where the next one goes. */
export function putScalar(out: Uint8Array, at: number, scalar: number): number {
  if (scalar < 0x80) {
    out[at] = scalar;
    return at + 1;
  }
  const size = scalar < 0x800 ? 2 : scalar < 0x10000 ? 3 : 4;
  const lead = size === 2 ? 0xc0 : size === 3 ? 0xe0 : 0xf0;
  out[at] = lead | (scalar >> (6 * (size - 1)));
  for (let i = 1; i < size; i++) out[at + i] = 0x80 | ((scalar >> (6 * (size - 1 - i))) & 0x3f);
  return at + size;
}
