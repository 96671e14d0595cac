import { blake3 } from "../test/blake3.ts";
import { Fail } from "../test/fail.ts";
import type { Json, Made, Random, Request } from "../test/types.ts";

export function make(random: Random): Made {
  const object = () => Object.fromEntries([0, ...random.list(4, () => 0)].map(() => [`k${random.text(3)}`, random.json(3)]));
  return { input: JSON.stringify(random.once(20) ? random.json(2) : object()) };
}

export function answer({ input }: Request): string {
  const document: Json = JSON.parse(input);
  if (document === null || typeof document !== "object" || Array.isArray(document)) throw new Fail("the input is not an object");
  // The input is written without blanks, so a member's source bytes are what it prints as.
  return JSON.stringify(Object.fromEntries(Object.entries(document).map(([name, value]) => [name, `blake3:${blake3(Buffer.from(JSON.stringify(value)))}`])));
}
