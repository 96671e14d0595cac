import { blake3 } from "../test/blake3.ts";
import type { Made, Random, Request } from "../test/types.ts";

export const make = (random: Random): Made => ({ input: JSON.stringify(random.text(random.once(10) ? 4000 : 100)) });
export const answer = ({ input }: Request): string => JSON.stringify(blake3(Buffer.from(JSON.parse(input))));
