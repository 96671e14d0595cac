// Takes the discounts of a list of rules off an order, in whole cents. Each rule is applied to what the rules before it
// have left, and none takes more than is there.

import { failAt } from "@tenzik/sdk";

class Item {
  sku: string = "";
  price_cents: u32 = 0;
  qty: u16 = 0;
}

/** What a rule is about: told by its `type`. */
@union("type") abstract class Rule {}

/** Percent off every item, or off those of one sku; half a cent is rounded up. */
@tag("percent") class Percent extends Rule {
  percent: u8 = 0;
  @optional sku: string | null = null;
}

/** So many cents off an order of at least so many. */
@tag("amount") class Amount extends Rule {
  cents: u32 = 0;
  @optional from_cents: u32 = 0;
}

/** Of so many pieces of a sku only so many are paid. */
@tag("bundle") class Bundle extends Rule {
  sku: string = "";
  pieces: u16 = 0;
  pay: u16 = 0;
}

class Order {
  items: Item[] = [];
  rules: Rule[] = [];
}

class Price {
  subtotal_cents: i64 = 0;
  /** What each rule takes off, in the order of the rules. */
  discounts_cents: i64[] = [];
  total_cents: i64 = 0;
}

export function run(order: Order): Price {
  const subtotal = sum(order, null);
  const discounts = new Array<i64>(order.rules.length);
  let left = subtotal;
  for (let i = 0; i < order.rules.length; i++) {
    const discount = min(left, off(order, order.rules[i], left, i));
    discounts[i] = discount;
    left -= discount;
  }
  return { subtotal_cents: subtotal, discounts_cents: discounts, total_cents: left };
}

function off(order: Order, rule: Rule, left: i64, i: i32): i64 {
  if (rule instanceof Percent) {
    const percent = rule as Percent;
    if (percent.percent > 100) failAt("more than all of it: rule", i);
    const base = percent.sku === null ? left : sum(order, percent.sku);
    return (base * percent.percent + 50) / 100;
  }
  if (rule instanceof Amount) {
    const amount = rule as Amount;
    return left >= <i64>amount.from_cents ? amount.cents : 0;
  }
  const bundle = rule as Bundle;
  if (!bundle.pieces || bundle.pay > bundle.pieces) failAt("a bundle of nothing, or dearer than its pieces: rule", i);
  let discount: i64 = 0;
  for (let k = 0; k < order.items.length; k++) {
    const item = order.items[k];
    if (item.sku == bundle.sku) discount += <i64>(item.qty / bundle.pieces) * (bundle.pieces - bundle.pay) * item.price_cents;
  }
  return discount;
}

// What a percentage of still fits an i64. One item is at most 2^48.
const CENTS_MAX: i64 = 1 << 56;

// Of all items, or of those of one sku.
function sum(order: Order, sku: string | null): i64 {
  let cents: i64 = 0;
  for (let i = 0; i < order.items.length; i++) {
    const item = order.items[i];
    if (sku === null || item.sku == sku) cents += <i64>item.price_cents * item.qty;
    if (cents > CENTS_MAX) failAt("more than 2^56 cents: item", i);
  }
  return cents;
}
