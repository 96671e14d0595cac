import { Fail } from "../test/fail.ts";
import type { Made, Random, Request } from "../test/types.ts";

const KINDS: Record<string, number>[] = [
  { m: 1, km: 1000, cm: 0.01, mm: 0.001, in: 0.0254, ft: 0.3048, yd: 0.9144, mi: 1609.344, nmi: 1852 },
  { kg: 1, g: 0.001, t: 1000, lb: 0.45359237, oz: 0.028349523125 },
  { l: 1, ml: 0.001, gal: 3.785411784 },
  { s: 1, min: 60, h: 3600, d: 86400 },
  { J: 1, kWh: 3600000, cal: 4.184 },
  { K: 1, C: 1, F: 5 / 9 },
];
const ZERO: Record<string, number> = { K: -273.15, F: -32 };

export function make(random: Random): Made {
  const kind = random.pick(KINDS), other = random.once(6) ? random.pick(KINDS) : kind;
  const value = random.once(2) ? random.pick([0, 1, -40, 36.6, 1e308, -1e308, 5e-324, 1 / 3]) : random.int(-1e6, 1e6) / 64;
  const from = random.pick(Object.keys(kind)), to = random.once(40) ? "stone" : random.pick(Object.keys(other));
  return { input: JSON.stringify({ value, from, to }) };
}

export function answer({ input }: Request): string {
  const { value, from, to }: { value: number; from: string; to: string } = JSON.parse(input);
  const kind = KINDS.find((one) => from in one) ?? {};
  if (!KINDS.some((one) => to in one)) throw new Fail("/to: not one of the values");
  if (!(to in kind)) throw new Fail("the units are of two kinds");
  const result = from === to ? value : ((value + (ZERO[from] ?? 0)) * kind[from]) / kind[to] - (ZERO[to] ?? 0);
  if (!Number.isFinite(result)) throw new Fail("the result is beyond a binary64");
  return JSON.stringify({ value: result, unit: to });
}
