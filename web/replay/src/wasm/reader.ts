// The numbers and names of the WebAssembly binary format.
//
// Enters: bytes. Leaves: integers, names, sub-ranges. Refuses: what is cut off, LEB128 numbers of more bytes or bits
// than their type has, names that are not UTF-8. Every read moves forward, so no input can make it hang.

import { CannotTell } from "../outcome.js";
import { isUtf8, utf8ToString } from "../text.js";

/** Why a module is not taken. It is no verdict on the claim. */
export class BadModule extends CannotTell {
  constructor(what: string, offset: number) {
    super(`the module is no capsule: ${what} at byte ${offset}`);
  }
}

export class Reader {
  constructor(
    readonly bytes: Uint8Array,
    public position = 0,
    readonly end = bytes.length,
  ) {}

  get atEnd(): boolean {
    return this.position >= this.end;
  }

  fail(what: string): never {
    throw new BadModule(what, this.position);
  }

  byte(): number {
    const byte = this.position < this.end ? this.bytes[this.position] : undefined;
    if (byte === undefined) this.fail("unexpected end");
    this.position += 1;
    return byte;
  }

  skip(count: number): void {
    if (count > this.end - this.position) this.fail("unexpected end");
    this.position += count;
  }

  /** An unsigned 32-bit LEB128 number; more bytes than needed are fine, more than five are not. */
  u32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.byte();
      if (shift === 28 && byte > 0x0f) this.fail("a number beyond 32 bits");
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return this.fail("a number of too many bytes");
  }

  /** A signed LEB128 number of so many bits, 32, 33 or 64. */
  signed(bits: number): bigint {
    let value = 0n;
    for (let shift = 0; shift < bits; shift += 7) {
      const byte = this.byte();
      value |= BigInt(byte & 0x7f) << BigInt(shift);
      if (byte >= 0x80) continue;
      // The last byte's spare bits must repeat the sign, else the number does not fit.
      const spread = BigInt.asIntN(shift + 7, value);
      if (BigInt.asIntN(bits, spread) !== spread) this.fail(`a number beyond ${bits} bits`);
      return spread;
    }
    return this.fail("a number of too many bytes");
  }

  /** A part of so many bytes, which is passed over here. */
  part(length: number): Reader {
    const start = this.position;
    this.skip(length);
    return new Reader(this.bytes, start, start + length);
  }

  name(): string {
    const part = this.part(this.u32());
    const bytes = this.bytes.subarray(part.position, part.end);
    if (!isUtf8(bytes)) this.fail("a name that is not UTF-8");
    return utf8ToString(bytes);
  }

  /** A list: its count, which cannot be more than the bytes that are left, and its items. */
  list<Item>(read: (index: number) => Item): Item[] {
    const count = this.u32();
    if (count > this.end - this.position) this.fail("a list longer than what is left");
    const items: Item[] = [];
    for (let i = 0; i < count; i++) items.push(read(i));
    return items;
  }
}
