// Input, output, results, text, endings, the clock, random bytes.
//
// Enters: calls. Leaves: as docs/abi.md, "Always there", `time` and `random`, have it. Refuses: as there.

import { formatNumber } from "../json/value.js";
import { Exit, trap } from "../outcome.js";
import { isUtf8, utf16Length, utf16PieceToUtf8, utf8ToUtf16 } from "../text.js";
import type { Call, Work } from "./call.js";

function abort(): never {
  throw new Exit({ status: "failed", code: "abort", message: null });
}

function inputLen(call: Call): number {
  const { payload, isUtf16Payload } = call.host;
  return isUtf16Payload ? payload.length / 2 : payload.length;
}

function inputRead(call: Call, pointer: number): void {
  const { payload } = call.host;
  const range = call.range(pointer, payload.length);
  call.chargeBytes(payload.length);
  call.view(range).set(payload);
}

function outputWrite(call: Call, pointer: number, length: number): void {
  const { host } = call;
  const range = call.payloadRange(pointer, length);
  call.chargeBytes(range.end - range.start);
  if (host.request.inputType === "bytes") return host.append(call.view(range));
  if (!host.isUtf16Payload) return host.append(call.text(range));
  if (range.start === range.end) return;
  const piece = utf16PieceToUtf8(host.held, call.view(range));
  if (piece === null) throw trap("invalid_text");
  host.held = piece.held;
  host.append(piece.utf8);
}

function outputJsonStr(call: Call, pointer: number, length: number): void {
  const range = call.textRange(pointer, length);
  call.chargeBytes(range.end - range.start);
  call.checkNothingHeld();
  call.host.appendQuoted(call.text(range));
}

function outputNum(call: Call, value: number): void {
  call.checkNothingHeld();
  call.host.append(formatNumber(value) ?? notFinite());
}

function notFinite(): never {
  throw trap("not_finite");
}

function outputResult(call: Call): void {
  const { result } = call.host;
  call.chargeBytes(result.bytes.length);
  call.checkNothingHeld();
  call.host.append(result.bytes);
}

function outputResultStr(call: Call): void {
  const { result } = call.host;
  call.chargeBytes(result.bytes.length);
  call.checkNothingHeld();
  if (!result.isText && !isUtf8(result.bytes)) throw trap("invalid_text");
  call.host.appendQuoted(result.bytes);
}

function resultRead(call: Call, pointer: number): void {
  const { result, textUnitBytes } = call.host;
  const asUtf16 = result.isText && textUnitBytes === 2;
  const length = asUtf16 ? 2 * utf16Length(result.bytes) : result.bytes.length;
  const range = call.range(pointer, length);
  call.chargeBytes(length);
  call.view(range).set(asUtf16 ? utf8ToUtf16(result.bytes) : result.bytes);
}

function textEncode(call: Call, pointer: number, length: number): number {
  const range = call.textRange(pointer, length);
  call.chargeBytes(range.end - range.start);
  return call.giveBytes(call.text(range).slice());
}

function textDecode(call: Call, pointer: number, length: number): number {
  const range = call.bytesRange(pointer, length);
  call.chargeBytes(range.end - range.start);
  const bytes = call.view(range);
  return isUtf8(bytes) ? call.giveText(bytes.slice()) : call.giveNothing();
}

function fail(call: Call, pointer: number, length: number): never {
  const range = call.textRange(pointer, length);
  call.chargeBytes(range.end - range.start);
  const message = call.text(range).slice();
  if (message.length > call.host.rules.limits.messageBytes) throw trap("too_large");
  throw new Exit({ status: "failed", code: "fail", message });
}

function timeNowMs(call: Call): bigint {
  return BigInt(call.host.request.clockMs);
}

function randomBytes(call: Call, pointer: number, length: number): void {
  const range = call.bytesRange(pointer, length);
  call.chargeBytes(range.end - range.start);
  call.view(range).set(call.host.keystream.next(range.end - range.start));
}

export const IO: Record<string, Work> = {
  abort,
  fail,
  input_len: inputLen,
  input_read: inputRead,
  output_json_str: outputJsonStr,
  output_num: outputNum,
  output_result: outputResult,
  output_result_str: outputResultStr,
  output_write: outputWrite,
  random_bytes: randomBytes,
  result_read: resultRead,
  text_decode: textDecode,
  text_encode: textEncode,
  time_now_ms: timeNowMs,
};
