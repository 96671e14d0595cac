import type { Made, Random, Request } from "../test/types.ts";

export const make = (random: Random): Made => ({ input: random.text(random.once(10) ? 3000 : 60) });

export function answer({ input }: Request): string {
  let crc = -1;
  for (const byte of Buffer.from(input)) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return JSON.stringify({ crc32: (~crc >>> 0).toString(16).padStart(8, "0") });
}
