// Base64 in its four forms against Node's own.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ascii } from "../bytes.js";
import { decode, encode, formOf } from "../host/base64.js";
import { utf8ToString } from "../text.js";

test("encoding, and decoding what encoding gives", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(3), (bytes, flags) => {
      const form = formOf(flags);
      const text = encode(bytes, form);
      const node = Buffer.from(bytes).toString((flags & 1) === 0 ? "base64" : "base64url").replace(/=+$/, "");
      assert.equal(utf8ToString(text).replace(/=+$/, ""), node);
      assert.equal(text.length, (flags & 2) === 0 ? Math.ceil(bytes.length / 3) * 4 : node.length);
      assert.deepEqual(decode(text, form), bytes);
    }),
  );
});

test("what decodes encodes to the same text", () => {
  const characters = fc.constantFrom(..."AQgw/+-_=Zz9 ");
  fc.assert(
    fc.property(fc.array(characters, { maxLength: 9 }), fc.nat(3), (text, flags) => {
      const form = formOf(flags);
      const bytes = decode(ascii(text.join("")), form);
      if (bytes !== null) assert.equal(utf8ToString(encode(bytes, form)), text.join(""));
    }),
    { numRuns: 20_000 },
  );
});
