// What went through a run's tools: docs/receipt.md, "Transcript".
//
// Enters: a transcript's bytes. Leaves: its lines, its root, and one after the other the answers to what is asked. Refuses,
// by CannotTell: bytes that are no lines; by OtherRequest: a request that is not the recorded one.

import { sha256 } from "@noble/hashes/sha2.js";
import { ascii, toHex } from "./bytes.js";
import { CannotTell } from "./outcome.js";

const NEWLINE = 0x0a;
const ANSWER = ascii(',"answer":');
const RESULT = ascii('{"ok":{"result":');
const ERROR = ascii('{"error":{');

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
  answer(id: Uint8Array, args: Uint8Array): Uint8Array {
    const request = joined(ascii('{"request":{"run_tool":{"tool":"'), id, ascii('","arguments":'), args, ascii("}}"), ANSWER);
    const line = this.#lines[this.#next];
    if (line === undefined || !startsWith(line, request)) throw new OtherRequest("the run asks another request");
    this.#next += 1;
    // Without the brace that closes the line.
    const answer = line.subarray(request.length, line.length - 1);
    if (startsWith(answer, RESULT)) return joined(ascii('{"ok":'), answer.subarray(RESULT.length, answer.length - 2), ascii("}"));
    if (startsWith(answer, ERROR)) return answer;
    throw new CannotTell("an answer of the transcript is neither a result nor an error");
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
