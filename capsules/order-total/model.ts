import { Fail } from "../test/fail.ts";
import type { Made, Random, Request } from "../test/types.ts";

export function make(random: Random): Made {
  const money = () => random.pick([0, 0.1, 19.99, 9e12, random.int(0, 1e7) / 100, random.int(0, 1e7) / 100, random.once(20) ? 1.005 : 1]);
  const item = () => ({ sku: random.text(5), price: money(), qty: random.once(40) ? 1.5 : random.int(0, 30) });
  const percent = () => random.pick([0, 100, 19, 7.5, random.int(0, 10000) / 100, random.once(20) ? 100.01 : 5]);
  return { input: JSON.stringify({ items: random.list(6, item), ...(random.once(2) ? { discount_percent: percent() } : {}), ...(random.once(2) ? { tax_percent: percent() } : {}) }) };
}

interface Order {
  items: { sku: string; price: number; qty: number }[];
  discount_percent?: number;
  tax_percent?: number;
}

const MOST = 900_000_000_000_000n;

// Money goes by its decimal text here, not by binary fractions. None if it has more than two decimals.
function hundredths(number: number): bigint | undefined {
  const found = /^(\d+)(?:\.(\d{1,2}))?$/.exec(String(number));
  if (!found) return undefined;
  const cents = BigInt(found[1]) * 100n + BigInt((found[2] ?? "").padEnd(2, "0"));
  return cents <= MOST ? cents : undefined;
}

const print = (cents: bigint) => Number(`${cents / 100n}.${String(cents % 100n).padStart(2, "0")}`);

export function answer({ input }: Request): string {
  const { items, discount_percent, tax_percent }: Order = JSON.parse(input);
  let count = 0n, subtotal = 0n;
  const lines = items.map(({ sku, price, qty }, i) => {
    const cents = hundredths(price);
    if (cents === undefined) throw new Fail(`price: not a whole number of cents, item ${i}`);
    if (!Number.isInteger(qty)) throw new Fail(`qty: not a whole number, item ${i}`);
    const amount = cents * BigInt(qty);
    subtotal += amount;
    count += BigInt(qty);
    if (subtotal > MOST) throw new Fail("the order is too large");
    return { sku, total: print(amount) };
  });
  const share = (amount: bigint, percent: number | undefined) => {
    if (percent === undefined) return 0n;
    const rate = hundredths(percent);
    if (rate === undefined || rate > 10000n) throw new Fail("percent: not from 0 to 100 with two decimals");
    return (amount * rate + 5000n) / 10000n;
  };
  const discount = share(subtotal, discount_percent);
  const tax = share(subtotal - discount, tax_percent);
  return JSON.stringify({ lines, count: Number(count), subtotal: print(subtotal), discount: print(discount), tax: print(tax), total: print(subtotal - discount + tax) });
}
