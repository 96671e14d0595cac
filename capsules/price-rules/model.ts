import { Fail } from "../test/fail.ts";
import type { Made, Random, Request } from "../test/types.ts";

export function make(random: Random): Made {
  const sku = () => random.pick(["a", "b", "c"]);
  const item = () => ({ sku: sku(), price_cents: random.once(10) ? 4294967295 : random.int(0, 100_000), qty: random.once(10) ? 65535 : random.int(0, 20) });
  const rule = () => random.pick<() => object>([
    () => ({ type: "percent", percent: random.int(0, random.once(20) ? 255 : 100), ...(random.once(2) ? { sku: random.once(4) ? null : sku() } : {}) }),
    () => ({ type: "amount", cents: random.int(0, 100_000), ...(random.once(2) ? { from_cents: random.int(0, 1_000_000) } : {}) }),
    () => ({ type: "bundle", sku: sku(), pieces: random.int(random.once(20) ? 0 : 1, 4), pay: random.int(0, random.once(20) ? 5 : 1) }),
    () => ({ type: random.once(10) ? "gift" : "percent", percent: 1 }),
  ])();
  const dear = () => Array.from({ length: random.int(250, 260) }, () => ({ sku: sku(), price_cents: 4294967295, qty: 65535 }));
  const items = random.once(60) ? dear() : random.list(random.once(30) ? 60 : 6, item);
  return { input: JSON.stringify({ items, rules: random.list(4, rule) }) };
}

interface Item {
  sku: string;
  price_cents: number;
  qty: number;
}

type Rule =
  | { type: "percent"; percent: number; sku?: string | null }
  | { type: "amount"; cents: number; from_cents?: number }
  | { type: "bundle"; sku: string; pieces: number; pay: number };

export function answer({ input }: Request): string {
  const { items, rules }: { items: Item[]; rules: Rule[] } = JSON.parse(input);
  const odd = rules.findIndex(({ type }) => !["percent", "amount", "bundle"].includes(type));
  if (odd >= 0) throw new Fail(`/rules/${odd}/type: not one of the values`);
  const sum = (sku?: string | null) => items.filter((item) => sku == null || item.sku === sku).reduce((all, item) => all + BigInt(item.price_cents) * BigInt(item.qty), 0n);
  const off = (rule: Rule, left: bigint, i: number) => {
    if (rule.type === "percent") {
      if (rule.percent > 100) throw new Fail(`more than all of it: rule ${i}`);
      return ((rule.sku == null ? left : sum(rule.sku)) * BigInt(rule.percent) + 50n) / 100n;
    }
    if (rule.type === "amount") return left >= BigInt(rule.from_cents ?? 0) ? BigInt(rule.cents) : 0n;
    if (!rule.pieces || rule.pay > rule.pieces) throw new Fail(`a bundle of nothing, or dearer than its pieces: rule ${i}`);
    return items.filter(({ sku }) => sku === rule.sku).reduce((all, { price_cents, qty }) => all + BigInt(Math.floor(qty / rule.pieces) * (rule.pieces - rule.pay)) * BigInt(price_cents), 0n);
  };
  let before = 0n;
  for (const [i, { price_cents, qty }] of items.entries()) {
    before += BigInt(price_cents) * BigInt(qty);
    if (before > 2n ** 56n) throw new Fail(`more than 2^56 cents: item ${i}`);
  }
  const subtotal = sum(null);
  let left = subtotal;
  const discounts = rules.map((rule, i) => {
    const whole = off(rule, left, i);
    const discount = whole < left ? whole : left;
    left -= discount;
    return discount;
  });
  const number = (n: bigint) => (n <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(n) : String(n));
  return JSON.stringify({ subtotal_cents: number(subtotal), discounts_cents: discounts.map(number), total_cents: number(left) });
}
