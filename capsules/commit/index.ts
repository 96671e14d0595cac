// Commits to each member of a document, so that one member can be shown later and checked against
// its digest while the others stay private.

import { Char, Input, Output, Type, Value, alloc, fail } from "@tenzik/sdk";
import { result_read, text_encode } from "@tenzik/sdk/assembly/abi/core";
import { hash_commit } from "@tenzik/sdk/assembly/abi/hash";
import { json_raw } from "@tenzik/sdk/assembly/abi/json";

export function run(): void {
  const document = Input.root();
  if (document.type != Type.Object) fail("the input is not an object");
  // Room for any member: two bytes for each unit of UTF-16, and then at most three as UTF-8.
  const room = alloc(<usize>Input.length() * 3);
  Output.char(Char.OpenObject);
  for (let i = 0, n = document.length; i < n; i++) {
    Output.comma(i);
    Output.key(document, i);
    Output.raw(':"blake3:');
    digest(document.at(i), room);
    Output.result();
    Output.char(Char.Quote);
  }
  Output.char(Char.CloseObject);
}

// The digest is over the member's source bytes, UTF-8 as the document has them: 1 and 1.0 differ.
function digest(value: Value, room: usize): void {
  const units = json_raw(value.handle);
  result_read(room);
  const len = text_encode(room, units);
  result_read(room);
  hash_commit(room, len);
}
