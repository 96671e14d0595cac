// Writing the WebAssembly binary format.
//
// Enters: numbers, names, pieces of code. Leaves: bytes. Refuses: nothing; what is written here is written by us.

import { ByteBuilder } from "../bytes.js";
import { OP } from "./opcodes.js";
import { stringToUtf8 } from "../text.js";

export function putU32(out: ByteBuilder, value: number): void {
  let rest = value;
  while (rest >= 0x80) {
    out.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  out.push(rest);
}

export function putSigned(out: ByteBuilder, value: bigint): void {
  let rest = value;
  for (;;) {
    const byte = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && byte < 0x40) || (rest === -1n && byte >= 0x40)) return out.push(byte);
    out.push(byte | 0x80);
  }
}

export function putName(out: ByteBuilder, name: string): void {
  const bytes = stringToUtf8(name);
  putU32(out, bytes.length);
  out.append(bytes);
}

/** Code, one instruction after the other; each method puts one. */
export class Code {
  readonly out = new ByteBuilder();

  op(...opcodes: number[]): this {
    this.out.append(opcodes);
    return this;
  }

  with(opcode: number, index: number): this {
    this.out.push(opcode);
    putU32(this.out, index);
    return this;
  }

  i32(value: number): this {
    this.out.push(OP.i32Const);
    putSigned(this.out, BigInt(value));
    return this;
  }

  i64(value: number): this {
    this.out.push(OP.i64Const);
    putSigned(this.out, BigInt(value));
    return this;
  }

  raw(bytes: ArrayLike<number>): this {
    this.out.append(bytes);
    return this;
  }
}
