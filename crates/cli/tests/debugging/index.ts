// Shares a hundred among so many. It fails on lines that the tests know: 12 below zero, 13 for nobody.

import { Input, Output } from "@tenzik/sdk";

export function run(): void {
  const among = <i32>Input.root().num();
  if (among > 20) Output.num(<f64>(share(9) + share(11)));
  else Output.num(<f64>(share(among) + share(among + 1)));
}

function share(among: i32): i32 {
  if (among < 0) unreachable();
  const each: i32 = 100 / among;
  for (let i = 0; i < each; i++) if (each % (i + 1) == among) return i;
  return each;
}
