// The keystream behind `random_bytes`.
//
// Enters: a seed. Leaves: the next bytes of ChaCha20 (RFC 8439) with nonce 0 and the block counter from 0, without a
// gap between calls. Refuses: to go beyond the last block, where RFC 8439 ends.

import { chacha20 } from "@noble/ciphers/chacha.js";
import { CannotTell } from "../outcome.js";

const BLOCK_BYTES = 64;
const NONCE_BYTES = 12;
const BLOCKS_MAX = 2 ** 32;

export class Keystream {
  readonly #nonce = new Uint8Array(NONCE_BYTES);
  #position = 0;

  constructor(readonly key: Uint8Array) {}

  next(count: number): Uint8Array {
    const block = Math.floor(this.#position / BLOCK_BYTES);
    const skipped = this.#position - block * BLOCK_BYTES;
    if (block + Math.ceil((skipped + count) / BLOCK_BYTES) > BLOCKS_MAX) {
      throw new CannotTell("more random bytes than RFC 8439 has for one key");
    }
    this.#position += count;
    return chacha20(this.key, this.#nonce, new Uint8Array(skipped + count), undefined, block).subarray(skipped);
  }
}
