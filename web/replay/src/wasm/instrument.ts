// The pieces of code that count.
//
// Enters: where the added globals and functions are. Leaves: code that takes fuel, looks at it, takes and gives back
// a frame, and the bodies of the added functions. Refuses: nothing.
//
// What is rare stands in functions of its own, so that a rewritten body stays short: a call is smaller than the work.

import type { Metering } from "../rules.js";
import { Code } from "./emit.js";
import { OP } from "./opcodes.js";

/** Why the rewriting stopped the run: what stands in the global `tenzik:why`. */
export const WHY = { nothing: 0, fuel: 1, stack: 2, memoryRefused: 3 } as const;

/** The numbers of what the rewriting adds. */
export interface Added {
  fuel: number;
  stack: number;
  pages: number;
  why: number;
  stopFuel: number;
  stopStack: number;
  grow: number;
  payMemory: number;
  payTable: number;
}

export const EMPTY_BLOCK_BYTE = 0x40;
const FIRST = 0;
const SECOND = 1;
const NO_MEMORY = -1;

export function takeFuel(code: Code, added: Added, cost: number): void {
  if (cost === 0) return;
  code.with(OP.globalGet, added.fuel).i64(cost).op(OP.i64Sub).with(OP.globalSet, added.fuel);
}

export function lookAtFuel(code: Code, added: Added): void {
  code.with(OP.globalGet, added.fuel).i64(0).op(OP.i64LtS, OP.if, EMPTY_BLOCK_BYTE);
  code.with(OP.call, added.stopFuel).op(OP.end);
}

export function takeFrame(code: Code, added: Added, frame: number): void {
  code.with(OP.globalGet, added.stack).i32(frame).op(OP.i32Sub).with(OP.globalSet, added.stack);
  code.with(OP.globalGet, added.stack).i32(0).op(OP.i32LtS, OP.if, EMPTY_BLOCK_BYTE);
  code.with(OP.call, added.stopStack).op(OP.end);
}

export function giveFrameBack(code: Code, added: Added, frame: number): void {
  code.with(OP.globalGet, added.stack).i32(frame).op(OP.i32Add).with(OP.globalSet, added.stack);
}

/** Puts the canonical NaN in the place of any other: a number is equal to itself, a NaN is not. */
export function canonicalNan(code: Code, type: "f32" | "f64", scratch: number): void {
  const bits = type === "f32" ? [0, 0, 0xc0, 0x7f] : [0, 0, 0, 0, 0, 0, 0xf8, 0x7f];
  code.with(OP.localTee, scratch).op(type === "f32" ? OP.f32Const : OP.f64Const).raw(bits);
  code.with(OP.localGet, scratch).with(OP.localGet, scratch);
  code.op(type === "f32" ? OP.f32Eq : OP.f64Eq, OP.select);
}

/** `() -> ()`: says why, and stops. */
export function stopBody(added: Added, why: number): Code {
  return new Code().i32(why).with(OP.globalSet, added.why).op(OP.unreachable, OP.end);
}

/** `(length) -> length`: pays for a bulk operator, and hands its length on. */
export function payBody(added: Added, shift: number): Code {
  const code = new Code().with(OP.globalGet, added.fuel).with(OP.localGet, FIRST).op(OP.i64ExtendI32U);
  code.i64(shift).op(OP.i64ShrU, OP.i64Sub).with(OP.globalSet, added.fuel);
  lookAtFuel(code, added);
  return code.with(OP.localGet, FIRST).op(OP.end);
}

/** `(pages) -> old size or -1`: looks at the limit, pays, and grows; needs one local of type `i32`. */
export function growBody(added: Added, metering: Metering): Code {
  const code = new Code();
  code.op(OP.memorySize, 0, OP.i64ExtendI32U).with(OP.localGet, FIRST).op(OP.i64ExtendI32U, OP.i64Add);
  code.with(OP.globalGet, added.pages).op(OP.i64GtU, OP.if, EMPTY_BLOCK_BYTE).i32(-1).op(OP.return, OP.end);
  code.with(OP.globalGet, added.fuel).with(OP.localGet, FIRST).op(OP.i64ExtendI32U).i64(metering.growPage);
  code.op(OP.i64Mul, OP.i64Sub).with(OP.globalSet, added.fuel);
  lookAtFuel(code, added);
  code.with(OP.localGet, FIRST).op(OP.memoryGrow, 0).with(OP.localTee, SECOND).i32(NO_MEMORY).op(OP.i32Eq);
  // The limit allowed it, so it is the system that refuses: the capsule must never see this answer.
  code.op(OP.if, EMPTY_BLOCK_BYTE).i32(WHY.memoryRefused).with(OP.globalSet, added.why).op(OP.unreachable, OP.end);
  return code.with(OP.localGet, SECOND).op(OP.end);
}
