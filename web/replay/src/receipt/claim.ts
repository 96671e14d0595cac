// A claim of kind `wasm`: docs/receipt.md, "The claim".
//
// Enters: a claim's value. Leaves: the claim with what a run needs of it; ids. Refuses: another form, a claim that
// contradicts itself (rules 1 to 6).

import { blake3 } from "@noble/hashes/blake3.js";
import { ascii, toHex } from "../bytes.js";
import type { RunLimits } from "../host/host.js";
import { type Value, type ValueObject, writeCanonical } from "./canonical.js";
import * as form from "./form.js";

const STATUSES = [
  "aborted",
  "failed",
  "invalid_output",
  "ok",
  "out_of_fuel",
  "out_of_stack",
  "output_too_large",
  "too_many_calls",
  "trapped",
];
const WITH_DETAIL = ["aborted", "failed", "trapped"];

/** Rule 3: those that are not null are all commitments, or none is. */
export const PRIVATE_MEMBERS = [
  "detail",
  "fuel",
  "host_calls",
  "input",
  "memory_pages_peak",
  "output",
  "seed",
  "transcript",
] as const;

const detail = form.object({ code: form.label, message: form.orNull(form.blake3Text) });
const openOrKeyed = (check: form.Check): form.Check => form.either(form.keyedText, check);

const wasmClaim = form.object({
  abi: form.label,
  capsule: form.blake3Text,
  clock_ms: form.integer,
  detail: form.orNull(openOrKeyed(detail)),
  fuel: form.orNull(openOrKeyed(form.integer)),
  grants: form.sortedLabels,
  host_calls: form.orNull(openOrKeyed(form.mapOf(form.integer))),
  input: openOrKeyed(form.blake3Text),
  input_type: form.oneOf("bytes", "json"),
  kind: form.oneOf("wasm"),
  limits: form.object({
    fuel: form.integer,
    host_calls: form.integer,
    memory_pages: form.integer,
    output_bytes: form.integer,
    stack: form.integer,
  }),
  memory_pages_peak: form.orNull(openOrKeyed(form.integer)),
  metering: form.label,
  output: form.orNull(openOrKeyed(form.blake3Text)),
  policy: form.orNull(form.blake3Text),
  rules: form.blake3Text,
  seed: openOrKeyed(form.seedText),
  status: form.oneOf(...STATUSES),
  transcript: form.orNull(openOrKeyed(form.sha256Text)),
});

export interface Claim {
  value: ValueObject;
  abi: string;
  capsule: string;
  clockMs: number;
  grants: string[];
  inputType: "bytes" | "json";
  isPrivate: boolean;
  limits: RunLimits;
  metering: string;
  rules: string;
  status: string;
}

export function readClaim(value: Value): Claim {
  wasmClaim(value, "");
  const claim = value as ValueObject;
  const limits = claim.get("limits") as ValueObject;
  checkRules(claim, limits);
  return {
    value: claim,
    abi: claim.get("abi") as string,
    capsule: claim.get("capsule") as string,
    clockMs: claim.get("clock_ms") as number,
    grants: claim.get("grants") as string[],
    inputType: claim.get("input_type") as "bytes" | "json",
    isPrivate: isKeyed(form.at(claim, "input")),
    limits: {
      fuel: limits.get("fuel") as number,
      hostCalls: limits.get("host_calls") as number,
      memoryPages: limits.get("memory_pages") as number,
      outputBytes: limits.get("output_bytes") as number,
      stack: limits.get("stack") as number,
    },
    metering: claim.get("metering") as string,
    rules: claim.get("rules") as string,
    status: claim.get("status") as string,
  };
}

export function isKeyed(value: Value): boolean {
  return typeof value === "string" && value.startsWith("blake3-keyed:");
}

function checkRules(claim: ValueObject, limits: ValueObject): void {
  const status = claim.get("status") as string;
  holds(1, (claim.get("output") === null) === (status !== "ok"));
  holds(1, (claim.get("detail") !== null) === WITH_DETAIL.includes(status));
  for (const figure of ["fuel", "host_calls", "memory_pages_peak"]) {
    holds(2, (claim.get(figure) === null) === (status === "aborted"));
  }
  const given = PRIVATE_MEMBERS.map((name) => form.at(claim, name)).filter((value) => value !== null);
  holds(3, given.every(isKeyed) || !given.some(isKeyed));
  const fuel = claim.get("fuel");
  if (typeof fuel === "number") {
    const most = limits.get("fuel") as number;
    holds(4, status === "ok" || status === "failed" ? fuel <= most : fuel === most);
  }
  const peak = claim.get("memory_pages_peak");
  if (typeof peak === "number") holds(5, peak <= (limits.get("memory_pages") as number));
  const calls = claim.get("host_calls");
  if (calls instanceof Map) checkCalls(calls, limits.get("host_calls") as number, status);
}

function checkCalls(calls: ValueObject, limit: number, status: string): void {
  const counts = [...calls.values()] as number[];
  const sum = counts.reduce((total, count) => total + count, 0);
  holds(6, !counts.includes(0));
  holds(6, status === "too_many_calls" ? sum === limit + 1 : sum <= limit);
}

function holds(rule: number, isTrue: boolean): void {
  if (!isTrue) form.refuse("the claim", `it contradicts itself by rule ${rule}`);
}

const CLAIM_CONTEXT = "tenzik 2026-11-20 receipt v1 claim id";

/** BLAKE3 in derive-key mode over canonical bytes. */
export function claimId(claim: ValueObject): string {
  return `claim:${toHex(blake3(ascii(writeCanonical(claim)), { context: ascii(CLAIM_CONTEXT) }))}`;
}
