// Checks the signature of a webhook as payment services send it: a header `t=SECONDS,v1=HEX[,v1=HEX...]`, where HEX is
// HMAC-SHA-256 of `SECONDS.PAYLOAD` under the shared secret, and SECONDS must be close to the virtual clock.

import { hmacSha256, utf8 } from "@tenzik/sdk";
import { time_now_ms } from "@tenzik/sdk/assembly/abi/time";

class Delivery {
  secret: string = "";
  /** The header that came with the payload. */
  header: string = "";
  /** The body, as it was sent. */
  payload: string = "";
  @optional tolerance_s: u32 = 300;
}

enum Reason { Valid = "valid", Malformed = "malformed header", Mismatch = "no signature matches", Stale = "outside of the tolerance" }

class Verdict {
  valid: bool = false;
  reason: Reason = Reason.Valid;
}

export function run(delivery: Delivery): Verdict {
  const reason = judge(delivery);
  return { valid: reason == Reason.Valid, reason };
}

function judge(delivery: Delivery): Reason {
  const header = delivery.header;
  const seconds = part(header, "t=", 0);
  if (seconds === null || part(header, "t=", 1) !== null || !digits(seconds)) return Reason.Malformed;
  if (part(header, "v1=", 0) === null) return Reason.Malformed;
  const expected = hmacSha256(utf8(delivery.secret), utf8(seconds + "." + delivery.payload));
  let found: string | null;
  let i = 0;
  do {
    found = part(header, "v1=", i++);
    if (found === null) return Reason.Mismatch;
  } while (found != expected);
  const apart = <f64>time_now_ms() - number(seconds) * 1000;
  return abs(apart) > <f64>delivery.tolerance_s * 1000 ? Reason.Stale : Reason.Valid;
}

// What follows the name in the n-th part of the header that begins with it.
function part(header: string, name: string, n: i32): string | null {
  for (let from = 0, to = 0; from <= header.length; from = to + 1) {
    to = from;
    while (to < header.length && header.charCodeAt(to) != 44) to++;
    if (header.substr(from, name.length) == name && n-- == 0) return header.substring(from + name.length, to);
  }
  return null;
}

// Twelve digits last for thirty thousand years.
function digits(text: string): bool {
  for (let i = 0; i < text.length; i++) {
    if (<u32>(text.charCodeAt(i) - 48) > 9) return false;
  }
  return <u32>(text.length - 1) < 12;
}

function number(text: string): f64 {
  let value: f64 = 0;
  for (let i = 0; i < text.length; i++) value = value * 10 + (text.charCodeAt(i) - 48);
  return value;
}
