// Strings between host and capsule. The host copies text as UTF-16, so a string costs no
// transcoder here: only a length in front of it, where AssemblyScript looks for one.

import { fail_text, result_read } from "./abi/core";

// @ts-ignore: decorator
@inline const BASE: u32 = 10;

/** Memory for `bytes` bytes. It is never given back: a run is short and its memory goes with it. */
// @ts-ignore: decorator
@inline export function alloc(bytes: usize): usize {
  return __alloc(bytes);
}

/** The text in the result buffer as a string; `len` is what the host function returned. */
export function take(len: i32): string {
  const ptr = __new(<usize>len << 1, idof<string>());
  result_read(ptr);
  return changetype<string>(ptr);
}

/** Ends the run as `failed` with this message. */
export function fail(message: string): void {
  fail_text(changetype<usize>(message), message.length);
}

/** What the transform puts before a `throw` with a message. */
// @ts-ignore: decorator
@global function tenzik_throw(message: string): void {
  fail(message);
}

/** Ends the run as `failed` with the message, a blank and the number. */
export function failAt(message: string, number: u32): void {
  const bytes = <usize>message.length << 1;
  // Room for the blank and the ten digits that a u32 can have. It is written from the right.
  const end = alloc(bytes + 22) + bytes + 22;
  let at = end;
  do {
    at -= 2;
    store<u16>(at, 48 + number % BASE);
    number /= BASE;
  } while (number);
  at -= 2;
  store<u16>(at, 32);
  at -= bytes;
  memory.copy(at, changetype<usize>(message), bytes);
  fail_text(at, <i32>((end - at) >> 1));
}
