// The capability `json`.
//
// Enters: calls with handles of the input, or with texts. Leaves: as docs/abi.md, "`json`", has it. Refuses: as there.

import { type Document, KIND, parseDocument, type Span } from "../json/document.js";
import { parseQuery } from "../json/query.js";
import { unescape } from "../json/scan.js";
import { select } from "../json/select.js";
import { formatNumber, parseNumber } from "../json/value.js";
import { trap } from "../outcome.js";
import { utf8ToString } from "../text.js";
import type { Call, Range, Work } from "./call.js";

/** The document of a handle, if the handle is one of it. */
function documentOf(call: Call, handle: number): Document {
  const { document } = call.host;
  if (document === null || !document.has(handle >>> 0)) throw trap("invalid_handle");
  return document;
}

function length({ start, end }: Span | Range): number {
  return end - start;
}

function jsonRoot(call: Call): number {
  return call.host.document === null ? -1 : 0;
}

function jsonType(call: Call, handle: number): number {
  return documentOf(call, handle).kind(handle);
}

function jsonLen(call: Call, handle: number): number {
  const document = documentOf(call, handle);
  return document.kind(handle) >= KIND.array ? document.count(handle) : -1;
}

function jsonGet(call: Call, handle: number, keyPointer: number, keyLength: number): number {
  const range = call.textRange(keyPointer, keyLength);
  const document = documentOf(call, handle);
  call.chargeBytes(length(range));
  call.host.charge(call.host.rules.jsonGetMember * document.members(handle));
  return document.member(handle, utf8ToString(call.text(range)));
}

function jsonAt(call: Call, handle: number, place: number): number {
  return documentOf(call, handle).child(handle, place >>> 0);
}

function jsonKey(call: Call, handle: number, place: number): number {
  const document = documentOf(call, handle);
  const span = document.nameSpan(handle, place >>> 0);
  if (span === null) return call.giveNothing();
  call.chargeBytes(length(span));
  return call.giveText(unescape(document.bytes, span.start, span.end));
}

function jsonRaw(call: Call, handle: number): number {
  const source = documentOf(call, handle).source(handle);
  call.chargeBytes(source.length);
  return call.giveText(source);
}

function jsonStr(call: Call, handle: number): number {
  const document = documentOf(call, handle);
  if (document.kind(handle) !== KIND.string) return call.giveNothing();
  const span = document.span(handle);
  call.chargeBytes(length(span));
  return call.giveText(unescape(document.bytes, span.start, span.end));
}

function jsonNum(call: Call, handle: number): number {
  const document = documentOf(call, handle);
  const isNumber = document.kind(handle) === KIND.number;
  const source = isNumber ? document.source(handle) : new Uint8Array(0);
  chargeNumber(call, source.length, source.length);
  return numberOf(source);
}

function numParse(call: Call, pointer: number, units: number): number {
  const range = call.textRange(pointer, units);
  chargeNumber(call, length(range), units >>> 0);
  return numberOf(call.text(range));
}

function chargeNumber(call: Call, bytes: number, characters: number): void {
  const { longNumber } = call.host.rules;
  call.chargeBytes(bytes);
  if (characters > longNumber.aboveCharacters) call.host.charge(longNumber.fuel);
}

function numberOf(text: Uint8Array): number {
  const value = parseNumber(text);
  if (value === null) throw trap("not_a_number");
  if (!Number.isFinite(value)) throw trap("number_overflow");
  return value;
}

function numFormat(call: Call, value: number): number {
  const text = formatNumber(value);
  if (text === null) throw trap("not_finite");
  return call.giveText(text);
}

function jsonPath(call: Call, docPointer: number, docLength: number, pathPointer: number, pathLength: number): number {
  const { host } = call;
  const given = docLength === 0 ? null : call.textRange(docPointer, docLength);
  const pathRange = call.textRange(pathPointer, pathLength);
  call.chargeBytes(given === null ? 0 : length(given));
  host.charge(host.rules.path.pathByte * length(pathRange));
  const text = given === null ? null : call.text(given);
  const path = call.text(pathRange);
  if (path.length > host.rules.limits.pathBytes) throw trap("too_large");
  const query = parseQuery(utf8ToString(path));
  const document = text === null ? host.document : parseDocument(text, host.rules.limits);
  if (document === null) return call.giveNothing();
  const terms = {
    price: host.rules.path,
    resultBytesMax: host.rules.limits.resultBytes,
    charge: (fuel: number) => host.charge(fuel),
  };
  return call.giveText(select(document, query, terms));
}

export const JSON_FUNCTIONS: Record<string, Work> = {
  json_at: jsonAt,
  json_get: jsonGet,
  json_key: jsonKey,
  json_len: jsonLen,
  json_num: jsonNum,
  json_path: jsonPath,
  json_raw: jsonRaw,
  json_root: jsonRoot,
  json_str: jsonStr,
  json_type: jsonType,
  num_format: numFormat,
  num_parse: numParse,
};
