// How a run can end, and how one of our own steps can give up.
//
// Enters: nothing. Leaves: types, and the two things that are thrown. Refuses: nothing.

/** A run's ending as docs/abi.md, "How a run goes", tells them apart. `aborted` is not one of them: see CannotTell. */
export type Ending =
  | { status: "ok"; output: Uint8Array }
  | { status: "failed"; code: string; message: Uint8Array | null }
  | { status: "trapped"; code: TrapCode }
  | { status: "invalid_output" | "out_of_fuel" | "out_of_stack" | "output_too_large" | "too_many_calls" };

export type TrapCode =
  | "conversion"
  | "divide_by_zero"
  | "indirect_call"
  | "integer_overflow"
  | "invalid_argument"
  | "invalid_handle"
  | "invalid_text"
  | "memory"
  | "not_a_number"
  | "not_finite"
  | "number_overflow"
  | "path_invalid"
  | "path_unsupported"
  | "pointer"
  | "table"
  | "too_large"
  | "unreachable";

/** Thrown by a host function to end the run; WebAssembly code without exceptions cannot catch it. */
export class Exit {
  constructor(readonly ending: Ending) {}
}

export function trap(code: TrapCode): Exit {
  return new Exit({ status: "trapped", code });
}

/** Nothing can be said of the claim: not here, not with these bytes, or not by this program. */
export class CannotTell extends Error {
  override readonly name = "CannotTell";
}
