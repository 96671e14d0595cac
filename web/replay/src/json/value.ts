// Numbers and quoted text.
//
// Enters: text that was scanned, numbers, UTF-8. Leaves: binary64 values and JSON text. Refuses, by null: text that is
// no JSON number and nothing else, values that are not finite.

import { ByteBuilder, ascii } from "../bytes.js";
import { utf8ToString } from "../text.js";
import { CHAR, numberEnd } from "./scan.js";

/** The binary64 nearest to a JSON number's text, ties to even; an infinity if it rounds to one; null if it is none.
 *
 * ECMAScript lets `Number` look at no more than 20 digits. V8, SpiderMonkey and JavaScriptCore look at all that matter;
 * the vectors in tests/vectors/json/numbers.json hold them to it. */
export function parseNumber(text: Uint8Array): number | null {
  if (numberEnd(text, 0) !== text.length) return null;
  return Number(utf8ToString(text));
}

/** As ECMAScript's Number::toString; `-0` prints `0`. */
export function formatNumber(value: number): Uint8Array | null {
  return Number.isFinite(value) ? ascii(String(value)) : null;
}

const SHORT_ESCAPES = new Map([
  [0x08, "\\b"],
  [0x09, "\\t"],
  [0x0a, "\\n"],
  [0x0c, "\\f"],
  [0x0d, "\\r"],
  [CHAR.quote, '\\"'],
  [CHAR.backslash, "\\\\"],
] as [number, string][]);

function escapeOf(byte: number): string | undefined {
  if (byte >= CHAR.space && byte !== CHAR.quote && byte !== CHAR.backslash) return undefined;
  return SHORT_ESCAPES.get(byte) ?? `\\u${byte.toString(16).padStart(4, "0")}`;
}

/** How long the text is in quotes: looked at before it is written, since it can be six times as long. */
export function quotedLength(utf8: Uint8Array): number {
  let length = 2;
  for (const byte of utf8) length += escapeOf(byte)?.length ?? 1;
  return length;
}

/** The text in quotes, escaped as RFC 8785 section 3.2.2.2 has it. */
export function quoted(utf8: Uint8Array): Uint8Array {
  const out = new ByteBuilder(utf8.length + 2);
  out.push(CHAR.quote);
  for (const byte of utf8) {
    const escape = escapeOf(byte);
    if (escape === undefined) out.push(byte);
    else out.append(ascii(escape));
  }
  out.push(CHAR.quote);
  return out.toBytes();
}
