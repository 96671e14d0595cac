import { Fail } from "../test/fail.ts";
import type { Json, Made, Random, Request } from "../test/types.ts";

const CLOCK_S = 1_700_000_000;

export function make(random: Random): Made {
  const part = (value: Json) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");
  const date = (): Json => (random.once(25) ? random.pick(["x", null, {}]) : random.pick([0, 1e300, CLOCK_S, CLOCK_S + 0.5, CLOCK_S + random.int(-100, 100)]));
  const claims = { ...(random.once(3) ? {} : { exp: date() }), sub: random.json(1), ...(random.once(3) ? {} : { nbf: date() }) };
  const parts = [part({ alg: "none", kid: random.text(3) }), part(random.once(30) ? random.json(1) : claims), part("signature")];
  if (random.once(30)) parts[random.int(0, 2)] = random.pick(["=", "", "a", "!!"]);
  if (random.once(40)) parts.push("x");
  if (random.once(40)) parts.pop();
  return { input: JSON.stringify({ token: parts.join("."), ...(random.once(2) ? { leeway_s: random.pick([0, 30, 0.5, random.once(20) ? -1 : 60]) } : {}) }), clock_ms: CLOCK_S * 1000 + random.int(0, 999) };
}

function bytes(part: string | undefined): Buffer {
  if (part === undefined) throw new Fail("token: fewer than three parts");
  const found = Buffer.from(part, "base64url");
  if (found.toString("base64url") !== part) throw new Fail("token: a part is not base64url");
  return found;
}

const isObject = (value: Json): value is { [name: string]: Json } => value !== null && typeof value === "object" && !Array.isArray(value);

function parsed(part: string | undefined): Json {
  const text = bytes(part).toString();
  try {
    return JSON.parse(text);
  } catch {
    throw new Fail("token: header or claims are not a JSON object");
  }
}

function object(part: string | undefined): Json {
  const value = parsed(part);
  if (!isObject(value)) throw new Fail("token: header or claims are not a JSON object");
  return value;
}

export function answer({ input, clock_ms }: Request): string {
  const { token, leeway_s = 0 }: { token: string; leeway_s?: number } = JSON.parse(input);
  if (leeway_s < 0) throw new Fail("leeway_s: not a number of seconds");
  const [first, second, third, more]: (string | undefined)[] = token.split(".");
  const ms = (seconds: number) => {
    // Half way goes to the even one, as the capsule's rounding does.
    const exact = seconds * 1000, down = Math.floor(exact);
    return exact - down === 0.5 ? down + (down % 2) : Math.round(exact);
  };
  const header = object(first);
  // The dates are looked at before it is said that the claims are no object.
  const claims = parsed(second);
  const date = (name: string) => {
    if (!isObject(claims) || !Object.hasOwn(claims, name)) return NaN;
    const seconds = claims[name];
    if (typeof seconds !== "number") throw new Fail("exp or nbf: not a number");
    return ms(seconds);
  };
  const expired = clock_ms - ms(leeway_s) >= date("exp");
  const early = clock_ms + ms(leeway_s) < date("nbf");
  object(second);
  bytes(third);
  if (more !== undefined) throw new Fail("token: more than three parts");
  return JSON.stringify({ header, claims, expired, not_yet_valid: early, signature: "not checked" });
}
