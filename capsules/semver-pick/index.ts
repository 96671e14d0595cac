// Picks from a list of versions those that a range allows, and the highest of them.
//
// A version is `major.minor.patch`, each a whole number without needless zeros, up to 999,999,999. A range is alternatives
// with `||` between them; an alternative is comparators with one blank between them, all of which must hold: `1.2.3` or
// `=1.2.3`, `<`, `<=`, `>`, `>=`, `^` (the leftmost number that is not zero stays), `~` (major and minor stay), or `*`.

import { fail, failAt } from "@tenzik/sdk";

class Order {
  range: string = "";
  versions: string[] = [];
}

class Picked {
  best: string | null = null;
  /** In the order of the list. */
  matching: string[] = [];
}

let text = "";
let at = 0;
const version = new StaticArray<i32>(3);
const bound = new StaticArray<i32>(3);

export function run(order: Order): Picked {
  const matching = new Array<string>();
  let best: string | null = null;
  const highest = new StaticArray<i32>(3);
  for (let i = 0; i < order.versions.length; i++) {
    text = order.versions[i];
    at = 0;
    if (!read(version) || at != text.length) failAt("not a version: versions", i);
    text = order.range;
    at = 0;
    if (!allowed()) continue;
    matching.push(order.versions[i]);
    if (best === null || compare(version, highest) > 0) {
      best = order.versions[i];
      for (let k = 0; k < 3; k++) highest[k] = version[k];
    }
  }
  return { best, matching };
}

// Reads all of the range, so that a mistake behind what decides is still one.
function allowed(): bool {
  let any = false;
  let more: bool;
  do {
    skip(32);
    let all = true;
    do all = holds() && all; while (skip(32) && peek() != 124);
    any = any || all;
    more = at < text.length;
    if (more && !(skip(124) && skip(124))) bad();
  } while (more);
  return any;
}

function holds(): bool {
  if (skip(42)) return true; // *
  const sign = peek();
  let equal = false;
  if (sign == 60 || sign == 62) { // < >
    at++;
    equal = skip(61);
  } else if (sign == 94 || sign == 126 || sign == 61) { // ^ ~ =
    at++;
  }
  if (!read(bound)) bad();
  const order = compare(version, bound);
  if (sign == 60) return order < 0 || (equal && order == 0);
  if (sign == 62) return order > 0 || (equal && order == 0);
  if (sign == 126) return order >= 0 && same(2);
  if (sign == 94) return order >= 0 && same(bound[0] ? 1 : bound[1] ? 2 : 3);
  return order == 0;
}

// Whether the first numbers of both are the same.
function same(count: i32): bool {
  for (let i = 0; i < count; i++) {
    if (version[i] != bound[i]) return false;
  }
  return true;
}

function compare(a: StaticArray<i32>, b: StaticArray<i32>): i32 {
  for (let i = 0; i < 3; i++) {
    if (a[i] != b[i]) return a[i] - b[i];
  }
  return 0;
}

function read(into: StaticArray<i32>): bool {
  for (let i = 0; i < 3; i++) {
    if (i && !skip(46)) return false;
    const from = at;
    let value = 0;
    for (let digit: i32; <u32>(digit = peek() - 48) <= 9; at++) value = value * 10 + digit;
    const length = at - from;
    if (<u32>(length - 1) > 8 || (length > 1 && text.charCodeAt(from) == 48)) return false;
    into[i] = value;
  }
  return true;
}

function peek(): i32 {
  return at < text.length ? text.charCodeAt(at) : -1;
}

function skip(c: i32): bool {
  const found = peek() == c;
  if (found) at++;
  return found;
}

function bad(): void {
  fail("not a range");
}
