// Every committed capsule against its expected outputs, capsules/*/capsule.json, and its exact figures, docs/fuel.tsv.

import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { fromHex } from "../bytes.js";
import { type Outcome, runCapsule } from "../run.js";
import { stringToUtf8, utf8ToString } from "../text.js";
import { AMPLE, repositoryFile, repositoryJson, repositoryPath, RULES, said } from "./support.js";

interface Case {
  name: string;
  input?: string;
  input_hex?: string;
  input_gzip?: string;
  output?: string;
  output_file?: string;
  seed?: string;
  status?: string;
  code?: string;
  message?: string;
  clock_ms?: number;
}

interface Manifest {
  grants: string[];
  input_type: "bytes" | "json";
  example: { input: string; output: string; clock_ms?: number; seed?: string };
  cases: Case[];
}

function inputOf(folder: string, given: Case): Uint8Array {
  if (given.input_gzip !== undefined) return gunzipSync(repositoryFile(`${folder}/${given.input_gzip}`));
  return given.input_hex === undefined ? stringToUtf8(given.input ?? "") : fromHex(given.input_hex);
}

interface Figures {
  status: string;
  fuel: number;
  pages: number;
  calls: number;
}

/** The figures by the run's name: `capsule: case`. */
const FIGURES = new Map(
  utf8ToString(repositoryFile("docs/fuel.tsv"))
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => {
      const [run = "", status = "", fuel, pages, calls] = line.split("\t");
      return [run, { status, fuel: Number(fuel), pages: Number(pages), calls: Number(calls) }] as [string, Figures];
    }),
);

/** What the figures are of: fuel is the limit where a run is neither `ok` nor `failed`. */
const LIMITS = { ...AMPLE, fuel: 50_000_000, memoryPages: 512, outputBytes: 1 << 20 };

function checkFigures(run: string, { ending, fuel: used, memoryPagesPeak, hostCalls }: Outcome): void {
  const fuel = ending.status === "ok" || ending.status === "failed" ? used : LIMITS.fuel;
  const calls = [...hostCalls.values()].reduce((sum, count) => sum + count, 0);
  assert.deepEqual({ status: ending.status, fuel, pages: memoryPagesPeak, calls }, FIGURES.get(run.replaceAll("\t", "\\t")), run);
}

function checkCase(folder: string, module: Uint8Array, manifest: Manifest, given: Case): void {
  const request = {
    input: inputOf(folder, given),
    inputType: manifest.input_type,
    clockMs: given.clock_ms ?? 0,
    seed: given.seed === undefined ? new Uint8Array(32) : fromHex(given.seed),
    limits: LIMITS,
  };
  const outcome = runCapsule(module, request, manifest.grants, RULES);
  const { ending } = outcome;
  checkFigures(`${folder.replace("capsules/", "")}: ${given.name}`, outcome);
  const file = given.output_file;
  const output = file === undefined ? given.output : utf8ToString(repositoryFile(`${folder}/${file}`));
  if (output !== undefined) {
    assert.equal(ending.status === "ok" ? utf8ToString(ending.output) : said(outcome), output, given.name);
  } else {
    assert.equal(said(outcome), [given.status, given.code].join(" ").trim(), given.name);
    const message = ending.status === "failed" && ending.message !== null ? utf8ToString(ending.message) : undefined;
    assert.equal(message, given.message, given.name);
  }
}

for (const name of readdirSync(repositoryPath("capsules"))) {
  const folder = `capsules/${name}`;
  if (!existsSync(repositoryPath(`${folder}/capsule.json`))) continue;
  test(`capsule ${name}`, () => {
    const manifest = repositoryJson<Manifest>(`${folder}/capsule.json`);
    const module = repositoryFile(`${folder}/${name}.wasm`);
    const { input, output, ...rest } = manifest.example;
    const example = { name: "example", output: utf8ToString(repositoryFile(`${folder}/${output}`)), ...rest };
    const bytes = Buffer.from(repositoryFile(`${folder}/${input}`)).toString("hex");
    checkCase(folder, module, manifest, { ...example, input_hex: bytes });
    for (const given of manifest.cases) checkCase(folder, module, manifest, given);
  });
}
