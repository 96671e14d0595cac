// Every host function, as the import object of a capsule.
//
// Enters: a host. Leaves: functions that WebAssembly can call. Refuses: a function of the rules that is not known here.

import { CannotTell } from "../outcome.js";
import type { ImportRule } from "../rules.js";
import { BASE64 } from "./base64.js";
import { Call, type Work } from "./call.js";
import { HASH } from "./hash.js";
import type { Host } from "./host.js";
import { IO } from "./io.js";
import { JSON_FUNCTIONS } from "./json.js";
import { TOOLS } from "./tools.js";

const FUNCTIONS = new Map<string, Work>(
  [BASE64, HASH, IO, JSON_FUNCTIONS, TOOLS].flatMap((table) => Object.entries(table)),
);

export type HostFunction = (...args: number[]) => number | bigint | undefined;

/** The function of a rule. The host is asked for at each call, because an instance needs its imports before there is a
 * memory to make a host of. */
export function hostFunction(rule: ImportRule, host: () => Host): HostFunction {
  const work = FUNCTIONS.get(rule.name);
  if (work === undefined) throw new CannotTell(`the host function ${rule.name} is not known here`);
  return (...args) => {
    const call = new Call(host(), rule);
    call.begin();
    return work(call, ...args) ?? undefined;
  };
}
