import { createCipheriv } from "node:crypto";
import { Fail } from "../test/fail.ts";
import type { Json, Made, Random, Request } from "../test/types.ts";

export function make(random: Random): Made {
  const items = random.list(random.once(10) ? 300 : 12, () => random.json(1));
  const k = random.once(15) ? random.pick([-1, 0.5, items.length + 1, "1"]) : random.int(0, items.length);
  return { input: JSON.stringify({ items, k }), seed: Array.from({ length: 8 }, () => random.bits().toString(16).padStart(8, "0")).join("") };
}

export function answer({ input, seed }: Request): string {
  const { items, k }: { items: Json[]; k: Json } = JSON.parse(input);
  if (typeof k !== "number") throw new Fail("k: not a number");
  if (!Number.isInteger(k) || k < 0 || k > items.length) throw new Fail("k: not a whole number from 0 to the number of items");
  const stream = createCipheriv("chacha20", Buffer.from(seed, "hex"), Buffer.alloc(16)).update(Buffer.alloc(65536));
  let at = 0;
  const drawn = [...items];
  for (let i = 0; i < k; i++) {
    const bound = items.length - i;
    let r;
    do {
      r = stream.readUInt32LE(at);
      at += 4;
    } while (r < 2 ** 32 % bound);
    const there = i + (r % bound);
    [drawn[i], drawn[there]] = [drawn[there], drawn[i]];
  }
  return JSON.stringify({ sample: drawn.slice(0, k), of: items.length });
}
