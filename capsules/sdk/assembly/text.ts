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
  const bytes = <usize>len << 1;
  // The layout of a managed object: its size stands in the four bytes before its content.
  const ptr = alloc(bytes + sizeof<u32>()) + sizeof<u32>();
  store<u32>(ptr - sizeof<u32>(), <u32>bytes);
  result_read(ptr);
  return changetype<string>(ptr);
}

/** Ends the run as `failed` with this message. */
export function fail(message: string): void {
  fail_text(changetype<usize>(message), message.length);
}

/** Ends the run as `failed` with the message, a blank and the number. */
export function failAt(message: string, number: u32): void {
  const bytes = <usize>message.length << 1;
  // Room for the blank and the ten digits a u32 can have. The digits come last one first, so they
  // are written from the right.
  const buffer = alloc(bytes + 22);
  let end = buffer + bytes + 2;
  for (let rest = number / BASE; rest; rest /= BASE) end += 2;
  let at = end;
  do {
    store<u16>(at, 48 + number % BASE);
    at -= 2;
    number /= BASE;
  } while (number);
  store<u16>(at, 32);
  memory.copy(buffer, changetype<usize>(message), bytes);
  fail_text(buffer, <i32>((end + 2 - buffer) >> 1));
}
