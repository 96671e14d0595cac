#!/usr/bin/env node
// The command line: see USAGE.
//
// Enters: arguments, files. Leaves: an answer on stdout and an exit code. Refuses: arguments and files that cannot be
// read, with exit code 64, which is no answer about a receipt.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { fromHex } from "./bytes.js";
import { Runner } from "./node/runner.js";
import type { Replay, Verdict } from "./replay.js";

const USAGE = `usage: node dist/cli.js RECEIPT --capsule FILE --input FILE
         [--rules FILE] [--secret FILE --seed HEX] [--transcript FILE] [--time MS] [--claim]
       node dist/cli.js --batch FILE [--rules FILE] [--time MS]

Runs a receipt's claim again. Prints "same CLAIM-ID" (exit code 0), the first member that differs (1), or
"cannot tell: REASON" (2). With --claim the re-made claim alone is printed, as canonical JSON.
FILE of --batch has a JSON object on each line, {"receipt","capsule","input"} and if need be "secret", "seed" and
"transcript", and is answered line by line.`;

const USAGE_EXIT = 64;
const TIME_MS = 60_000;
const RULES = new URL("../../../docs/rules.json", import.meta.url);
const EXIT: Record<Verdict["kind"], number> = { same: 0, differs: 1, cannot_tell: 2 };

/** Where the parts of a replay are. */
interface Paths {
  receipt: string;
  capsule: string;
  input: string;
  secret?: string | undefined;
  seed?: string | undefined;
  transcript?: string | undefined;
}

class UsageError extends Error {}

function readArguments() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      batch: { type: "string" },
      capsule: { type: "string" },
      claim: { type: "boolean" },
      help: { type: "boolean" },
      input: { type: "string" },
      rules: { type: "string" },
      secret: { type: "string" },
      seed: { type: "string" },
      time: { type: "string" },
      transcript: { type: "string" },
    },
  });
  const timeMs = Number(values.time ?? TIME_MS);
  if (!Number.isSafeInteger(timeMs) || timeMs < 1) throw new UsageError("--time is not a number of milliseconds");
  return { ...values, positionals, timeMs };
}

function load(paths: Paths, rules: Uint8Array): Replay {
  const given: Replay = {
    receipt: readFileSync(paths.receipt),
    capsule: readFileSync(paths.capsule),
    input: readFileSync(paths.input),
    rules,
  };
  if (paths.secret !== undefined) given.secret = fromHex(readFileSync(paths.secret, "ascii").trim());
  if (paths.seed !== undefined) given.seed = paths.seed;
  if (paths.transcript !== undefined) given.transcript = readFileSync(paths.transcript);
  return given;
}

function answer(verdict: Verdict): string {
  switch (verdict.kind) {
    case "same":
      return `same ${verdict.claimId}`;
    case "differs":
      return `differs ${verdict.member}: claimed ${verdict.claimed}, here ${verdict.remade}`;
    case "cannot_tell":
      return `cannot tell: ${verdict.reason}`;
  }
}

async function batch(file: string, rules: Uint8Array, timeMs: number): Promise<number> {
  const runner = new Runner();
  const codes = new Set<number>();
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (line.trim() === "") continue;
    const verdict = await answerLine(runner, line, rules, timeMs);
    console.log(answer(verdict));
    codes.add(EXIT[verdict.kind]);
  }
  await runner.close();
  return codes.has(EXIT.differs) ? EXIT.differs : codes.has(EXIT.cannot_tell) ? EXIT.cannot_tell : EXIT.same;
}

/** A line that names what is not there says nothing, and is no reason not to answer the others. */
async function answerLine(runner: Runner, line: string, rules: Uint8Array, timeMs: number): Promise<Verdict> {
  let given: Replay;
  try {
    given = load(JSON.parse(line) as Paths, rules);
  } catch (error) {
    return { kind: "cannot_tell", reason: error instanceof Error ? error.message : String(error) };
  }
  return runner.replay(given, timeMs);
}

async function main(): Promise<number> {
  const given = readArguments();
  if (given.help === true) {
    console.log(USAGE);
    return 0;
  }
  const rules = readFileSync(given.rules ?? RULES);
  if (given.batch !== undefined) return batch(given.batch, rules, given.timeMs);
  const [receipt] = given.positionals;
  const { capsule, input, secret, seed, transcript } = given;
  if (receipt === undefined || capsule === undefined || input === undefined || given.positionals.length > 1) {
    throw new UsageError("a receipt, --capsule and --input are needed");
  }
  const runner = new Runner();
  const verdict = await runner.replay(load({ receipt, capsule, input, secret, seed, transcript }, rules), given.timeMs);
  await runner.close();
  if (given.claim === true && verdict.kind !== "cannot_tell") process.stdout.write(verdict.claim);
  else console.log(answer(verdict));
  return EXIT[verdict.kind];
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  process.exitCode = USAGE_EXIT;
}
