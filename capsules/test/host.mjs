// Runs a capsule in Node. In: a module, an input, grants, clock and seed. Out: how it ended. The host is the replayer of
// web/replay, the second implementation of docs/abi.md, built beforehand (`npm run build` there).

import { readFileSync } from "node:fs";

const { runCapsule } = await import("../../web/replay/dist/run.js");
const { readRules } = await import("../../web/replay/dist/rules.js");
const rules = readRules(readFileSync(new URL("../../docs/rules.json", import.meta.url)));

// Beyond anything that a test needs.
const LIMITS = { fuel: 10_000_000_000, hostCalls: 10_000_000, memoryPages: 512, outputBytes: 16_777_216, stack: rules.metering.stackMax };

/**
 * @param {Uint8Array} module
 * @param {string | Uint8Array} input
 * @returns {{ status: string, output?: string, code?: string, message?: string, fuel: number }}
 */
export function run(module, input, { grants = ["json"], inputType = "json", clockMs = 0, seed = new Uint8Array(32) } = {}) {
  const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
  const { ending, fuel } = runCapsule(module, { input: bytes, inputType, clockMs, seed, limits: LIMITS }, grants, rules);
  return {
    status: ending.status, fuel, ...(ending.code === undefined ? {} : { code: ending.code }),
    ...(ending.output ? { output: decode(ending.output) } : {}), ...(ending.message ? { message: decode(ending.message) } : {}),
  };
}

function decode(bytes) {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}
