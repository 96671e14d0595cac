// What went through a run's tools: docs/receipt.md, "Transcript".
//
// Enters: a transcript's bytes. Leaves: its lines, its root, and one after the other the answers to what is asked. Refuses,
// by CannotTell: bytes that are no lines; by OtherRequest: a request that is not the recorded one.

import { sha256 } from "@noble/hashes/sha2.js";
import { ascii, toHex } from "./bytes.js";
import { parseDocument } from "./json/document.js";
import { CannotTell } from "./outcome.js";
import type { Rules } from "./rules.js";
import { isUtf8 } from "./text.js";

const NEWLINE = 0x0a;
const CLOSING = 0x7d;
/** White space, which stands neither around a result nor, but for the blank, within it. */
const WHITE = [0x09, 0x0a, 0x0d, 0x20];
const ANSWER = ascii(',"answer":');
const RESULT = ascii('{"ok":{"result":');
const ERROR = ascii('{"error":{');
const EXCHANGES_MAX = 131_072;
const BYTES_MAX = 64 * 1024 * 1024;
const MESSAGE_CHARACTERS_MAX = 512;
const CODES = [
  "cancelled",
  "denied",
  "invalid_arguments",
  "invalid_request",
  "limit_reached",
  "not_found",
  "timeout",
  "tool_failed",
  "unavailable",
];

/** The run asks its tools something else than is recorded. */
export class OtherRequest extends Error {
  override readonly name = "OtherRequest";
}

export class Transcript {
  readonly #lines: Uint8Array[] = [];
  #next = 0;

  constructor(bytes: Uint8Array) {
    let start = 0;
    for (let end = bytes.indexOf(NEWLINE); end !== -1; end = bytes.indexOf(NEWLINE, start)) {
      this.#lines.push(bytes.subarray(start, end));
      start = end + 1;
    }
    if (start !== bytes.length) throw new CannotTell("the transcript does not end with a newline");
    if (bytes.length > BYTES_MAX || this.#lines.length > EXCHANGES_MAX) throw new CannotTell("the transcript is too long");
  }

  /** The root of all of it, as a claim has it. */
  get root(): string | null {
    return rootOf(this.#lines);
  }

  /** The root of what a run has asked so far. */
  get rootOfMet(): string | null {
    return rootOf(this.#lines.slice(0, this.#next));
  }

  /** The answer to a request, as a capsule is given it: its id and arguments are bytes that were checked. */
  answer(id: Uint8Array, args: Uint8Array, limits: Rules["limits"]): Uint8Array {
    const request = joined(ascii('{"request":{"run_tool":{"tool":"'), id, ascii('","arguments":'), args, ascii("}}"), ANSWER);
    const line = this.#lines[this.#next];
    if (line === undefined || !startsWith(line, request)) throw new OtherRequest("the run asks another request");
    this.#next += 1;
    if (line[line.length - 1] !== CLOSING) throw malformed();
    // Without the brace that closes the line.
    const answer = line.subarray(request.length, line.length - 1);
    if (!isUtf8(answer)) throw malformed();
    if (startsWith(answer, RESULT)) return joined(ascii('{"ok":'), resultOf(answer, limits), ascii("}"));
    if (startsWith(answer, ERROR)) return checkedError(answer);
    throw malformed();
  }
}

function malformed(): CannotTell {
  return new CannotTell("an answer of the transcript is not of the form");
}

/** The result in `{"ok":{"result":…}}`: strict JSON without white space around it. */
function resultOf(answer: Uint8Array, limits: Rules["limits"]): Uint8Array {
  const end = answer.length - 2;
  const result = answer.slice(RESULT.length, end);
  const [first, last] = [result[0], result[result.length - 1]];
  const isWhole = end > RESULT.length && answer[end] === CLOSING && answer[end + 1] === CLOSING;
  const isTrimmed = first !== undefined && last !== undefined && !WHITE.includes(first) && !WHITE.includes(last);
  const isOneLine = result.every((byte) => byte === 0x20 || !WHITE.includes(byte));
  if (!isWhole || !isTrimmed || !isOneLine || parseDocument(result, limits) === null) throw malformed();
  return result;
}

/** An error in its one spelling: three members in their order, a known code, a message within bounds. */
function checkedError(answer: Uint8Array): Uint8Array {
  const text = new TextDecoder().decode(answer);
  const read = parsed(text) as { error?: Record<string, unknown> } | null;
  const { code, message, retryable } = read?.error ?? {};
  const isBounded =
    typeof message === "string" && [...message].length <= MESSAGE_CHARACTERS_MAX && !/[\u0000-\u001f\u007f-\u009f]/.test(message);
  const isOfTheForm = CODES.includes(code as string) && isBounded && typeof retryable === "boolean";
  if (!isOfTheForm || JSON.stringify({ error: { code, message, retryable } }) !== text) throw malformed();
  return answer;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** RFC 6962, section 2.1. */
function rootOf(lines: Uint8Array[]): string | null {
  if (lines.length === 0) return null;
  return `sha256:${toHex(treeHash(lines.map((line) => sha256(joined(Uint8Array.of(0), line)))))}`;
}

function treeHash(leaves: Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0] as Uint8Array;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return sha256(joined(Uint8Array.of(1), treeHash(leaves.slice(0, split)), treeHash(leaves.slice(split))));
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return bytes.length >= start.length && start.every((byte, at) => byte === bytes[at]);
}

function joined(...parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
