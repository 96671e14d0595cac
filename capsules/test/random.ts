// Numbers to make inputs from: the same for the same seed. Not for anything secret.

import type { Json } from "./types.ts";

export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** 32 bits: the generator mulberry32. */
  bits(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** A whole number from `least` to `most`. */
  int(least: number, most: number): number {
    return least + Math.floor((this.bits() / 2 ** 32) * (most - least + 1));
  }

  /** True once in `n` times. */
  once(n: number): boolean {
    return this.int(1, n) === 1;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.int(0, list.length - 1)];
  }

  list<T>(most: number, make: (_: unknown, i: number) => T): T[] {
    return Array.from({ length: this.int(0, most) }, make);
  }

  /** A text of these characters, or of some that are awkward. */
  text(most: number, alphabet: readonly string[] = ["a", "b", "Z", "0", "9", " ", "é", "€", "😀", '"', "\\", "\n", "\u0000", "\u001f", "/", "~", "|", ",", "="]) {
    return this.list(most, () => this.pick(alphabet)).join("");
  }

  /** An array or an object, as `json` has them. */
  container(depth = 4): Json {
    return this.json(depth, 5);
  }

  /** A JSON value. Names that look like numbers are left out: JavaScript moves them. */
  json(depth = 4, least = 0): Json {
    switch (this.int(least, depth > 0 ? 7 : 4)) {
      case 0: return null;
      case 1: return this.once(2);
      case 2: return this.pick([0, 1, -1, 0.5, 1e21, 5e-324, -1.7976931348623157e308, 123456789.125, this.int(-1000, 1000)]);
      case 3: case 4: return this.text(6);
      case 5: return this.list(4, () => this.json(depth - 1));
      default: return Object.fromEntries(this.list(4, () => [`k${this.text(2)}`, this.json(depth - 1)]));
    }
  }
}
