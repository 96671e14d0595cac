// The next times of a cron expression after the virtual clock, in UTC.
//
// Five fields: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday). Each is a list with commas of
// `*`, `a`, `a-b`, and with a step `*/n`, `a-b/n`. If both days are restricted, either one is enough, as cron has it.

import { fail } from "@tenzik/sdk";
import { time_now_ms } from "@tenzik/sdk/assembly/abi/time";

class Plan {
  expression: string = "";
  /** How many times to give. */
  @optional count: u8 = 1;
}

class Times {
  /** Such as 2024-02-29T12:30:00Z. */
  next: string[] = [];
}

// Whatever comes at all comes within the longest gap between two leap days.
// @ts-ignore: decorator
@inline const DAYS_MAX: i32 = 8 * 366;
// @ts-ignore: decorator
@inline const BLANK: i32 = 32;

let text = "";
let at = 0;
let restricted = false;

export function run(plan: Plan): Times {
  text = plan.expression;
  const minutes = field(0, 59);
  const hours = field(0, 23);
  const days = field(1, 31);
  const byDay = restricted;
  const months = field(1, 12);
  const sundays = field(0, 7);
  const weekdays = sundays | (sundays >> 7);
  const either = byDay && restricted;
  if (at <= text.length) bad();

  const next = new Array<string>(plan.count);
  let found = 0;
  const now = time_now_ms() / 60000 + 1; // the first minute that is wholly after the clock
  let day = <i32>(now / 1440);
  let minute = <i32>(now % 1440);
  for (let last = day + DAYS_MAX; found < next.length; day++, minute = 0) {
    if (day > last) fail("the expression never comes");
    civil(day);
    if (!has(months, month)) continue;
    const dayFits = has(days, dayOfMonth);
    const weekdayFits = has(weekdays, (day + 4) % 7);
    if (either ? !(dayFits || weekdayFits) : !(dayFits && weekdayFits)) continue;
    for (; minute < 1440 && found < next.length; minute++) {
      if (!has(hours, minute / 60) || !has(minutes, minute % 60)) continue;
      next[found++] = print(minute);
      last = day + DAYS_MAX;
    }
  }
  return { next };
}

function has(set: u64, i: i32): bool {
  return <bool>((set >> i) & 1);
}

function bad(): void {
  fail("not a cron expression");
}

// One field as a set of numbers, and what follows it. `restricted` says whether it was not just `*`.
function field(least: i32, most: i32): u64 {
  let set: u64 = 0;
  restricted = false;
  do {
    let from = least, to = most;
    let isRange = true;
    if (peek() == 42) { // *
      at++;
    } else {
      restricted = true;
      from = to = number();
      isRange = peek() == 45; // -
      if (isRange) {
        at++;
        to = number();
      }
    }
    let step = 1;
    if (isRange && peek() == 47) { // /
      at++;
      restricted = true;
      step = number();
    }
    if (from < least || to > most || from > to || step < 1) bad();
    for (; from <= to; from += step) set |= 1 << <u64>from;
  } while (peek() == 44 && at++ >= 0); // ,
  if (at < text.length && peek() != BLANK) bad();
  at++;
  return set;
}

function peek(): i32 {
  return at < text.length ? text.charCodeAt(at) : -1;
}

// One or two digits.
function number(): i32 {
  let value = digit();
  if (value < 0) bad();
  at++;
  const next = digit();
  if (next >= 0) {
    value = value * 10 + next;
    at++;
  }
  return value;
}

function digit(): i32 {
  const value = peek() - 48;
  return <u32>value <= 9 ? value : -1;
}

let year = 0;
let month = 0;
let dayOfMonth = 0;

// The date of a day counted from 1970-01-01. Years begin in March here, so that the leap day comes last.
function civil(day: i32): void {
  const z = day + 719468;
  const era = z / 146097;
  const ofEra = z % 146097;
  const yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36524 - ofEra / 146096) / 365;
  const ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
  const shifted = (5 * ofYear + 2) / 153;
  dayOfMonth = ofYear - (153 * shifted + 2) / 5 + 1;
  month = shifted < 10 ? shifted + 3 : shifted - 9;
  year = era * 400 + yearOfEra + <i32>(month <= 2);
}

function print(minute: i32): string {
  // Four digits are all that a date of RFC 3339 has.
  if (year > 9999) fail("the next time is after the year 9999");
  return padded(year, 4) + "-" + padded(month, 2) + "-" + padded(dayOfMonth, 2) + "T" + padded(minute / 60, 2) + ":" + padded(minute % 60, 2) + ":00Z";
}

function padded(value: i32, width: i32): string {
  const out = changetype<string>(__new(<usize>width << 1, idof<string>()));
  for (; width--; value /= 10) store<u16>(changetype<usize>(out) + (<usize>width << 1), 48 + value % 10);
  return out;
}
