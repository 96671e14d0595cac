// Says to its author what it does. Only `tenzik run --debug` runs it.

import { Input, Output } from "@tenzik/sdk";

export function run(): void {
  const number = Input.root().num();
  if (TENZIK_DEBUG) trace("the number is", 1, number);
  Output.num(number * 2);
}
