// What the `model.mjs` of a capsule exports: the capsule once more, and a maker of inputs.

import type { Random } from "./random.mjs";

/** A run: the text of its input, the virtual clock, the seed in hex digits. */
export interface Request {
  input: string;
  clock_ms: number;
  seed: string;
}

/** Makes a request. Without a clock it is 0, without a seed all zeros. */
export type Make = (random: Random) => Pick<Request, "input"> & Partial<Request>;

/** The text of the output. Throws `Fail` with the message of a run that fails. */
export type Answer = (request: Request) => string;
