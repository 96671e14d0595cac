// The capability `tools`: answered from the transcript.
//
// Enters: calls. Leaves: the recorded answers, as text. Refuses: an id or arguments of another form; what the transcript does.

import { ascii } from "../bytes.js";
import { parseDocument } from "../json/document.js";
import { trap } from "../outcome.js";
import type { Call, Work } from "./call.js";

const ID_BYTES_MAX = 256;
const ID = /^[A-Za-z0-9_.:/-]+$/;
/** White space that is not a blank; within strings it is not strict JSON. */
const BREAKS = [0x09, 0x0a, 0x0d];
const BLANK = 0x20;

function toolCall(call: Call, idPointer: number, idLength: number, pointer: number, length: number): number {
  const idRange = call.textRange(idPointer, idLength);
  const range = call.textRange(pointer, length);
  call.chargeBytes(idRange.end - idRange.start + (range.end - range.start));
  const [id, given] = [call.text(idRange), call.text(range)];
  if (id.length > ID_BYTES_MAX || !ID.test(String.fromCharCode(...id.subarray(0, ID_BYTES_MAX)))) throw trap("invalid_argument");
  const { limits } = call.host.rules;
  if (parseDocument(given.slice(), limits) === null) throw trap("invalid_argument");
  const args = trimmed(given).map((byte) => (BREAKS.includes(byte) ? BLANK : byte));
  const answer = call.host.transcript.answer(id, args, limits);
  if (answer.length <= limits.resultBytes) return call.giveText(answer);
  const message = `the answer is longer than ${limits.resultBytes} bytes`;
  return call.giveText(ascii(`{"error":{"code":"limit_reached","message":"${message}","retryable":false}}`));
}

/** Without the white space around it. */
function trimmed(text: Uint8Array): Uint8Array {
  const isWhite = (byte: number | undefined): boolean => byte === BLANK || BREAKS.includes(byte ?? 0);
  let [start, end] = [0, text.length];
  while (start < end && isWhite(text[start])) start += 1;
  while (end > start && isWhite(text[end - 1])) end -= 1;
  return text.subarray(start, end);
}

export const TOOLS: Record<string, Work> = { tool_call: toolCall as Work };
