// The frame around each host call.
//
// Enters: a call from a capsule. Leaves: what its function gives. Refuses, in the order of docs/abi.md, "Price of host
// work": the call count, the base price, memory ranges, the price by size, arguments, caps.

import { Exit, trap } from "../outcome.js";
import type { ImportRule } from "../rules.js";
import { isUtf8, utf16Length, utf16ToUtf8 } from "../text.js";
import type { Host } from "./host.js";

/** A place in the capsule's memory that was seen to lie within it. */
export interface Range {
  start: number;
  end: number;
}

export class Call {
  constructor(
    readonly host: Host,
    readonly rule: ImportRule,
  ) {}

  /** Counts the call and takes its base price. */
  begin(): void {
    const { host, rule } = this;
    host.callsTotal += 1;
    host.calls.set(rule.name, (host.calls.get(rule.name) ?? 0) + 1);
    if (host.callsTotal > host.request.limits.hostCalls) throw new Exit({ status: "too_many_calls" });
    host.charge(rule.base);
  }

  /** Takes the function's own price for so many bytes. */
  chargeBytes(count: number): void {
    this.host.charge(count * this.rule.byte);
  }

  range(pointer: number, count: number): Range {
    const start = pointer >>> 0;
    const end = start + count;
    if (end > this.host.memory.buffer.byteLength) throw trap("pointer");
    return { start, end };
  }

  bytesRange(pointer: number, length: number): Range {
    return this.range(pointer, length >>> 0);
  }

  textRange(pointer: number, units: number): Range {
    return this.range(pointer, (units >>> 0) * this.host.textUnitBytes);
  }

  payloadRange(pointer: number, length: number): Range {
    return this.host.isUtf16Payload ? this.textRange(pointer, length) : this.bytesRange(pointer, length);
  }

  /** The memory there. It is the memory itself: what is kept beyond the call must be copied. */
  view({ start, end }: Range): Uint8Array {
    return new Uint8Array(this.host.memory.buffer, start, end - start);
  }

  /** The text there as UTF-8; like `view`, it may be the memory itself. */
  text(range: Range): Uint8Array {
    const bytes = this.view(range);
    if (this.host.textUnitBytes === 1) {
      if (!isUtf8(bytes)) throw trap("invalid_text");
      return bytes;
    }
    const utf8 = utf16ToUtf8(bytes);
    if (utf8 === null) throw trap("invalid_text");
    return utf8;
  }

  /** Puts text into the result buffer; gives its length in code units. */
  giveText(utf8: Uint8Array): number {
    this.host.setResult({ isText: true, bytes: utf8 });
    return this.host.textUnitBytes === 1 ? utf8.length : utf16Length(utf8);
  }

  giveBytes(bytes: Uint8Array): number {
    this.host.setResult({ isText: false, bytes });
    return bytes.length;
  }

  giveNothing(): number {
    this.host.clearResult();
    return -1;
  }

  /** Any output but the other half of a held surrogate is refused. */
  checkNothingHeld(): void {
    if (this.host.held !== null) throw trap("invalid_text");
  }
}

/** A host function's work, after the call was counted and its base price taken. Numbers come as WebAssembly gives them:
 * an `i32` signed, an `f64` as it is. */
export type Work = (call: Call, ...args: number[]) => number | bigint | undefined | void;
