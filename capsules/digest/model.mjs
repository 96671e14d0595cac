import { blake3 } from "../test/blake3.mjs";

/** @type {import("../test/model.js").Make} */
export const make = (random) => ({ input: JSON.stringify(random.text(random.once(10) ? 4000 : 100)) });
/** @type {import("../test/model.js").Answer} */
export const answer = ({ input }) => JSON.stringify(blake3(Buffer.from(JSON.parse(input))));
