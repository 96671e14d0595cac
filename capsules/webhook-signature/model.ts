import { createHmac } from "node:crypto";
import type { Made, Random, Request } from "../test/types.ts";

const CLOCK = 1_700_000_000_000;

export function make(random: Random): Made {
  const secret = random.text(12), payload = random.text(30);
  const t = random.once(12) ? random.pick(["", "1x", "1234567890123", "-1"]) : String(1_700_000_000 + random.int(-400, 400));
  const good = createHmac("sha256", secret).update(`${t}.${payload}`).digest("hex");
  const other = createHmac("sha256", `${secret}?`).update(`${t}.${payload}`).digest("hex");
  const parts = random.list(2, () => random.pick(["v0=abc", "v1=00", "", "x", `v1=${good.toUpperCase()}`, "t"]));
  parts.splice(random.int(0, parts.length), 0, `t=${t}`);
  if (random.once(15)) parts.push(`t=${t}`);
  if (!random.once(10)) parts.splice(random.int(0, parts.length), 0, `v1=${random.once(3) ? other : good}`);
  const delivery = { secret, header: parts.join(","), payload, ...(random.once(2) ? { tolerance_s: random.int(0, 500) } : {}) };
  return { input: JSON.stringify(delivery), clock_ms: CLOCK + random.int(0, 999) };
}

interface Delivery {
  secret: string;
  header: string;
  payload: string;
  tolerance_s?: number;
}

export function answer({ input, clock_ms }: Request): string {
  const { secret, header, payload, tolerance_s = 300 }: Delivery = JSON.parse(input);
  const of = (name: string) => header.split(",").filter((part) => part.startsWith(`${name}=`)).map((part) => part.slice(name.length + 1));
  const say = (reason: string) => JSON.stringify({ valid: reason === "valid", reason });
  const times = of("t"), signatures = of("v1");
  if (times.length !== 1 || !/^[0-9]{1,12}$/.test(times[0]) || !signatures.length) return say("malformed header");
  const good = createHmac("sha256", secret).update(`${times[0]}.${payload}`).digest("hex");
  if (!signatures.includes(good)) return say("no signature matches");
  return say(Math.abs(clock_ms - Number(times[0]) * 1000) > tolerance_s * 1000 ? "outside of the tolerance" : "valid");
}
