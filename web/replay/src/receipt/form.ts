// The types of docs/receipt.md, as checks.
//
// Enters: a value. Leaves: nothing. Refuses, by throwing NotCanonical with the member's path: a value of another type.

import { NotCanonical, type Value, type ValueObject } from "./canonical.js";

export type Check = (value: Value, path: string) => void;

export function refuse(path: string, what: string): never {
  throw new NotCanonical(`${path}: ${what}`);
}

export function matching(pattern: RegExp, what: string): Check {
  return (value, path) => {
    if (typeof value !== "string" || !pattern.test(value)) refuse(path, `not ${what}`);
  };
}

export const label: Check = (value, path) => {
  if (typeof value !== "string" || value === "") refuse(path, "not a label");
};

export const integer: Check = (value, path) => {
  if (typeof value !== "number") refuse(path, "not an integer");
};

export const boolean: Check = (value, path) => {
  if (typeof value !== "boolean") refuse(path, "not a boolean");
};

export const blake3Text = matching(/^blake3:[0-9a-f]{64}$/, "a BLAKE3 digest");
export const keyedText = matching(/^blake3-keyed:[0-9a-f]{64}$/, "a commitment");
export const sha256Text = matching(/^sha256:[0-9a-f]{64}$/, "a SHA-256 digest");
export const keyText = matching(/^ed25519:[0-9a-f]{64}$/, "a key");
export const signatureText = matching(/^ed25519:[0-9a-f]{128}$/, "a signature");
export const seedText = matching(/^[0-9a-f]{64}$/, "a seed");

const TIME = /^(19[7-9][0-9]|[2-9][0-9]{3})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$/;

export const time: Check = (value, path) => {
  const isTime = typeof value === "string" && TIME.test(value);
  // A date that the calendar does not have is read as another one.
  const isDay = isTime && new Date(value).toISOString().slice(0, 10) === value.slice(0, 10);
  if (!isDay) refuse(path, "not a time");
};

export function oneOf(...texts: string[]): Check {
  return (value, path) => {
    if (typeof value !== "string" || !texts.includes(value)) refuse(path, `none of ${texts.join(", ")}`);
  };
}

export function orNull(check: Check): Check {
  return (value, path) => {
    if (value !== null) check(value, path);
  };
}

/** One of two forms that are told apart by what the first takes. */
export function either(first: Check, second: Check): Check {
  return (value, path) => {
    try {
      first(value, path);
    } catch {
      second(value, path);
    }
  };
}

export function listOf(check: Check): Check {
  return (value, path) => {
    if (!Array.isArray(value)) return refuse(path, "not a list");
    value.forEach((item, i) => check(item, `${path}[${i}]`));
  };
}

export const sortedLabels: Check = (value, path) => {
  listOf(label)(value, path);
  const labels = value as string[];
  if (labels.some((item, i) => i > 0 && item <= (labels[i - 1] as string))) refuse(path, "labels that do not rise");
};

/** An object of exactly these members. */
export function object(members: Record<string, Check>): Check {
  const names = Object.keys(members);
  return (value, path) => {
    if (!(value instanceof Map)) return refuse(path, "not an object");
    const found = [...value.keys()];
    const missing = names.find((name) => !value.has(name));
    const other = found.find((name) => !(name in members));
    if (missing !== undefined) refuse(path, `no member ${missing}`);
    if (other !== undefined) refuse(path, `a member ${other}`);
    for (const name of names) (members[name] as Check)(value.get(name) as Value, path === "" ? name : `${path}.${name}`);
  };
}

/** An object of labels and values of one type. */
export function mapOf(check: Check): Check {
  return (value, path) => {
    if (!(value instanceof Map)) return refuse(path, "not an object");
    for (const [name, member] of value) {
      label(name, `${path} (a name)`);
      check(member, `${path}.${name}`);
    }
  };
}

export function at(value: ValueObject, name: string): Value {
  return value.get(name) as Value;
}
