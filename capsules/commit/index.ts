// Commits to each member of a document, so that one member can be shown later and checked against
// its digest while the others stay private.

import { Char, Input, Output, Type, Value, alloc, fail, take } from "@tenzik/sdk";
import { result_read, text_encode } from "@tenzik/sdk/assembly/abi/core";
import { hash_commit } from "@tenzik/sdk/assembly/abi/hash";

export function run(): void {
  const document = Input.root();
  if (document.type != Type.Object) fail("the input is not an object");
  Output.char(Char.OpenObject);
  for (let i = 0, n = document.length; i < n; i++) {
    Output.comma(i);
    Output.str(document.key(i));
    Output.raw(':"blake3:');
    Output.raw(digest(document.at(i)));
    Output.char(Char.Quote);
  }
  Output.char(Char.CloseObject);
}

// The digest is over the member's source bytes, UTF-8 as the document has them: 1 and 1.0 differ.
function digest(value: Value): string {
  const source = value.raw();
  const len = text_encode(changetype<usize>(source), source.length);
  const bytes = alloc(len);
  result_read(bytes);
  return take(hash_commit(bytes, len));
}
