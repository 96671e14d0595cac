// Opens a JSON Web Token and says whether the virtual clock is within its dates. It reads; it does
// not trust: the signature is not checked, and the output says so.

import { Char, Input, Output, Type, alloc, fail, take } from "@tenzik/sdk";
import { NO_PADDING, URL_SAFE, base64_decode } from "@tenzik/sdk/assembly/abi/base64";
import { output_write, result_read, text_decode } from "@tenzik/sdk/assembly/abi/core";
import { json_path, num_parse } from "@tenzik/sdk/assembly/abi/json";
import { time_now_ms } from "@tenzik/sdk/assembly/abi/time";

// What is left of the token.
let at: usize = 0;
let end: usize = 0;

// The part of the token that is being read, as text.
let text = "";

export function run(): void {
  const input = Input.root();
  const token = input.get("token");
  if (!token.is(Type.String)) fail("token: not a string");
  const leeway = input.get("leeway_s");
  let leewayMs: f64 = 0;
  if (leeway.exists) {
    const seconds = leeway.type == Type.Number ? leeway.num() : -1;
    if (seconds < 0) fail("leeway_s: not a number of seconds");
    leewayMs = milliseconds(seconds);
  }
  const now = <f64>time_now_ms();

  const whole = token.str();
  at = changetype<usize>(whole);
  end = at + (<usize>whole.length << 1);
  Output.raw('{"header":');
  nextText();
  query("$");
  writeObject();
  Output.raw(',"claims":');
  nextText();
  // Leeway is taken from the clock, not put on the date: a date may be infinite, the clock is not.
  const expired = now - leewayMs >= date("$.exp");
  const early = now + leewayMs < date("$.nbf");
  writeObject();
  nextPart();
  if (at <= end) fail("token: more than three parts");

  flag(',"expired":', expired);
  flag(',"not_yet_valid":', early);
  Output.raw(',"signature":"not checked"}');
}

function flag(name: string, value: bool): void {
  Output.raw(name);
  Output.raw(value ? "true" : "false");
}

// Decodes the next part of the token into the result buffer and gives its length.
function nextPart(): i32 {
  if (at > end) fail("token: fewer than three parts");
  const start = at;
  while (at < end && load<u16>(at) != 46) at += 2;
  const len = base64_decode(start, <i32>((at - start) >> 1), URL_SAFE | NO_PADDING);
  if (len < 0) fail("token: a part is not base64url");
  at += 2; // past the dot, or past the end
  return len;
}

// Decodes the next part of the token into `text`.
function nextText(): void {
  const len = nextPart();
  const bytes = alloc(len);
  result_read(bytes);
  const units = text_decode(bytes, len);
  // An empty text goes no further: `json_path` would take it for the input.
  if (units <= 0) notAnObject();
  text = take(units);
}

// What the path selects in `text`: the length of the list in the result buffer. Fails if the text is
// not strict JSON.
function query(path: string): i32 {
  const len = json_path(changetype<usize>(text), text.length, changetype<usize>(path), path.length);
  if (len < 0) notAnObject();
  return len;
}

// Appends `text`, which is strict JSON and so has nothing but blanks around its braces.
function writeObject(): void {
  let from = changetype<usize>(text);
  let to = from + (<usize>text.length << 1);
  while (load<u16>(from) <= 32) from += 2;
  if (load<u16>(from) != Char.OpenObject) notAnObject();
  while (load<u16>(to - 2) <= 32) to -= 2;
  output_write(from, <i32>((to - from) >> 1));
}

// A NumericDate of RFC 7519. NaN if there is none: no clock is before or after it.
function date(path: string): f64 {
  const len = query(path);
  if (len == 2) return NaN; // []
  const list = changetype<usize>(take(len));
  const first: u32 = load<u16>(list, 2);
  if (first != 45 && first - 48 > 9) fail("exp or nbf: not a number");
  return milliseconds(num_parse(list + 2, len - 2));
}

// Rounded, because 0.001 has no exact binary form. An infinity is as good as a date far away.
function milliseconds(seconds: f64): f64 {
  return nearest(seconds * 1000);
}

function notAnObject(): void {
  fail("token: header or claims are not a JSON object");
}
