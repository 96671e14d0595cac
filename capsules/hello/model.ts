import type { Made, Random, Request } from "../test/types.ts";

export const make = (random: Random): Made => ({ input: JSON.stringify(random.text(20)) });
export const answer = ({ input }: Request): string => JSON.stringify(`Hello, ${JSON.parse(input)}!`);
