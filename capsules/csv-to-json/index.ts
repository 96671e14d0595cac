// RFC 4180 to JSON: the first record names the fields, every other one becomes an object of strings.
//
// Bytes in, bytes out. The host is asked for four things only (read, check that it is UTF-8, write,
// fail), and the loop escapes as it copies: a host call for each field would cost more than the field.
// Line ends are CRLF or LF. A byte-order mark is skipped. Everything else that RFC 4180 does not
// allow is refused, with the number of the record; the header is number 1.

import { Char, Input, Output, fail, failAt } from "@tenzik/sdk";
import { text_decode } from "@tenzik/sdk/assembly/abi/core";

// @ts-ignore: decorator
@inline const LF: i32 = 10;
// @ts-ignore: decorator
@inline const CR: i32 = 13;
// @ts-ignore: decorator
@inline const BACKSLASH: i32 = 92;
// @ts-ignore: decorator
@inline const BYTE_ORDER_MARK: u32 = 0xbfbbef;

// Output gathers here and leaves when it is full. The escaped header must fit once, see below.
// @ts-ignore: decorator
@inline const BUFFER_BYTES: usize = 16384;
const buffer = memory.data(16384);
// The letters after the backslash for the characters 8 to 13; 11 has none but its number.
const letters = memory.data<u8>([0x62, 0x74, 0x6e, 0x75, 0x66, 0x72]);

let end: usize = 0; // of the input
let out: usize = 0; // bytes in the buffer
let row: u32 = 1;
let writing = false;

export function run(): void {
  const start = Input.bytes();
  const length = Input.length();
  end = start + length;
  if (text_decode(start, length) < 0) fail("the input is not UTF-8");
  const header = length >= 3 && (load<u32>(start) & 0xffffff) == BYTE_ORDER_MARK ? start + 3 : start;
  if (header == end) fail("there is no header");
  let at = checkNames(header);

  out = 0;
  writing = true;
  put(Char.OpenArray);
  while (at < end) {
    if (++row > 2) put(Char.Comma);
    at = record(header, at);
  }
  put(Char.CloseArray);
  flush();
}

// One object. The header is read along with the record, so no table of names is needed.
function record(name: usize, at: usize): usize {
  put(Char.OpenObject);
  let more: bool;
  do {
    name = field(name);
    put(Char.Colon);
    at = field(at);
    more = peek(name) == Char.Comma;
    if (more != (peek(at) == Char.Comma)) failAt("not as many fields as the header has: row", row);
    if (more) put(Char.Comma);
    name = past(name);
    at = past(at);
  } while (more);
  put(Char.CloseObject);
  return at;
}

// Two fields of one name would give an object with a doubled key. The escaped names go to the buffer
// between line feeds, which no escaped name contains, and each is searched for in what is before it.
function checkNames(at: usize): usize {
  put(LF);
  let more: bool;
  do {
    const name = out;
    at = field(at);
    put(LF);
    for (let other: usize = 1; other < name; other++) {
      let i: usize = 0;
      while (load<u8>(buffer + other - 1 + i) == load<u8>(buffer + name - 1 + i)) {
        if (name + ++i > out) fail("two fields of the header have one name");
      }
    }
    more = peek(at) == Char.Comma;
    at = past(at);
  } while (more);
  return at;
}

// Copies a field as a JSON string and gives the address of what ends it.
function field(at: usize): usize {
  put(Char.Quote);
  const quoted = peek(at) == Char.Quote;
  if (quoted) at++;
  for (;;) {
    const c = peek(at);
    if (c < 0) {
      if (quoted) failAt("a quote is not closed: row", row);
      break;
    }
    if (c == Char.Quote) {
      if (!quoted) failAt("a quote in a field that does not begin with one: row", row);
      // A closing quote, unless it is doubled: then the second one is copied.
      if (peek(++at) != Char.Quote) break;
    } else if (!quoted && (c == Char.Comma || c == LF || c == CR)) {
      break;
    }
    escape(c);
    at++;
  }
  put(Char.Quote);
  return at;
}

// The address after a comma, a line end or the end of the input.
function past(at: usize): usize {
  const c = peek(at);
  if (c < 0) return at;
  if (c == CR && peek(++at) != LF || c != CR && c != Char.Comma && c != LF) {
    failAt("neither comma nor line end after a field: row", row);
  }
  return at + 1;
}

function peek(at: usize): i32 {
  return at < end ? load<u8>(at) : -1;
}

// Escapes as RFC 8785 does, so the output has one form only.
function escape(c: u32): void {
  if (c < 32) {
    const letter: u32 = c - 8 < 6 ? load<u8>(letters + c - 8) : 0x75;
    put(BACKSLASH);
    put(letter);
    if (letter != 0x75) return;
    put(48);
    put(48);
    put(48 + (c >> 4));
    c &= 15;
    c += c < 10 ? 48 : 87;
  } else if (c == Char.Quote || c == BACKSLASH) {
    put(BACKSLASH);
  }
  put(c);
}

function put(byte: u32): void {
  if (out == BUFFER_BYTES) {
    if (!writing) fail("the header is too long");
    flush();
  }
  store<u8>(buffer + out++, byte);
}

function flush(): void {
  Output.bytes(buffer, <i32>out);
  out = 0;
}
