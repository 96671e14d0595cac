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
  let seconds = "";
  let times = 0, signatures = 0;
  for (let from = 0; from <= header.length; from = end(header, from) + 1) {
    if (begins(header, from, "v1=")) signatures++;
    if (!begins(header, from, "t=")) continue;
    seconds = header.substring(from + 2, end(header, from));
    times++;
  }
  if (times != 1 || !signatures || !digits(seconds)) return Reason.Malformed;
  const expected = "v1=" + hmacSha256(utf8(delivery.secret), utf8(seconds + "." + delivery.payload));
  let found = false;
  for (let from = 0; from <= header.length; from = end(header, from) + 1) {
    if (begins(header, from, expected) && end(header, from) == from + expected.length) found = true;
  }
  if (!found) return Reason.Mismatch;
  const apart = <f64>time_now_ms() - number(seconds) * 1000;
  return abs(apart) > <f64>delivery.tolerance_s * 1000 ? Reason.Stale : Reason.Valid;
}

// Where the part that begins there ends: at a comma, or at the end.
function end(header: string, from: i32): i32 {
  while (from < header.length && header.charCodeAt(from) != 44) from++;
  return from;
}

function begins(header: string, from: i32, text: string): bool {
  for (let i = 0; i < text.length; i++) {
    if (header.charCodeAt(from + i) != text.charCodeAt(i)) return false;
  }
  return true;
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
