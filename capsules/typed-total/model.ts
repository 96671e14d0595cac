import { Fail } from "../test/fail.ts";
import type { Made, Random, Request } from "../test/types.ts";

export function make(random: Random): Made {
  const item = () => ({ sku: random.text(4), price: random.pick([0, 0.1, 19.99, 1e15, -3, random.int(0, 1e6) / 100]), qty: random.once(60) ? 0.5 : random.int(0, 50) });
  return { input: JSON.stringify({ items: random.list(8, item) }) };
}

export function answer({ input }: Request): string {
  const { items }: { items: { price: number; qty: number }[] } = JSON.parse(input);
  const wrong = items.findIndex(({ qty }) => !Number.isInteger(qty));
  if (wrong >= 0) throw new Fail(`/items/${wrong}/qty: not an i32`);
  let count = 0, total = 0;
  for (const { price, qty } of items) {
    count += qty;
    total += price * qty;
  }
  return JSON.stringify({ count, total });
}
