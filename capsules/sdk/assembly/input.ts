// The input, read through handles. `Value` is a handle in the clothes of a class: it lives in a
// register, and every method is the host call it names.

import { input_len, input_read } from "./abi/core";
import { json_at, json_get, json_key, json_len, json_num, json_raw, json_str, json_type } from "./abi/json";
import { alloc, take } from "./text";

/** What `Value.type` gives. */
export const enum Type { Null, False, True, Number, String, Array, Object }

export namespace Input {
  /** The whole JSON input. Its handle is 0 by definition, so this costs no call. */
  // @ts-ignore: decorator
  @inline export function root(): Value {
    return changetype<Value>(0);
  }

  /** Length of the input, in bytes if the input type is `bytes`. */
  // @ts-ignore: decorator
  @inline export function length(): i32 {
    return input_len();
  }

  /** Copies an input of type `bytes` into fresh memory and gives its address. A zero byte follows it. */
  // @ts-ignore: decorator
  @inline export function bytes(): usize {
    // Memory is handed out once only, so what nobody wrote is zero.
    const ptr = alloc(input_len() + 1);
    input_read(ptr);
    return ptr;
  }
}

/**
 * A value of the JSON input, or none. Only `exists`, `is` and `get` may be asked of none:
 * all else traps with `invalid_handle`.
 */
@unmanaged export class Value {
  /** No value. */
  // @ts-ignore: decorator
  @inline static get none(): Value { return changetype<Value>(-1); }

  /** The host's number for this value; -1 for none. */
  // @ts-ignore: decorator
  @inline get handle(): i32 { return <i32>changetype<usize>(this); }

  // @ts-ignore: decorator
  @inline get exists(): bool { return this.handle != -1; }

  // @ts-ignore: decorator
  @inline get type(): Type { return json_type(this.handle); }

  /** Whether this is a value of that type. False for none. */
  is(type: Type): bool { return this.exists && this.type == type; }

  /** Elements of an array or members of an object; -1 for anything else. */
  // @ts-ignore: decorator
  @inline get length(): i32 { return json_len(this.handle); }

  /** The member of that name, or none. None has no members, so calls can be chained. */
  get(key: string): Value {
    if (!this.exists) return this;
    return changetype<Value>(json_get(this.handle, changetype<usize>(key), key.length));
  }

  /** The i-th element of an array, or the value of an object's i-th member, or none. */
  // @ts-ignore: decorator
  @inline at(i: i32): Value {
    return changetype<Value>(json_at(this.handle, i));
  }

  /** The name of an object's i-th member. The caller knows that there is one. */
  // @ts-ignore: decorator
  @inline key(i: i32): string {
    return take(json_key(this.handle, i));
  }

  /** The unescaped string. The caller knows that it is one. */
  // @ts-ignore: decorator
  @inline str(): string {
    return take(json_str(this.handle));
  }

  /** The value as it stands in the input, to the byte. */
  // @ts-ignore: decorator
  @inline raw(): string {
    return take(json_raw(this.handle));
  }

  /** The number. Traps with `not_a_number` if it is none. */
  // @ts-ignore: decorator
  @inline num(): f64 {
    return json_num(this.handle);
  }
}
