// A receipt run again: docs/receipt.md, "Replay".
//
// Enters: a receipt, a capsule, an input, a rules file; for a private run its secret and seed. Leaves: "the same", or the
// first member of the claim that differs, or why it cannot be told. Refuses: nothing by throwing; what it cannot take is
// "cannot tell". It uses no interface of Node's, so it runs in a browser as it is; in a worker, since a run may be long.

import { blake3 } from "@noble/hashes/blake3.js";
import { ascii, fromHex, toHex } from "./bytes.js";
import type { Request } from "./host/host.js";
import { CannotTell } from "./outcome.js";
import { type Value, type ValueObject, writeCanonical } from "./receipt/canonical.js";
import { type Claim, claimId } from "./receipt/claim.js";
import { closed, commitment } from "./receipt/private.js";
import { readReceipt } from "./receipt/receipt.js";
import { readRules, type Rules } from "./rules.js";
import { type Outcome, runCapsule } from "./run.js";
import { OtherRequest, Transcript } from "./transcript.js";

export const METERING = "tenzik-meter/1";

export interface Replay {
  receipt: Uint8Array;
  capsule: Uint8Array;
  input: Uint8Array;
  rules: Uint8Array;
  /** Of a private run: its 32 secret bytes, and its seed as 64 hex digits. */
  secret?: Uint8Array;
  seed?: string;
  /** Of a run that called tools: what they were asked and answered. */
  transcript?: Uint8Array;
}

export type Verdict =
  | { kind: "same"; claimId: string; claim: string }
  | { kind: "differs"; member: string; claimed: string; remade: string; claim: string }
  | { kind: "cannot_tell"; reason: string };

const CAPABILITIES = ["base64", "hash", "json", "random", "time", "tools"];

export function replay(given: Replay): Verdict {
  try {
    const claim = readReceipt(given.receipt);
    return answer(claim, given);
  } catch (error) {
    if (error instanceof CannotTell) return { kind: "cannot_tell", reason: error.message };
    return { kind: "cannot_tell", reason: `an error of this program: ${String(error)}` };
  }
}

function answer(claim: Claim, given: Replay): Verdict {
  const transcript = transcriptOf(claim, given);
  try {
    return compare(claim.value, remake(claim, given, transcript));
  } catch (error) {
    if (!(error instanceof OtherRequest)) throw error;
    const claimed = writeCanonical(claim.value.get("transcript") as Value);
    return { kind: "differs", member: "transcript", claimed, remade: error.message, claim: "" };
  }
}

/** The claim that a run here gives. */
function remake(claim: Claim, given: Replay, transcript: Transcript): ValueObject {
  const rules = readRules(given.rules);
  checkKnown(claim, rules);
  const seed = seedOf(claim, given);
  checkBytes(claim, given);
  const request: Request = {
    input: given.input,
    inputType: claim.inputType,
    clockMs: claim.clockMs,
    seed: fromHex(seed),
    limits: claim.limits,
    transcript,
  };
  const outcome = runCapsule(given.capsule, request, claim.grants, rules);
  const open = openClaim(claim, outcome, given.input, seed, transcript.rootOfMet);
  const output = outcome.ending.status === "ok" ? outcome.ending.output : null;
  return given.secret !== undefined && claim.isPrivate ? closed(open, given.secret, given.input, output) : open;
}

/** Step 1 and 2, and the grants: what is not known here is no finding. */
function checkKnown(claim: Claim, rules: Rules): void {
  if (claim.status === "aborted") throw new CannotTell("a run that was aborted cannot be run again");
  if (claim.abi !== rules.abi) throw new CannotTell(`the abi ${claim.abi} is not known here`);
  if (claim.metering !== METERING) throw new CannotTell(`the metering ${claim.metering} is not known here`);
  if (claim.rules !== rules.digest) throw new CannotTell(`the rules are ${rules.digest}, the claim's are ${claim.rules}`);
  if (rules.metering?.name !== METERING) throw new CannotTell(`the rules have no metering ${METERING}`);
  if (claim.limits.stack > rules.metering.stackMax) throw new CannotTell("the limit of the stack is beyond the metering's");
  const unknown = claim.grants.find((grant) => !CAPABILITIES.includes(grant));
  if (unknown !== undefined) throw new CannotTell(`the grant ${unknown} cannot be given here`);
}

function seedOf(claim: Claim, given: Replay): string {
  const stated = claim.value.get("seed") as string;
  if (!claim.isPrivate) return stated;
  if (given.secret?.length !== 32 || given.seed === undefined || !/^[0-9a-f]{64}$/.test(given.seed)) {
    throw new CannotTell("a private run needs its secret and its seed");
  }
  const value = Uint8Array.from(`"${given.seed}"`, (character) => character.charCodeAt(0));
  if (commitment(given.secret, "seed", value) !== stated) throw new CannotTell("the seed is not the claim's");
  return given.seed;
}

/** The record of the run's tools, which is what the claim commits to. */
function transcriptOf(claim: Claim, given: Replay): Transcript {
  const stated = claim.value.get("transcript");
  if (stated === null) return new Transcript(new Uint8Array(0));
  if (given.transcript === undefined) throw new CannotTell("the run called tools; its transcript is needed");
  const transcript = new Transcript(given.transcript);
  const { root } = transcript;
  if (claim.isPrivate && given.secret?.length !== 32) throw new CannotTell("a private run needs its secret and its seed");
  const held =
    claim.isPrivate && given.secret !== undefined && root !== null
      ? commitment(given.secret, "transcript", ascii(`"${root}"`))
      : root;
  if (held !== stated) throw new CannotTell("the transcript is not the claim's");
  return transcript;
}

function checkBytes(claim: Claim, given: Replay): void {
  if (digest(given.capsule) !== claim.capsule) throw new CannotTell("the capsule is not the claim's");
  const input =
    claim.isPrivate && given.secret !== undefined ? commitment(given.secret, "input", given.input) : digest(given.input);
  if (input !== claim.value.get("input")) throw new CannotTell("the input is not the claim's");
}

function digest(bytes: Uint8Array): string {
  return `blake3:${toHex(blake3(bytes))}`;
}

/** The open claim: the request side as it was, and what came of the run. */
function openClaim(claim: Claim, outcome: Outcome, input: Uint8Array, seed: string, root: string | null): ValueObject {
  const { ending } = outcome;
  const isExact = ending.status === "ok" || ending.status === "failed";
  const remade: ValueObject = new Map(claim.value);
  const put = (name: string, value: Value): void => void remade.set(name, value);
  put("detail", detail(outcome));
  put("fuel", isExact ? outcome.fuel : claim.limits.fuel);
  put("host_calls", new Map([...outcome.hostCalls].sort(([left], [right]) => (left < right ? -1 : 1))));
  put("input", digest(input));
  put("memory_pages_peak", outcome.memoryPagesPeak);
  put("output", ending.status === "ok" ? digest(ending.output) : null);
  put("seed", seed);
  put("status", ending.status);
  put("transcript", root);
  return remade;
}

function detail({ ending }: Outcome): Value {
  if (ending.status !== "failed" && ending.status !== "trapped") return null;
  const message = ending.status === "failed" && ending.message !== null ? digest(ending.message) : null;
  return new Map<string, Value>([
    ["code", ending.code],
    ["message", message],
  ]);
}

/** Step 5: the first member in canonical order that differs. */
function compare(claimed: ValueObject, remade: ValueObject): Verdict {
  const claim = writeCanonical(remade);
  for (const [name, value] of claimed) {
    const [left, right] = [writeCanonical(value), writeCanonical(remade.get(name) as Value)];
    if (left !== right) return { kind: "differs", member: name, claimed: left, remade: right, claim };
  }
  return { kind: "same", claimId: claimId(remade), claim };
}
