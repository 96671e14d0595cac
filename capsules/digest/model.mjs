import { blake3 } from "../test/blake3.mjs";

export const make = (random) => ({ input: JSON.stringify(random.text(random.once(10) ? 4000 : 100)) });
export const answer = ({ input }) => JSON.stringify(blake3(Buffer.from(JSON.parse(input))));
