// V8's words for traps, as the codes of docs/abi.md.
//
// Enters: what was thrown out of WebAssembly code. Leaves: a trap code. Refuses: whatever it does not know: the run then
// says nothing about the claim.

import { CannotTell, type TrapCode } from "./outcome.js";

/** The messages of V8's `wasm` traps (src/common/message-template.h). Older and newer wordings stand side by side. */
const CODES = new Map<string, TrapCode>([
  ["unreachable", "unreachable"],
  ["memory access out of bounds", "memory"],
  ["divide by zero", "divide_by_zero"],
  ["remainder by zero", "divide_by_zero"],
  ["divide result unrepresentable", "integer_overflow"],
  ["float unrepresentable in integer range", "conversion"],
  ["table index is out of bounds", "table"],
  ["table access out of bounds", "table"],
  ["table index out of bounds", "table"],
  ["table or element segment out of bounds", "table"],
  ["element segment out of bounds", "table"],
  ["null function or function signature mismatch", "indirect_call"],
  ["null function", "indirect_call"],
  ["function signature mismatch", "indirect_call"],
]);

export function trapCode(thrown: unknown): TrapCode {
  if (thrown instanceof WebAssembly.RuntimeError) {
    const code = CODES.get(thrown.message);
    if (code !== undefined) return code;
    throw new CannotTell(`the engine trapped in words that are not known here: ${thrown.message}`);
  }
  if (thrown instanceof RangeError) throw new CannotTell(`the engine's own stack or memory is used up: ${thrown.message}`);
  throw new CannotTell(`the run ended in an error of this program: ${String(thrown)}`);
}
