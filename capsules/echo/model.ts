import type { Made, Random, Request } from "../test/types.ts";

export const make = (random: Random): Made => ({ input: `${random.pick(["", " ", "\n"])}${JSON.stringify(random.once(4) ? random.json(1) : random.container(4))}` });
export const answer = ({ input }: Request): string => input;
