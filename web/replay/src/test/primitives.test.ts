// Text, base64, digests and the keystream against Node's own.

import assert from "node:assert/strict";
import { createCipheriv, createHash, createHmac } from "node:crypto";
import { test } from "node:test";
import { chacha20 } from "@noble/ciphers/chacha.js";
import { blake3 } from "@noble/hashes/blake3.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import fc from "fast-check";
import { fromHex, toHex } from "../bytes.js";
import { Keystream } from "../host/random.js";
import { isUtf8, stringToUtf8, utf16Length, utf16PieceToUtf8, utf16ToUtf8, utf8ToString, utf8ToUtf16 } from "../text.js";

const anyBytes = fc.uint8Array({ maxLength: 200 });
const anyText = fc.string({ unit: "binary", maxLength: 60 });

test("UTF-8 is what a strict decoder takes", () => {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const check = (bytes: Uint8Array): void => {
    let taken = true;
    try {
      decoder.decode(bytes);
    } catch {
      taken = false;
    }
    assert.equal(isUtf8(bytes), taken, toHex(bytes));
  };
  fc.assert(fc.property(anyBytes, check));
  const lead = fc.constantFrom(0x41, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff);
  const rest = fc.constantFrom(0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0);
  fc.assert(fc.property(lead, fc.array(rest, { maxLength: 4 }), (first, more) => check(Uint8Array.from([first, ...more]))), { numRuns: 3000 });
});

test("UTF-16 there and back, however it is cut", () => {
  fc.assert(
    fc.property(anyText, fc.nat(), (text, cut) => {
      const utf8 = stringToUtf8(text);
      const utf16 = utf8ToUtf16(utf8);
      assert.ok(Buffer.from(text, "utf16le").equals(utf16));
      assert.equal(utf16Length(utf8), text.length);
      assert.equal(utf8ToString(utf16ToUtf8(utf16) as Uint8Array), text);
      const at = 2 * (cut % (text.length + 1));
      const first = utf16PieceToUtf8(null, utf16.subarray(0, at));
      assert.ok(first);
      const second = utf16PieceToUtf8(first.held, utf16.subarray(at));
      assert.equal(second?.held, null);
      assert.equal(utf8ToString(first.utf8) + utf8ToString(second.utf8), text);
    }),
  );
});

test("lone surrogates are refused", () => {
  for (const hex of ["00d8", "00dc", "00d84100", "00d800d8", "00dc00d8", "4100 00dc".replace(" ", "")]) {
    assert.equal(utf16ToUtf8(fromHex(hex)), null, hex);
  }
});

test("digests", () => {
  fc.assert(
    fc.property(anyBytes, fc.uint8Array({ maxLength: 100 }), (bytes, key) => {
      assert.equal(toHex(sha256(bytes)), createHash("sha256").update(bytes).digest("hex"));
      assert.equal(toHex(hmac(sha256, key, bytes)), createHmac("sha256", key).update(bytes).digest("hex"));
    }),
  );
  assert.equal(toHex(blake3(new Uint8Array(0))), "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
});

test("the keystream is ChaCha20's, without a gap between calls", () => {
  const key = new Uint8Array(32).fill(7);
  const whole = createCipheriv("chacha20", key, new Uint8Array(16)).update(new Uint8Array(1000));
  assert.ok(whole.equals(chacha20(key, new Uint8Array(12), new Uint8Array(1000))));
  fc.assert(
    fc.property(fc.array(fc.nat(150), { maxLength: 6 }), (counts) => {
      const stream = new Keystream(key);
      const parts = counts.map((count) => Buffer.from(stream.next(count)));
      assert.ok(Buffer.concat(parts).equals(whole.subarray(0, counts.reduce((sum, count) => sum + count, 0))));
    }),
  );
});
