// The BLAKE3 digest of a text.

import { blake3, utf8 } from "@tenzik/sdk";

export function run(text: string): string {
  return blake3(utf8(text));
}
