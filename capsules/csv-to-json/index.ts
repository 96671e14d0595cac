// RFC 4180 to JSON: the first record names the fields, every other one becomes an object of strings.
//
// Bytes in, bytes out. The host is asked for four things only: read, check that it is UTF-8, write,
// fail. Names are escaped once, together with the punctuation around them, and what needs no escape
// is copied in one go. Line ends are CRLF or LF. A byte-order mark is skipped. Everything else that
// RFC 4180 does not allow is refused, with the number of the record; the header is number 1.

import { Char, Input, Output, fail, failAt } from "@tenzik/sdk";
import { text_decode } from "@tenzik/sdk/assembly/abi/core";

// @ts-ignore: decorator
@inline const LF: u32 = 10;
// @ts-ignore: decorator
@inline const CR: u32 = 13;
// @ts-ignore: decorator
@inline const BACKSLASH: u32 = 92;
// @ts-ignore: decorator
@inline const BYTE_ORDER_MARK: u32 = 0xbfbbef;

// The kinds of bytes stand in a table at address 0, which the compiler leaves free, so that a byte is
// the address of its kind.
const enum Kind { Plain, Escaped, Separator, Quote }

// Every name stands here with the punctuation around it, `","name":"`, and `"},{"` before the first:
// a name closes the value before it, and the first name the object before it.
// @ts-ignore: decorator
@inline const NAMES_BYTES: usize = 16384;
const names = memory.data(16384);
const opening = memory.data<u8>([0x22, 0x7d, 0x2c, 0x7b, 0x22]); // "},{"
const between = memory.data<u8>([0x22, 0x3a, 0x22, 0x22, 0x2c, 0x22]); // ":" and ","
// @ts-ignore: decorator
@inline const OPENING_BYTES: usize = 5;
// @ts-ignore: decorator
@inline const BETWEEN_BYTES: usize = 6;
// `","` belongs to the name behind it, and `"},` has nothing to close before the first object.
// @ts-ignore: decorator
@inline const LEAD_BYTES: usize = 3;

// Where each column's name begins, and where one more would begin.
// @ts-ignore: decorator
@inline const COLUMNS_MAX: usize = 256;
const starts = memory.data(1028);
let last: usize = 0; // of these; 0 while the header is read

// Output gathers here and leaves when it is full.
// @ts-ignore: decorator
@inline const BUFFER_BYTES: usize = 16384;
const buffer = memory.data(16384);

// The letters after the backslash for the characters 8 to 13; 11 has none but its number.
const letters = memory.data<u8>([0x62, 0x74, 0x6e, 0x75, 0x66, 0x72]);

let end: usize = 0; // of the input; a zero byte stands there
let out: usize = 0; // where the next byte goes, and
let full: usize = 0; // where its room ends
let row: u32 = 1;

export function run(): void {
  let at = Input.bytes();
  const length = Input.length();
  end = at + length;
  if (text_decode(at, length) < 0) fail("the input is not UTF-8");
  if ((load<u32>(at) & 0xffffff) == BYTE_ORDER_MARK) at += 3;
  if (at == end) fail("there is no header");

  memory.fill(0, <u8>Kind.Escaped, 32);
  store<u8>(BACKSLASH, Kind.Escaped);
  store<u8>(LF, Kind.Separator);
  store<u8>(CR, Kind.Separator);
  store<u8>(Char.Comma, Kind.Separator);
  store<u8>(Char.Quote, Kind.Quote);

  at = header(at);
  out = buffer;
  full = buffer + BUFFER_BYTES;
  put(Char.OpenArray);
  while (at < end) {
    row++;
    at = record(at);
  }
  if (row > 1) append(opening, opening + 2); // "}
  put(Char.CloseArray);
  flush();
}

// Gathers the names. Two fields of one name would give an object with a doubled key.
function header(at: usize): usize {
  out = names;
  full = names + NAMES_BYTES;
  append(opening, opening + OPENING_BYTES);
  let slot = starts;
  store<usize>(slot, out);
  let more: bool;
  do {
    if (slot == starts + COLUMNS_MAX * 4) fail("more than 256 fields");
    const name = load<usize>(slot);
    at = field(at);
    more = load<u8>(at) == Char.Comma;
    at = past(at);
    append(between, between + BETWEEN_BYTES);
    const length = out - name;
    for (let other = starts; other < slot; other += 4) {
      const start = load<usize>(other);
      if (load<usize>(other, 4) - start == length && same(start, name, length - BETWEEN_BYTES)) {
        fail("a name stands twice");
      }
    }
    slot += 4;
    store<usize>(slot, out);
  } while (more);
  last = slot;
  return at;
}

// Four bytes at a time. The last ones may reach into the punctuation, which is the same behind both.
function same(a: usize, b: usize, length: usize): bool {
  for (const until = a + length; a < until; a += 4, b += 4) {
    if (load<u32>(a) != load<u32>(b)) return false;
  }
  return true;
}

// One object, but for its end.
function record(at: usize): usize {
  let from = row == 2 ? names + LEAD_BYTES : names;
  let slot = starts;
  let more: bool;
  do {
    slot += 4;
    const to = load<usize>(slot) - LEAD_BYTES;
    append(from, to);
    from = to;
    at = field(at);
    more = load<u8>(at) == Char.Comma;
    at = past(at);
    if (more != slot < last) failAt("not as many fields as names: row", row);
  } while (more);
  return at;
}

// Appends a field without its quotes, escaped, and gives the address of what ends it.
function field(at: usize): usize {
  const quoted = load<u8>(at) == Char.Quote;
  if (quoted) at++;
  let from = at;
  for (;;) {
    let kind: u32;
    while (!(kind = load<u8>(<usize>load<u8>(at)))) at++;
    if (!quoted) {
      if (kind == Kind.Separator || at == end) break;
      if (kind == Kind.Quote) failAt("a quote in a plain field: row", row);
    } else if (at == end) {
      failAt("a quote is not closed: row", row);
    } else if (load<u8>(at) == Char.Comma) {
      at++;
      continue;
    }
    append(from, at);
    // A closing quote, unless it is doubled: then the second one is escaped.
    if (kind == Kind.Quote && load<u8>(++at) != Char.Quote) return at;
    put(BACKSLASH);
    from = at++;
    if (load<u8>(from) < 32) escape(load<u8>(from++));
  }
  append(from, at);
  return at;
}

// The address after a comma, a line end or the end of the input.
function past(at: usize): usize {
  if (at == end) return at;
  const c: u32 = load<u8>(at++);
  if (c == CR ? load<u8>(at++) != LF : c != Char.Comma && c != LF) {
    failAt("text after a field: row", row);
  }
  return at;
}

// What follows the backslash for a control character, in the one form that RFC 8785 has for each.
function escape(c: u32): void {
  const letter: u32 = c - 8 < 6 ? load<u8>(letters + c - 8) : 0x75;
  put(letter);
  if (letter != 0x75) return;
  put(48);
  put(48);
  put(48 + (c >> 4));
  c &= 15;
  put(c + (c < 10 ? 48 : 87));
}

function put(byte: u32): void {
  if (out == full) flush();
  store<u8>(out++, byte);
}

function append(from: usize, to: usize): void {
  const length = to - from;
  if (out + length > full) {
    flush();
    if (length > BUFFER_BYTES) {
      Output.bytes(from, <i32>length);
      return;
    }
  }
  memory.copy(out, from, length);
  out += length;
}

function flush(): void {
  if (!last) fail("the header is too long");
  Output.bytes(buffer, <i32>(out - buffer));
  out = buffer;
}
