// One build from start to end. In: an entry file and where things go. Out: the module and its manifest, written; or a
// `BuildError` with the compiler's own words, in which nothing steers a terminal. Nothing is written where the source is wrong.

import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { BuildError, place, shown } from "./files.js";
import { last } from "./index.js";
import { describe, embed, manifest } from "./manifest.js";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CONFIG = join(ROOT, "asconfig.base.json");
// The compiler looks for packages from the current folder upwards; this one is where this file is.
const OWN = /(?:^|[\\/])node_modules[\\/]@tenzik[\\/]sdk[\\/](.+)$/;

export { BuildError };

/**
 * `dry` and `write: false` give everything back and write nothing.
 * @typedef {{ out?: string, manifest?: string, embed?: boolean, debug?: boolean, dry?: boolean, write?: boolean }} Options
 */

/** @param {string} entry @param {Options} [options] */
export function build(entry, options = {}) {
  const mine = turn.then(() => one(entry, options));
  turn = mine.then(() => undefined, () => undefined);
  return mine;
}

// The compiler loads the transform by itself, and what the transform found out is in a variable of its module: so one
// build at a time.
/** @type {Promise<void>} */
let turn = Promise.resolve();

/** @param {string} entry @param {Options} options */
async function one(entry, options) {
  const folder = dirname(resolve(entry));
  const description = read(entry);
  const name = typeof description?.name === "string" ? named(description.name) : basename(folder);
  const out = options.out ?? resolve(folder, `${name}.wasm`);
  const { module, map, warnings, glue, input, output, typed } = await compile(entry, out, !!options.debug);
  const content = manifest({ module, name, description, folder, input, output, typed });
  const bytes = options.embed ? embed(module, content) : module;
  const manifestPath = options.manifest ?? `${out.replace(/\.wasm$/, "")}.manifest.json`;
  if (!options.dry && options.write !== false) {
    place(out, bytes);
    place(manifestPath, print(content));
    if (map) place(`${out}.map`, map);
  }
  return { bytes, manifest: content, manifestPath, out, warnings, glue };
}

// It becomes the name of files beside the entry.
function named(/** @type {string} */ name) {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) return name;
  throw new BuildError("capsule.json: `name` must be letters, digits, `-`, `_` and `.`, at most 64, and begin with a letter or digit", 2);
}

/** The one way in which a manifest is written to a file. @param {any} content */
export function print(content) {
  return `${JSON.stringify(content, null, 2)}\n`;
}

function read(/** @type {string} */ entry) {
  const found = describe(entry);
  if (!found) return undefined;
  try {
    return JSON.parse(found.text);
  } catch (error) {
    throw new BuildError(`${found.path}: ${/** @type {Error} */ (error).message}`, 2);
  }
}

async function compile(/** @type {string} */ entry, /** @type {string} */ out, /** @type {boolean} */ debug) {
  /** @type {Map<string, any>} */
  const files = new Map();
  // Paths in messages are from the caller's folder. The file itself is found from there too.
  const path = relative(process.cwd(), resolve(entry)).replaceAll("\\", "/");
  const args = [path, "--config", CONFIG, "--outFile", basename(out)];
  if (debug) args.push("--debug", "--sourceMap");
  for (const folder of packages(dirname(resolve(entry)))) args.push("--path", relative(process.cwd(), folder));
  const { error, stderr } = await asc.main(args, {
    readFile: (name, base) => {
      const own = OWN.exec(name);
      const path = own ? join(ROOT, own[1] ?? "") : resolve(base, name);
      const text = readFile(path, "utf8").catch(() => null);
      // What stands there goes before what the command line says.
      return debug && path === CONFIG ? text.then((config) => config?.replace("TENZIK_DEBUG=0", "TENZIK_DEBUG=1") ?? null) : text;
    },
    writeFile: (name, contents) => {
      files.set(name.replace(/^\.\//, ""), contents);
    },
  });
  // The compiler says so where one more round of its optimiser made things worse; it keeps the better.
  const words = shown(stderr.toString().replace("Last converge was suboptimal.\n", ""));
  if (error) throw new BuildError(words || String(error), 1);
  const module = files.get(basename(out));
  if (!module || !last) throw new BuildError(`${entry}: nothing was compiled`, 1);
  return { module: Uint8Array.from(module), map: files.get(`${basename(out)}.map`), warnings: words, ...last };
}

/** Where packages may be, from the entry's folder upwards. */
function packages(/** @type {string} */ folder) {
  const found = [];
  for (let at = folder, last = ""; at !== last; last = at, at = dirname(at)) {
    if (existsSync(join(at, "node_modules"))) found.push(join(at, "node_modules"));
  }
  return found;
}
