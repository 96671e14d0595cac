// Opens a JSON Web Token and says whether the virtual clock is within its dates. It reads; it does
// not trust: the signature is not checked, and the output says so.

import { Char, Input, Output, Type, alloc, fail, take } from "@tenzik/sdk";
import { NO_PADDING, URL_SAFE, base64_decode } from "@tenzik/sdk/assembly/abi/base64";
import { output_write, result_read, text_decode } from "@tenzik/sdk/assembly/abi/core";
import { json_path } from "@tenzik/sdk/assembly/abi/json";
import { time_now_ms } from "@tenzik/sdk/assembly/abi/time";

// What `date` gives for a claim that is not there.
// @ts-ignore: decorator
@inline const NEVER: i64 = i64.MIN_VALUE;

// Seconds have at most 15 digits here, so milliseconds and a leeway stay far from the end of an i64.
// @ts-ignore: decorator
@inline const SECONDS_MAX: i64 = 999_999_999_999_999;

// What is left of the token.
let at: usize = 0;
let end: usize = 0;

export function run(): void {
  const input = Input.root();
  const token = input.get("token");
  if (!token.is(Type.String)) fail("token: not a string");
  const leeway = input.get("leeway_s");
  let leewayMs: i64 = 0;
  if (leeway.exists) {
    const seconds = leeway.is(Type.Number) ? leeway.num() : -1;
    if (!(seconds >= 0 && seconds <= <f64>SECONDS_MAX)) fail("leeway_s: not a number of seconds");
    leewayMs = <i64>(seconds * 1000);
  }

  const text = token.str();
  at = changetype<usize>(text);
  end = at + (<usize>text.length << 1);
  const header = document();
  const claims = document();
  part();
  if (at <= end) fail("token: more than three parts");

  const now = time_now_ms();
  const expires = date(claims, '$.exp');
  const begins = date(claims, '$.nbf');
  Output.raw('{"header":');
  inner(header);
  Output.raw(',"claims":');
  inner(claims);
  flag(',"expired":', expires != NEVER && now >= expires + leewayMs);
  flag(',"not_yet_valid":', begins != NEVER && now < begins - leewayMs);
  Output.raw(',"signature":"not checked"}');
}

function flag(name: string, value: bool): void {
  Output.raw(name);
  Output.raw(value ? "true" : "false");
}

// Decodes the next part of the token into the result buffer and gives its length.
function part(): i32 {
  if (at > end) fail("token: fewer than three parts");
  const start = at;
  while (at < end && load<u16>(at) != 46) at += 2;
  const len = base64_decode(start, <i32>((at - start) >> 1), URL_SAFE | NO_PADDING);
  if (len < 0) fail("token: a part is not base64url");
  at += 2; // past the dot, or past the end
  return len;
}

// The next part as text. It stands in brackets, as `json_path` gives it: one call checks that it is
// strict JSON and takes the blanks around it away.
function document(): string {
  const len = part();
  const bytes = alloc(len);
  result_read(bytes);
  const units = text_decode(bytes, len);
  let list = "";
  if (units > 0) {
    const text = take(units);
    const found = query(changetype<usize>(text), units, "$");
    if (found > 0) list = take(found);
  }
  if (list.length < 2 || load<u16>(changetype<usize>(list), 2) != Char.OpenObject) {
    fail("token: header or claims are not a JSON object");
  }
  return list;
}

function query(doc: usize, len: i32, path: string): i32 {
  return json_path(doc, len, changetype<usize>(path), path.length);
}

function inner(list: string): void {
  output_write(changetype<usize>(list) + 2, list.length - 2);
}

// A NumericDate of RFC 7519 in milliseconds: seconds, maybe negative, maybe with a fraction, of which
// three digits count. An exponent is refused: nobody dates a token that way.
function date(claims: string, path: string): i64 {
  const list = take(query(changetype<usize>(claims) + 2, claims.length - 2, path));
  let p = changetype<usize>(list) + 2;
  if (load<u16>(p) == Char.CloseArray) return NEVER;
  const negative = load<u16>(p) == 45;
  if (negative) p += 2;
  let value: i64 = 0;
  let decimals = -1; // digits after the point; -1 before it
  for (;; p += 2) {
    const c: u32 = load<u16>(p);
    if (c == 46) {
      decimals = 0;
    } else if (c - 48 > 9) {
      if (c != Char.CloseArray) fail("exp or nbf: not a plain number");
      break;
    } else if (decimals < 3) {
      value = value * 10 + (c - 48);
      if (decimals >= 0) decimals++;
      if (value > SECONDS_MAX) fail("exp or nbf: too far away");
    }
  }
  for (decimals = max(decimals, 0); decimals < 3; decimals++) value *= 10;
  return negative ? -value : value;
}
