import { Fail } from "../test/fail.ts";
import type { Made, Random, Request } from "../test/types.ts";

/** The least and the most of a field. */
type Range = [least: number, most: number];
/** The values that a field names, and whether it names all. */
type Field = { set: Set<number>; free: boolean };

// The last millisecond that has a date of four digits, and how long it takes until the days of the week come again.
const LAST_MS = 253_402_300_799_999, CYCLE_MS = 146_097 * 86_400_000;
const RANGES: Range[] = [[0, 59], [0, 23], [1, 31], [1, 12], [0, 7]];

export function make(random: Random): Made {
  const field = ([least, most]: Range) => {
    if (random.once(2)) return random.once(4) ? `*/${random.int(1, 20)}` : "*";
    const one = () => {
      const a = random.int(least, most), b = random.int(least, most);
      const range = random.once(3) ? `${Math.min(a, b)}-${Math.max(a, b)}` : `${a}`;
      return range.includes("-") && random.once(2) ? `${range}/${random.int(1, 9)}` : range;
    };
    return [one(), ...random.list(2, one)].join(",");
  };
  let expression = RANGES.map(field).join(" ");
  if (random.once(8)) expression = random.pick(["", "* * * *", "* * * * * *", "60 * * * *", "5-1 * * * *", "*/0 * * * *", "1/2 * * * *", "* *  * * *", "a * * * *", "1, * * * *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", " * * * * *", "* * * * * ", "001 * * * *", "* * 0 * *", "0 0 29 2 *"]);
  return { input: JSON.stringify({ expression, ...(random.once(2) ? { count: random.int(0, 4) } : {}) }), clock_ms: clock(random) };
}

function clock(random: Random): number {
  if (!random.once(8)) return random.int(0, 4_102_444_800_000);
  return random.pick([LAST_MS - random.int(0, 400 * 86_400_000), LAST_MS + random.int(-200_000, 1), random.int(LAST_MS, Number.MAX_SAFE_INTEGER), Number.MAX_SAFE_INTEGER]);
}

function parse(text: string, [least, most]: Range): Field {
  const set = new Set<number>();
  for (const part of text.split(",")) {
    const found = /^(?:(\*)|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(part);
    if (!found) throw new Fail("not a cron expression");
    const [, star, a, b, n] = found;
    if (n !== undefined && star === undefined && b === undefined) throw new Fail("not a cron expression");
    const from = star ? least : Number(a), to = star ? most : Number(b ?? a), step = n === undefined ? 1 : Number(n);
    if (from < least || to > most || from > to || step < 1) throw new Fail("not a cron expression");
    for (let i = from; i <= to; i += step) set.add(i);
  }
  return { set, free: text.split(",").every((part) => part === "*") };
}

export function answer({ input, clock_ms }: Request): string {
  const { expression, count = 1 }: { expression: string; count?: number } = JSON.parse(input);
  const texts = expression.split(" ");
  if (texts.length !== 5) throw new Fail("not a cron expression");
  const [minutes, hours, days, months, weekdays] = texts.map((text, i) => parse(text, RANGES[i]));
  const next: string[] = [];
  // A Date ends before the clock does.
  const cycles = Math.max(0, Math.floor((clock_ms - LAST_MS) / CYCLE_MS));
  const date = new Date((Math.floor((clock_ms - cycles * CYCLE_MS) / 60000) + 1) * 60000);
  const limit = 8 * 366 * 86_400_000;
  let last = Math.floor(date.getTime() / 86_400_000) * 86_400_000 + limit;
  while (next.length < count) {
    if (Math.floor(date.getTime() / 86_400_000) * 86_400_000 > last) throw new Fail("the expression never comes");
    const weekday = date.getUTCDay();
    const byDay = days.set.has(date.getUTCDate());
    const byWeekday = weekdays.set.has(weekday) || (weekday === 0 && weekdays.set.has(7));
    const fits = months.set.has(date.getUTCMonth() + 1) && (!days.free && !weekdays.free ? byDay || byWeekday : byDay && byWeekday);
    if (!fits) {
      date.setUTCHours(24, 0, 0, 0);
    } else if (!hours.set.has(date.getUTCHours())) {
      date.setUTCHours(date.getUTCHours() + 1, 0, 0, 0);
    } else {
      if (minutes.set.has(date.getUTCMinutes())) {
        if (date.getTime() > LAST_MS) throw new Fail("the next time is after the year 9999");
        next.push(date.toISOString().replace(".000", ""));
        last = Math.floor(date.getTime() / 86_400_000) * 86_400_000 + limit;
      }
      date.setUTCMinutes(date.getUTCMinutes() + 1);
    }
  }
  return JSON.stringify({ next });
}
