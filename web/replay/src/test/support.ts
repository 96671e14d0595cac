// What the tests share: the repository's files, rules, small modules from text, whole runs.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import wabt from "wabt";
import type { Request, RunLimits } from "../host/host.js";
import { readRules, type Rules } from "../rules.js";
import { type Outcome, runCapsule } from "../run.js";

const ROOT = new URL("../../../../", import.meta.url);

export function repositoryPath(path: string): string {
  return fileURLToPath(new URL(path, ROOT));
}

export function repositoryFile(path: string): Uint8Array {
  return new Uint8Array(readFileSync(repositoryPath(path)));
}

export function repositoryJson<Shape>(path: string): Shape {
  return JSON.parse(Buffer.from(repositoryFile(path)).toString("utf8")) as Shape;
}

export const RULES: Rules = readRules(repositoryFile("docs/rules.json"));

const FEATURES = {
  bulk_memory: true,
  multi_value: true,
  mutable_globals: true,
  sat_float_to_int: true,
  sign_extension: true,
  reference_types: true,
  simd: true,
  exceptions: true,
  tail_call: true,
  threads: true,
};

const assembler = await wabt();

/** WebAssembly text as a module, also one that is not valid. */
export function assemble(text: string): Uint8Array {
  const parsed = assembler.parseWat("test.wat", text, FEATURES);
  try {
    return parsed.toBinary({}).buffer;
  } finally {
    parsed.destroy();
  }
}

export const AMPLE: RunLimits = {
  fuel: 1_000_000_000,
  hostCalls: 1_000_000,
  memoryPages: 64,
  outputBytes: 1 << 20,
  stack: 32_768,
};

export const ALL_GRANTS = ["base64", "hash", "json", "random", "time"];

export interface RunGiven {
  limits?: Partial<RunLimits>;
  input?: Uint8Array;
  inputType?: "bytes" | "json";
  rules?: Rules;
}

/** Runs a module's bytes or text with ample limits. */
export function run(module: Uint8Array | string, given: RunGiven = {}): Outcome {
  const request: Request = {
    input: given.input ?? new Uint8Array(0),
    inputType: given.inputType ?? "bytes",
    clockMs: 0,
    seed: new Uint8Array(32),
    limits: { ...AMPLE, ...given.limits },
  };
  const bytes = typeof module === "string" ? assemble(module) : module;
  return runCapsule(bytes, request, ALL_GRANTS, given.rules ?? RULES);
}

/** A capsule of one page around the fields given. */
export function capsule(fields: string): string {
  return `(module (memory (export "memory") 1 4) ${fields})`;
}

/** What starting a capsule of one page costs with input of type `bytes`. */
export const STARTUP = RULES.startup.run + RULES.startup.page;

/** How a run ended, in a word or two. */
export function said({ ending }: Outcome): string {
  return "code" in ending ? `${ending.status} ${ending.code}` : ending.status;
}
