// Draws k of n items without replacement, every ordered choice equally likely. The same seed draws
// the same items, so anyone can run the draw again.
//
// The draw is a Fisher-Yates shuffle that stops after k steps. Step i swaps position i with one of
// the n - i positions from i on; its number is r mod (n - i) for r of 32 bits, little-endian, from
// the keystream. An r below 2^32 mod (n - i) is thrown away, or small numbers would come up more often.

import { Input, Output, Type, alloc, fail } from "@tenzik/sdk";
import { random_bytes } from "@tenzik/sdk/assembly/abi/random";

export function run(): void {
  const input = Input.root();
  const items = input.get("items");
  const count = input.get("k");
  if (!items.is(Type.Array)) fail("items: not an array");
  if (!count.is(Type.Number)) fail("k: not a number");
  const n = items.length;
  const wanted = count.num();
  if (!(wanted >= 0 && wanted <= n && trunc(wanted) == wanted)) {
    fail("k: not a whole number from 0 to the number of items");
  }

  const k = <i32>wanted;
  const positions = alloc(<usize>n << 2);
  for (let i = 0; i < n; i++) store<u32>(positions + (i << 2), i);
  Output.raw('{"sample":[');
  for (let i = 0; i < k; i++) {
    const here = positions + (i << 2);
    const there = here + (below(n - i) << 2);
    const drawn = load<u32>(there);
    store<u32>(there, load<u32>(here));
    Output.comma(i);
    Output.value(items.at(drawn));
  }
  Output.raw('],"of":');
  Output.num(n);
  Output.raw("}");
}

// An unbiased number from 0 to bound - 1.
function below(bound: u32): u32 {
  const rejected: u32 = (0 - bound) % bound;
  // Address 0 is free for a moment: the compiler leaves the first kilobyte unused.
  do random_bytes(0, 4); while (load<u32>(0) < rejected);
  return load<u32>(0) % bound;
}
