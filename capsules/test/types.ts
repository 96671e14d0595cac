// The types of the models. The `model.ts` of a capsule exports `make(random: Random): Made`, a maker of inputs, and the capsule
// once more: `answer(request: Request): string` gives the text of the output, and throws `Fail` with the message of a run that fails.

import type { Random } from "./random.ts";

export type { Random };

/** Any JSON value. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** A run: the text of its input, the virtual clock, the seed in hex digits. */
export interface Request {
  input: string;
  clock_ms: number;
  seed: string;
}

/** What `make` gives. Without a clock it is 0, without a seed all zeros. */
export type Made = Pick<Request, "input"> & Partial<Request>;
