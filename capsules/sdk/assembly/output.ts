// The output, appended piece by piece. The host escapes strings and prints numbers, and what it has in
// its result buffer goes out without a way through the capsule's memory.

import { output_json_str, output_num, output_result, output_result_str, output_write } from "./abi/core";
import { json_key, json_raw } from "./abi/json";
import { Value } from "./input";

/** The punctuation of JSON. */
export const enum Char {
  Quote = 34, Comma = 44, Colon = 58, OpenArray = 91, CloseArray = 93, OpenObject = 123, CloseObject = 125,
}

export namespace Output {
  /** Appends JSON text as it is: punctuation, a member name in quotes, a raw value. */
  export function raw(text: string): void {
    output_write(changetype<usize>(text), text.length);
  }

  /** Appends one character of punctuation. A string of one character costs 24 bytes more. */
  export function char(code: Char): void {
    // The compiler leaves the first kilobyte of memory unused; the character passes through there.
    store<u16>(0, <u16>code);
    output_write(0, 1);
  }

  /** Appends a JSON string: quotes around it, escapes in it. */
  export function str(text: string): void {
    output_json_str(changetype<usize>(text), text.length);
  }

  /** Appends a value of the input as it stands there. The caller knows that there is one. */
  export function value(value: Value): void {
    json_raw(value.handle);
    output_result();
  }

  /** Appends a value of the input as it stands there, `null` for none. */
  export function orNull(found: Value): void {
    if (found.exists) value(found);
    else raw("null");
  }

  /** Appends the name of an object's i-th member as a JSON string. The caller knows that there is one. */
  // @ts-ignore: decorator
  @inline export function key(object: Value, i: i32): void {
    json_key(object.handle, i);
    output_result_str();
  }

  /** Appends what the host function before this one gave back, as it is. */
  // @ts-ignore: decorator
  @inline export function result(): void {
    output_result();
  }

  /** Appends what the host function before this one gave back, as a JSON string. */
  // @ts-ignore: decorator
  @inline export function resultStr(): void {
    output_result_str();
  }

  /** Appends a number as JavaScript prints it. */
  // @ts-ignore: decorator
  @inline export function num(value: f64): void {
    output_num(value);
  }

  /** Appends bytes. Only for an input of type `bytes`: its output is bytes too. */
  // @ts-ignore: decorator
  @inline export function bytes(ptr: usize, len: i32): void {
    output_write(ptr, len);
  }

  /** Appends a comma, except before the first of a list. */
  // @ts-ignore: decorator
  @inline export function comma(i: i32): void {
    if (i) char(Char.Comma);
  }
}
