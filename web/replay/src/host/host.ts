// What one run carries through its host calls.
//
// Enters: a request and the rules. Leaves: output, counts, and at the end the run's ending. Refuses: output beyond its
// limit, results beyond theirs.

import { ByteBuilder } from "../bytes.js";
import { parseDocument, type Document } from "../json/document.js";
import { quoted, quotedLength } from "../json/value.js";
import { type Ending, Exit, trap } from "../outcome.js";
import type { Rules } from "../rules.js";
import { utf8ToUtf16 } from "../text.js";
import { Transcript } from "../transcript.js";
import { Keystream } from "./random.js";

export interface RunLimits {
  fuel: number;
  hostCalls: number;
  memoryPages: number;
  outputBytes: number;
  stack: number;
}

export interface Request {
  input: Uint8Array;
  inputType: "bytes" | "json";
  clockMs: number;
  seed: Uint8Array;
  limits: RunLimits;
  /** What its tools answered; without it, nothing. */
  transcript?: Transcript;
}

/** Fuel that is left, wherever it is kept; below zero is out of fuel. */
export interface Fuel {
  left: number;
}

/** The result buffer: bytes, or text as UTF-8. */
export interface Result {
  isText: boolean;
  bytes: Uint8Array;
}

const NOTHING: Result = { isText: false, bytes: new Uint8Array(0) };

export class Host {
  readonly calls = new Map<string, number>();
  callsTotal = 0;
  result: Result = NOTHING;
  /** The high surrogate that ended the last `output_write`. */
  held: number | null = null;
  readonly document: Document | null;
  readonly keystream: Keystream;
  readonly transcript: Transcript;
  readonly #output = new ByteBuilder();
  #payload: Uint8Array | null = null;

  constructor(
    readonly rules: Rules,
    readonly request: Request,
    readonly textUnitBytes: 1 | 2,
    readonly memory: WebAssembly.Memory,
    readonly fuel: Fuel,
    document: Document | null,
  ) {
    this.document = document;
    this.keystream = new Keystream(request.seed);
    this.transcript = request.transcript ?? new Transcript(new Uint8Array(0));
  }

  /** The input in the form in which the capsule reads it. */
  get payload(): Uint8Array {
    this.#payload ??= this.isUtf16Payload ? utf8ToUtf16(this.request.input) : this.request.input;
    return this.#payload;
  }

  get isUtf16Payload(): boolean {
    return this.request.inputType === "json" && this.textUnitBytes === 2;
  }

  get outputLength(): number {
    return this.#output.length;
  }

  charge(fuel: number): void {
    this.fuel.left -= fuel;
    if (this.fuel.left < 0) throw new Exit({ status: "out_of_fuel" });
  }

  clearResult(): void {
    this.result = NOTHING;
  }

  setResult(result: Result): void {
    this.checkResult(result.bytes.length);
    this.result = result;
  }

  checkResult(bytes: number): void {
    if (bytes > this.rules.limits.resultBytes) throw trap("too_large");
  }

  append(bytes: Uint8Array): void {
    this.#checkOutput(bytes.length);
    this.#output.append(bytes);
  }

  appendQuoted(utf8: Uint8Array): void {
    this.#checkOutput(quotedLength(utf8));
    this.#output.append(quoted(utf8));
  }

  /** Step 5 of docs/abi.md, "How a run goes": the ending of a run that returned nothing or 0. */
  finish(): Ending {
    const isJson = this.request.inputType === "json";
    if (isJson) this.charge(this.rules.jsonOutputByte * this.#output.length);
    if (this.held !== null) throw trap("invalid_text");
    const output = this.#output.toBytes();
    if (isJson && parseDocument(output, this.rules.limits) === null) return { status: "invalid_output" };
    return { status: "ok", output };
  }

  #checkOutput(more: number): void {
    if (this.#output.length + more > this.request.limits.outputBytes) throw new Exit({ status: "output_too_large" });
  }
}
