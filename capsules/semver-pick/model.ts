import { Fail } from "../test/fail.ts";
import type { Made, Random, Request } from "../test/types.ts";

// Versions are mostly at a bound of the range or beside it, or nothing would match.
export function make(random: Random): Made {
  const number = () => random.pick([0, 0, 1, 1, 2, 3, 10, 999999999]);
  const bounds = [[number(), number(), number()]];
  const near = () => {
    const version = [...random.pick(bounds)], i = random.int(0, 2);
    if (!random.once(3)) version[i] = Math.min(Math.max(version[i] + random.pick([-1, 1, 2]), 0), 999999999);
    return version;
  };
  const one = () => {
    if (random.once(8)) return "*";
    const bound = random.once(3) ? [number(), number(), number()] : near();
    bounds.push(bound);
    return random.pick(["", "=", "<", "<=", ">", ">=", "^", "~"]) + bound.join(".");
  };
  let range = [0, ...random.list(2, () => 0)].map(() => [one(), ...random.list(1, one)].join(" ")).join(random.pick([" || ", "||", " ||", "|| "]));
  if (random.once(20)) range = random.pick(["", " ", "||", "1.0.0 |", "1.0.0 | 2.0.0", "1.0.0 ||", ">=", "> 1.0.0", "1.0", "^^1.0.0", "1.0.0  2.0.0", "01.0.0", "*1", "1.0.0 "]);
  const version = () => (random.once(200) ? random.pick(["1.2", "1.02.3", "", "v1.0.0", "1.0.0-a", "1000000000.0.0", "1.2.3.4"]) : near().join("."));
  return { input: JSON.stringify({ range, versions: random.once(30) ? [] : [version(), ...random.list(7, version)] }) };
}

const VERSION = /^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})$/;
const COMPARATOR = /^(?:(\*)|(=|<=?|>=?|\^|~)?((?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8})\.(?:0|[1-9]\d{0,8})))$/;
const numbers = (text: string) => (VERSION.exec(text) ?? []).slice(1).map(Number);
const order = (a: number[], b: number[]) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2];

type Holds = (version: number[]) => boolean;

function comparator(text: string): Holds {
  const found = COMPARATOR.exec(text);
  if (!found) throw new Fail("not a range");
  const [, any, sign, bound] = found;
  if (any) return () => true;
  const b = numbers(bound);
  const keep = sign === "~" ? 2 : b[0] ? 1 : b[1] ? 2 : 3;
  return (v) => {
    const c = order(v, b);
    switch (sign) {
      case "<": return c < 0;
      case "<=": return c <= 0;
      case ">": return c > 0;
      case ">=": return c >= 0;
      case "^": case "~": return c >= 0 && v.slice(0, keep).every((n, i) => n === b[i]);
      default: return c === 0;
    }
  };
}

// One blank may stand on either side of the bars, and nowhere else at an end.
function parse(range: string): Holds[][] {
  const parts = range.split("||");
  return parts.map((part, i) => {
    const head = part.startsWith(" ") ? part.slice(1) : part;
    const body = i < parts.length - 1 && head.endsWith(" ") ? head.slice(0, -1) : head;
    return body.split(" ").map(comparator);
  });
}

export function answer({ input }: Request): string {
  const { range, versions }: { range: string; versions: string[] } = JSON.parse(input);
  const matching: string[] = [];
  for (const [i, text] of versions.entries()) {
    if (!VERSION.test(text)) throw new Fail(`not a version: versions ${i}`);
    if (parse(range).some((all) => all.every((holds) => holds(numbers(text))))) matching.push(text);
  }
  let best: string | null = null;
  for (const text of matching) if (best === null || order(numbers(text), numbers(best)) > 0) best = text;
  return JSON.stringify({ best, matching });
}
