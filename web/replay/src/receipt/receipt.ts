// A receipt, as far as a replay looks at it: docs/receipt.md, "The receipt".
//
// Enters: bytes. Leaves: the claim of kind `wasm`. Refuses: what a reader must refuse, but for the claims of the two
// other kinds, whose inside is not looked at because they cannot be run again. The signature is not verified.

import { CannotTell } from "../outcome.js";
import { NotCanonical, readCanonical, type Value, type ValueObject } from "./canonical.js";
import { type Claim, readClaim } from "./claim.js";
import * as form from "./form.js";

const EXTENSION_LEVELS_MAX = 8;

const limit = form.object({
  applied: form.orNull(form.integer),
  asked: form.orNull(form.integer),
  enforced: form.boolean,
  limit: form.label,
  observed: form.orNull(form.integer),
});

const audience = form.object({
  challenge: form.matching(/^([0-9a-f]{2}){16,64}$/, "a challenge"),
  expires_at: form.time,
  name: form.label,
});

const batchSize: form.Check = (value, path) => {
  form.integer(value, path);
  if ((value as number) < 1 || (value as number) > 65_536) form.refuse(path, "not 1 to 65,536");
};

const batchSignature = form.object({
  index: form.integer,
  path: form.listOf(form.sha256Text),
  root_sig: form.signatureText,
  size: batchSize,
});

const receipt = form.object({
  advisory: form.object({ engine: form.label, wall_us: form.orNull(form.integer) }),
  audience: form.orNull(audience),
  backend: form.object({
    enforced: form.listOf(limit),
    kind: form.label,
    profile: form.oneOf("dev", "standard", "hardened"),
  }),
  claim: () => undefined,
  crit: form.sortedLabels,
  ext: form.mapOf((value, path) => checkExtension(value, path, 1)),
  issued_at: form.time,
  log: form.orNull(form.object({ merge_by: form.time, origin: form.label })),
  node: form.keyText,
  nonce: form.object({ epoch: form.matching(/^[0-9a-f]{32}$/, "an epoch"), seq: form.integer }),
  request: form.orNull(form.object({ requester: form.keyText, signature: form.signatureText })),
  signature: form.either(form.signatureText, batchSignature),
  type: form.oneOf("tenzik/receipt/v1"),
});

/** The claim of a receipt. A receipt that is none, or a claim of another kind, says nothing that could be run. */
export function readReceipt(bytes: Uint8Array): Claim {
  try {
    const value = readCanonical(bytes);
    receipt(value, "");
    return claimOf(value as ValueObject);
  } catch (error) {
    if (error instanceof NotCanonical) throw new CannotTell(`the receipt is not of the form: ${error.message}`);
    throw error;
  }
}

function claimOf(value: ValueObject): Claim {
  const extensions = value.get("ext") as ValueObject;
  for (const name of value.get("crit") as string[]) {
    if (!extensions.has(name)) form.refuse("crit", `${name} is not in ext`);
  }
  const claim = value.get("claim") as Value;
  const kind = claim instanceof Map ? claim.get("kind") : undefined;
  if (kind === "refused" || kind === "attested") throw new CannotTell(`a claim of kind ${kind} cannot be run again`);
  const read = readClaim(claim);
  if (read.isPrivate) checkNothingMeasured(value);
  return read;
}

/** Beside a private claim nothing may stand that was measured of its run. */
function checkNothingMeasured(value: ValueObject): void {
  const advisory = value.get("advisory") as ValueObject;
  const enforced = (value.get("backend") as ValueObject).get("enforced") as ValueObject[];
  const measured = advisory.get("wall_us") !== null || enforced.some((row) => row.get("observed") !== null);
  if (measured) form.refuse("the receipt", "figures stand beside a private claim");
}

/** A number by itself is one level, a list of numbers two. */
function checkExtension(value: Value, path: string, level: number): void {
  if (level > EXTENSION_LEVELS_MAX) form.refuse(path, "more than 8 levels");
  if (typeof value === "string") form.label(value, path);
  if (Array.isArray(value)) for (const item of value) checkExtension(item, path, level + 1);
  if (value instanceof Map) {
    for (const [name, member] of value) {
      form.label(name, path);
      checkExtension(member, path, level + 1);
    }
  }
}
