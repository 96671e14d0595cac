// What a capsule says of itself. In: its module, its schemas, and `capsule.json` where there is one. Out: the manifest,
// and on request the module with it as a custom section. It looks at imports only, and trusts no list of grants.

import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { BuildError } from "./files.js";

/** The custom section with the manifest: its JSON, UTF-8. */
export const SECTION = "tenzik:manifest";

// A manifest stays one that is read at a glance: so many examples, and so many bytes of input and output together, of the
// example and of a case.
const EXAMPLES_MAX = 16, EXAMPLE_BYTES_MAX = 65536, CASE_BYTES_MAX = 1024;

// docs/abi.md: which import belongs to which capability. What is not here needs none.
const CAPABILITIES = [
  ["hash", /^(hash_|hmac_)/], ["json", /^(json_|num_)/], ["base64", /^base64_/], ["time", /^time_/], ["random", /^random_/],
  ["tools", /^tool_/],
];

/**
 * @param {Uint8Array<ArrayBuffer>} module
 * @returns {string[]}
 */
export function capabilities(module) {
  const names = WebAssembly.Module.imports(new WebAssembly.Module(module)).map((one) => one.name);
  return CAPABILITIES.filter(([, pattern]) => names.some((name) => /** @type {RegExp} */ (pattern).test(name))).map(([name]) => String(name));
}

/**
 * @param {{ module: Uint8Array<ArrayBuffer>, name: string, description: any, folder: string, input: any, output: any, typed: boolean }} of
 */
export function manifest({ module, name, description, folder, input, output, typed }) {
  const { version = "0.0.0", description: words = "", input_type = "json" } = description ?? {};
  const type = typed ? "json" : input_type;
  return {
    manifest: 1, name, version, description: words, abi: "tenzik_v1", input_type: type, capabilities: capabilities(module),
    ...(type === "json" ? { input, output } : {}),
    examples: examples(description, folder),
  };
}

/**
 * The example, and of the cases the first that end well under the capsule's own grants and limits and are short. One whose
 * files are not there yet is left out. `tenzik test --refresh` writes the same: `crates/cli/src/capsule/examples.rs`.
 */
function examples(/** @type {any} */ description, /** @type {string} */ folder) {
  const { example, cases = [] } = description ?? {};
  if (!Array.isArray(cases) || cases.some((run) => run === null || typeof run !== "object")) {
    throw new BuildError("capsule.json: `cases` must be a list of objects", 2);
  }
  const first = example && one({ input_file: example.input, output_file: example.output }, folder, EXAMPLE_BYTES_MAX);
  const found = first ? [written(example.name, first, example)] : [];
  for (const run of cases) {
    if (run.status !== undefined || run.grants !== undefined || run.limits !== undefined || run.input_gzip !== undefined) continue;
    const shown = one(run, folder, CASE_BYTES_MAX);
    if (shown && found.length < EXAMPLES_MAX) found.push(written(run.name, shown, run));
  }
  return found;
}

/** Input and output, unless they are too long or not there. @returns {{ input: Buffer, output: Buffer } | undefined} */
function one(/** @type {any} */ run, /** @type {string} */ folder, /** @type {number} */ bytes_max) {
  const file = (/** @type {unknown} */ name) => {
    const path = inside(folder, name);
    const found = statSync(path, { throwIfNoEntry: false });
    return found?.isFile() && found.size <= bytes_max ? readFileSync(path) : undefined;
  };
  const input = typeof run.input === "string" ? Buffer.from(run.input) : typeof run.input_hex === "string" ? Buffer.from(run.input_hex, "hex") : file(run.input_file);
  const output = typeof run.output === "string" ? Buffer.from(run.output) : file(run.output_file);
  return input && output && input.length + output.length <= bytes_max ? { input, output } : undefined;
}

// Input and output are the files' text, so that no number in it is rounded on the way; base64 where it is no text.
function written(/** @type {string | undefined} */ name, /** @type {{ input: Buffer, output: Buffer }} */ { input, output }, /** @type {any} */ { clock_ms, seed }) {
  return {
    ...(name === undefined ? {} : { name }), ...text("input", input), ...text("output", output),
    ...(clock_ms === undefined ? {} : { clock_ms }), ...(seed === undefined ? {} : { seed }),
  };
}

// A manifest is given to others, so nothing of elsewhere may come into it.
function inside(/** @type {string} */ folder, /** @type {unknown} */ name) {
  const path = resolve(folder, typeof name === "string" ? name : "");
  const within = path.startsWith(resolve(folder) + sep) && (!existsSync(path) || realpathSync(path).startsWith(realpathSync(folder) + sep));
  if (typeof name !== "string" || !within) {
    throw new BuildError("capsule.json: `input` and `output` of the example, `input_file` and `output_file` of a case must each name a file of the folder", 2);
  }
  return path;
}

function text(/** @type {string} */ member, /** @type {Buffer} */ bytes) {
  try {
    return { [member]: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { [`${member}_base64`]: bytes.toString("base64") };
  }
}

/**
 * `capsule.json` of the folder that the entry is in, or nothing.
 * @param {string} entry
 */
export function describe(entry) {
  const path = join(dirname(entry), "capsule.json");
  return existsSync(path) ? { path, text: readFileSync(path, "utf8") } : undefined;
}

/**
 * The module with one more custom section at its end.
 * @param {Uint8Array} module @param {any} content
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function embed(module, content) {
  const name = new TextEncoder().encode(SECTION);
  const body = new TextEncoder().encode(JSON.stringify(content));
  const inner = [...length(name.length), ...name, ...body];
  return Uint8Array.from([...module, 0, ...length(inner.length), ...inner]);
}

function length(/** @type {number} */ n) {
  const bytes = [];
  do {
    bytes.push((n & 127) | (n > 127 ? 128 : 0));
    n >>>= 7;
  } while (n);
  return bytes;
}
