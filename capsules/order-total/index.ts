// Totals of an order: of each line, of all lines, and with a discount and a tax in percent.
//
// Money is counted in whole cents, as integers. A price is read as a binary64 and must be the one
// nearest to some whole number of cents, so 19.99 is 1999 cents and 19.999 is refused. Percentages
// may have two decimals. Discount and tax are rounded to the cent, halves up, once each.

import { Char, Input, Output, Type, Value, fail, failAt } from "@tenzik/sdk";

// The largest amount, 9 trillion and 15 digits in cents: an amount times a rate still fits an i64,
// and an amount divided by 100 still prints with the same two decimals.
// @ts-ignore: decorator
@inline const AMOUNT_MAX: i64 = 900_000_000_000_000;

// 100 percent in hundredths of a percent.
// @ts-ignore: decorator
@inline const WHOLE: i64 = 10_000;

export function run(): void {
  const order = Input.root();
  const items = order.get("items");
  if (!items.is(Type.Array)) fail("items: not an array");

  let pieces: i64 = 0;
  let subtotal: i64 = 0;
  Output.raw('{"lines":[');
  for (let i = 0, n = items.length; i < n; i++) {
    const item = items.at(i);
    const price = hundredths(item.get("price"));
    if (price < 0) failAt("price: not a whole number of cents, item", i);
    const qty = hundredths(item.get("qty"));
    if (qty < 0 || qty % 100) failAt("qty: not a whole number, item", i);
    // In floating point first: the exact product may not fit.
    if (<f64>price * <f64>qty / 100 > <f64>AMOUNT_MAX) tooLarge();
    const amount = price * (qty / 100);
    subtotal += amount;
    pieces += qty / 100;
    if (subtotal > AMOUNT_MAX || pieces > AMOUNT_MAX) tooLarge();
    line(item, amount, i);
  }

  const discount = share(subtotal, order.get("discount_percent"));
  const tax = share(subtotal - discount, order.get("tax_percent"));
  Output.raw('],"count":');
  Output.num(<f64>pieces);
  Output.raw(',"subtotal":');
  money(subtotal);
  Output.raw(',"discount":');
  money(discount);
  Output.raw(',"tax":');
  money(tax);
  Output.raw(',"total":');
  money(subtotal - discount + tax);
  Output.char(Char.CloseObject);
}

function line(item: Value, amount: i64, i: i32): void {
  const sku = item.get("sku");
  if (!sku.is(Type.String)) failAt("sku: not a string, item", i);
  Output.comma(i);
  Output.raw('{"sku":');
  Output.value(sku);
  Output.raw(',"total":');
  money(amount);
  Output.char(Char.CloseObject);
}

// The number times 100, or -1 if that is no whole number from 0 to the largest amount. Dividing back
// gives the same binary64 exactly if the number was the nearest one to those two decimals.
function hundredths(value: Value): i64 {
  if (!value.is(Type.Number)) return -1;
  const number = value.num();
  const whole = nearest(number * 100);
  return whole / 100 == number && whole >= 0 && whole <= <f64>AMOUNT_MAX ? <i64>whole : -1;
}

function share(amount: i64, percent: Value): i64 {
  if (!percent.exists) return 0;
  const rate = hundredths(percent);
  if (rate < 0 || rate > WHOLE) fail("percent: not from 0 to 100 with two decimals");
  return (amount * rate + WHOLE / 2) / WHOLE;
}

function money(cents: i64): void {
  Output.num(<f64>cents / 100);
}

function tooLarge(): void {
  fail("the order is too large");
}
