// A rewritten body.
//
// Enters: a body with its plan (`walk.ts`). Leaves: the body with its counting in it. Refuses: nothing.
//
//   take the frame, look at the stack
//   block of the function's results
//     the code; `return` is a branch out of the block
//   end
//   give the frame back
//   end
//
// The block takes the place of the function's own label, so no branch needs another number.

import { ByteBuilder } from "../bytes.js";
import { Code, putSigned, putU32 } from "./emit.js";
import { type Added, canonicalNan, EMPTY_BLOCK_BYTE, giveFrameBack, lookAtFuel, takeFrame, takeFuel } from "./instrument.js";
import { type Body, type FunctionType, VALUE_TYPE } from "./module.js";
import { OP } from "./opcodes.js";
import type { Change, Walked } from "./walk.js";

export interface Place {
  bytes: Uint8Array;
  added: Added;
  /** The number of the type `() -> results`. */
  resultsType: (results: number[]) => number;
}

export function rewriteBody(place: Place, type: FunctionType, body: Body, walked: Walked): Uint8Array {
  const { bytes, added } = place;
  const floats = [...new Set(walked.changes.flatMap((change) => (change.kind === "nan" ? [change.type] : [])))];
  const code = new Code();
  putU32(code.out, body.localGroups + floats.length);
  code.raw(bytes.subarray(groupsStart(bytes, body), body.code));
  for (const float of floats) code.raw([1, VALUE_TYPE[float]]);
  takeFrame(code, added, walked.frame);
  code.op(OP.block);
  putBlockType(code.out, place, type.results);
  const firstScratch = type.params.length + body.locals;
  putChanged(code, place, body, walked, (float) => firstScratch + floats.indexOf(float));
  giveFrameBack(code, added, walked.frame);
  return code.op(OP.end).out.toBytes();
}

/** The code with its changes, up to and with the function's own `end`, which becomes the block's. */
function putChanged(code: Code, place: Place, body: Body, walked: Walked, scratch: (type: "f32" | "f64") => number): void {
  let at = body.code;
  for (const change of walked.changes) {
    code.raw(place.bytes.subarray(at, change.at));
    putChange(code, place.added, change, walked.costs, scratch);
    at = change.to;
  }
  code.raw(place.bytes.subarray(at, body.end));
}

function putChange(code: Code, added: Added, change: Change, costs: number[], scratch: (type: "f32" | "f64") => number): void {
  switch (change.kind) {
    case "region":
      takeFuel(code, added, costs[change.region] as number);
      if (change.look) lookAtFuel(code, added);
      return;
    case "return":
      return void code.with(OP.br, change.depth);
    case "grow":
      return void code.with(OP.call, added.grow);
    case "bulk":
      return void code.with(OP.call, change.table ? added.payTable : added.payMemory);
    case "nan":
      return canonicalNan(code, change.type, scratch(change.type));
  }
}

/** Where the groups of locals begin, behind their count. */
function groupsStart(bytes: Uint8Array, body: Body): number {
  let at = body.start;
  while ((bytes[at] as number) >= 0x80) at += 1;
  return at + 1;
}

function putBlockType(out: ByteBuilder, place: Place, results: number[]): void {
  if (results.length === 0) out.push(EMPTY_BLOCK_BYTE);
  else if (results.length === 1) out.push(results[0] as number);
  else putSigned(out, BigInt(place.resultsType(results)));
}
