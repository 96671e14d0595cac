// What the generated readers and writers stand on: values of the JSON input, checked, as AssemblyScript has them.
//
// A handle goes in, a value comes out, or the run ends as failed with a message `PATH: PROBLEM`, where PATH is a JSON
// Pointer (RFC 6901). The path is not kept while reading: handles count values in document order, so it is found
// from the handle alone when there is something to complain of.

import { fail_text, input_len, output_json_str, output_num, output_write, result_read } from "./abi/core";
import { json_at, json_get, json_key, json_len, json_num, json_str, json_type, num_format } from "./abi/json";
import { DEPTH, Depth, FOREIGN_NAMES, MESSAGE, NAME_UNITS_MAX } from "./facts";
import { Type } from "./input";
import { alloc, fail, take } from "./text";

// @ts-ignore: decorator
@inline const SLASH: u32 = 47;
// @ts-ignore: decorator
@inline const TILDE: u32 = 126;
// The largest whole number that a binary64 holds together with all below it.
// @ts-ignore: decorator
@inline const SAFE: f64 = 9007199254740991;
// A message may have 65,536 bytes of UTF-8, at most three for each unit; a longer path is left out.
// @ts-ignore: decorator
@inline const PATH_UNITS_MAX: usize = 21000;

// The member at hand, where that is the whole path.
let current = changetype<string>(0);

/** The member of that name, or -1. */
export function readMaybe(h: i32, name: string): i32 {
  if (DEPTH == Depth.Members) current = name;
  return json_get(h, changetype<usize>(name), name.length);
}

/** The member of that name. */
export function readMember(h: i32, name: string): i32 {
  const found = readMaybe(h, name);
  if (found == -1) {
    if (DEPTH == Depth.Members) refuse(1, ": missing");
    else failWith(appendName(slash(pathOf(h)), name), ": missing");
  }
  return found;
}

/** Ends the run: the value is not what it must be. */
export function refuse(h: i32, problem: string): void {
  if (DEPTH == Depth.Root) fail(problem);
  else if (DEPTH == Depth.Members) failWith(h ? appendTo(slash(MESSAGE), current) : MESSAGE, problem);
  else failWith(pathOf(h), problem);
}

// Where a message begins whose names come from the input.
let message: usize = 0;

function failWith(end: usize, problem: string): void {
  const start = FOREIGN_NAMES ? message : MESSAGE;
  if (FOREIGN_NAMES && end - start > 2 * PATH_UNITS_MAX) end = start;
  fail_text(start, <i32>((appendTo(end, problem) - start) >> 1));
}

// Copies a text to an address, and gives the address behind it.
function appendTo(end: usize, text: string): usize {
  const bytes = load<u32>(changetype<usize>(text) - 4);
  memory.copy(end, changetype<usize>(text), bytes);
  return end + bytes;
}

function slash(end: usize): usize {
  store<u16>(end, SLASH);
  return end + 2;
}

// Writes the path of a value, and gives the address behind it.
function pathOf(target: i32): usize {
  let end = MESSAGE;
  // A name of n units takes at most 2n with its escapes, and as many while it is copied. One more may be missing.
  if (FOREIGN_NAMES) message = end = alloc((<usize>input_len() << 2) + 4 * NAME_UNITS_MAX + 1024);
  let h = 0;
  while (h != target) {
    // The child that holds the target is the last one that does not begin after it. None is -1, the largest.
    let i = 0;
    let child: i32;
    let next = json_at(h, 0);
    do {
      child = next;
      next = json_at(h, ++i);
    } while (<u32>next <= <u32>target);
    let units = json_key(h, i - 1);
    if (units < 0) units = num_format(i - 1);
    const bytes = <usize>units << 1;
    end = slash(end);
    if (FOREIGN_NAMES) {
      result_read(end + bytes);
      end = escape(end, bytes);
    } else {
      result_read(end);
      end += bytes;
    }
    h = child;
  }
  return end;
}

// Copies a member's name to an address, as a pointer has it.
function appendName(end: usize, name: string): usize {
  if (!FOREIGN_NAMES) return appendTo(end, name);
  const bytes = load<u32>(changetype<usize>(name) - 4);
  appendTo(end + bytes, name);
  return escape(end, bytes);
}

// Moves a name down to `end` from right behind its own length, `~` as `~0` and `/` as `~1`.
function escape(end: usize, bytes: usize): usize {
  let from = end + bytes;
  for (const to = from + bytes; from < to; from += 2) {
    let c: u32 = load<u16>(from);
    if (c == TILDE || c == SLASH) {
      store<u16>(end, TILDE);
      end += 2;
      c = c == TILDE ? 48 : 49;
    }
    store<u16>(end, c);
    end += 2;
  }
  return end;
}

function expectType(h: i32, type: Type, problem: string): void {
  if (json_type(h) != type) refuse(h, problem);
}

/** Memory for an instance, every byte of it zero. */
export function newInstance(h: i32, bytes: usize, id: u32): usize {
  expectType(h, Type.Object, ": not an object");
  return __new(bytes, id);
}

/** The number of an object's members. */
export function readMembers(h: i32): i32 {
  expectType(h, Type.Object, ": not an object");
  return json_len(h);
}

/** Fails unless the object has that many members: then the ones that were found are all there are. */
export function readOnly(h: i32, found: i32): void {
  if (json_len(h) != found) refuse(h, ": unknown member");
}

/** The number of an array's elements. */
export function readElements(h: i32): i32 {
  expectType(h, Type.Array, ": not an array");
  return json_len(h);
}

/** An `Array` of that many elements, each `1 << shift` bytes, all zero. */
export function newList(count: i32, shift: i32): usize {
  const bytes = <usize>count << shift;
  const buffer = __new(bytes, idof<ArrayBuffer>());
  // The layout of the standard library's Array: buffer, start, bytes, length.
  const array = __new(16, 0);
  store<usize>(array, buffer);
  store<usize>(array, buffer, 4);
  store<usize>(array, bytes, 8);
  store<i32>(array, count, 12);
  return array;
}

export function readText(h: i32): string {
  const units = json_str(h);
  if (units < 0) refuse(h, ": not a string");
  return take(units);
}

export function readFlag(h: i32): bool {
  const type = json_type(h) - Type.False;
  if (<u32>type > 1) refuse(h, ": not a boolean");
  return <bool>type;
}

// The number, or NaN if it is none.
function readNumeric(h: i32): f64 {
  return json_type(h) == Type.Number ? json_num(h) : NaN;
}

export function readFloat(h: i32): f64 {
  const value = readNumeric(h);
  if (value != value) refuse(h, ": not a number");
  return value;
}

export function readSingle(h: i32): f32 {
  const value = <f32>readNumeric(h);
  if (!isFinite(value)) refuse(h, ": not an f32");
  return value;
}

export function readInt(h: i32): i32 {
  const value = readNumeric(h);
  // The conversion saturates, and NaN gives 0: back again it is another number unless it fits.
  if (<f64><i32>value != value) refuse(h, ": not an i32");
  return <i32>value;
}

export function readUint(h: i32): u32 {
  const value = readNumeric(h);
  if (<f64><u32>value != value) refuse(h, ": not a u32");
  return <u32>value;
}

/** A whole number from `least` to `most`, for the small types. */
export function readSmall(h: i32, least: i32, most: i32, problem: string): i32 {
  const value = readNumeric(h);
  if (!(value >= least && value <= most && trunc(value) == value)) refuse(h, problem);
  return <i32>value;
}

export function readLong(h: i32): i64 {
  return <i64>readWide(h, true, ": not an i64");
}

export function readUlong(h: i32): u64 {
  return readWide(h, false, ": not a u64");
}

// A number up to 2^53 - 1 either way, or a string of the digits of any number of the type, written in the one way:
// no plus sign, no needless zero.
function readWide(h: i32, signed: bool, problem: string): u64 {
  const value = readNumeric(h);
  if (trunc(value) == value && abs(value) <= SAFE && (signed || value >= 0)) return <u64><i64>value;
  const units = json_str(h);
  if (<u32>(units - 1) < 20) {
    // The first bytes of memory are for such things.
    result_read(0);
    const negative = signed && load<u16>(0) == 45;
    let at: usize = negative ? 2 : 0;
    const limit: u64 = signed ? <u64>i64.MAX_VALUE + <u64>negative : u64.MAX_VALUE;
    const to = <usize>units << 1;
    let number: u64 = 0;
    if (at < to && (load<u16>(at) != 48 || units == 1)) {
      for (; at < to; at += 2) {
        const digit = <u64>load<u16>(at) - 48;
        if (digit > 9 || number > (limit - digit) / 10) break;
        number = number * 10 + digit;
      }
      if (at == to) return negative ? 0 - number : number;
    }
  }
  refuse(h, problem);
  return 0;
}

/** Appends a number, or a string of its digits where a binary64 could not tell it from its neighbours. */
export function writeLong(value: i64): void {
  const negative = value < 0;
  writeWide(negative ? 0 - <u64>value : <u64>value, negative);
}

export function writeUlong(value: u64): void {
  writeWide(value, false);
}

function writeWide(magnitude: u64, negative: bool): void {
  if (magnitude <= <u64>SAFE) {
    const value = <f64>magnitude;
    output_num(negative ? -value : value);
    return;
  }
  // Twenty digits and a sign end at byte 42.
  let at: usize = 42;
  do {
    at -= 2;
    store<u16>(at, 48 + magnitude % 10);
    magnitude /= 10;
  } while (magnitude);
  if (negative) {
    at -= 2;
    store<u16>(at, 45);
  }
  output_json_str(at, 21 - <i32>(at >> 1));
}

export function writeFlag(value: bool): void {
  writeRaw(value ? "true" : "false");
}

/** Appends JSON text. */
export function writeRaw(text: string): void {
  output_write(changetype<usize>(text), text.length);
}

/** Appends a JSON string. */
export function writeText(text: string): void {
  output_json_str(changetype<usize>(text), text.length);
}
