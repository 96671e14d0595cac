// The published vectors of strict JSON, numbers, strings and paths, tests/vectors/json.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, toHex } from "../bytes.js";
import { parseDocument } from "../json/document.js";
import { parseQuery } from "../json/query.js";
import { unescape } from "../json/scan.js";
import { select } from "../json/select.js";
import { formatNumber, parseNumber, quoted } from "../json/value.js";
import { Exit } from "../outcome.js";
import { stringToUtf8, utf8ToString } from "../text.js";
import { repositoryJson, RULES } from "./support.js";

interface Source {
  text?: string;
  hex?: string;
  repeat?: [string, number][];
}

function sourceOf(source: Source): Uint8Array {
  if (source.hex !== undefined) return fromHex(source.hex);
  return stringToUtf8(source.text ?? (source.repeat ?? []).map(([piece, count]) => piece.repeat(count)).join(""));
}

function cases<Case>(file: string): Case[] {
  return repositoryJson<{ cases: Case[] }>(`tests/vectors/json/${file}.json`).cases;
}

function bits(value: number): string {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  return toHex(bytes);
}

test("strict JSON", () => {
  for (const given of cases<Source & { name: string; accept: boolean }>("strict")) {
    assert.equal(parseDocument(sourceOf(given), RULES.limits) !== null, given.accept, given.name);
  }
});

test("numbers", () => {
  for (const given of cases<Source & { bits?: string; printed?: string; error?: string }>("numbers")) {
    const source = sourceOf(given);
    const name = utf8ToString(source).slice(0, 60);
    const value = parseNumber(source);
    if (given.error === "not_a_number") assert.equal(value, null, name);
    else if (given.error === "number_overflow") assert.ok(value !== null && !Number.isFinite(value), name);
    else {
      assert.equal(bits(value as number), given.bits, name);
      assert.equal(utf8ToString(formatNumber(value as number) as Uint8Array), given.printed, name);
    }
  }
});

test("strings", () => {
  for (const given of cases<{ source: string; utf8: string; canonical: string }>("strings")) {
    const source = stringToUtf8(given.source);
    assert.notEqual(parseDocument(source, RULES.limits), null);
    const text = unescape(source, 0, source.length);
    assert.equal(toHex(text), given.utf8);
    assert.equal(utf8ToString(quoted(text)), given.canonical);
  }
});

test("paths: result and the fuel of the walk", () => {
  for (const given of cases<{ name: string; doc: string; query: string; result: string; fuel: number }>("paths")) {
    const document = parseDocument(stringToUtf8(given.doc), RULES.limits);
    assert.ok(document);
    let fuel = 0;
    const charge = (more: number): void => void (fuel += more);
    const terms = { price: RULES.path, resultBytesMax: RULES.limits.resultBytes, charge };
    assert.equal(utf8ToString(select(document, parseQuery(given.query), terms)), given.result, given.name);
    assert.equal(fuel, given.fuel, given.name);
  }
});

function refusal(query: string): string | null {
  if (stringToUtf8(query).length > RULES.limits.pathBytes) return "too_large";
  try {
    parseQuery(query);
    return null;
  } catch (thrown) {
    assert.ok(thrown instanceof Exit && thrown.ending.status === "trapped");
    return thrown.ending.code;
  }
}

test("paths that are refused", () => {
  for (const given of cases<{ query?: string; repeat?: [string, number][]; error: string | null }>("paths-refused")) {
    const query = given.query ?? (given.repeat ?? []).map(([piece, count]) => piece.repeat(count)).join("");
    assert.equal(refusal(query), given.error, query.slice(0, 80));
  }
});

test("what JSON.parse takes and what is taken here differ only as the ABI says", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.notEqual(parseDocument(stringToUtf8(text), RULES.limits), null);
    }),
    { numRuns: 200 },
  );
  fc.assert(
    fc.property(fc.array(fc.constantFrom(..."{}[]\",:0e1.-\\u \ntrue"), { maxLength: 12 }), (characters) => {
      const text = characters.join("");
      const taken = parseDocument(stringToUtf8(text), RULES.limits) !== null;
      let parsed = true;
      try {
        JSON.parse(text);
      } catch {
        parsed = false;
      }
      assert.ok(parsed || !taken, text);
    }),
    { numRuns: 5000 },
  );
});
