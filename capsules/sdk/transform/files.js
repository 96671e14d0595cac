// What a build leaves outside: files, and words for a terminal. In: paths, bytes, the compiler's messages. Out: whole files,
// and text that only says something. It refuses to write through links and over what is no file.

import { lstatSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { basename, dirname, join } from "node:path";

export class BuildError extends Error {
  /** @param {string} message @param {1 | 2} code 1 for the source, 2 for what the caller wants */
  constructor(message, code) {
    super(message);
    this.code = code;
  }
}

/**
 * Writes a file in place of what was there: a reader finds the old one or the new one. A link may lead out of the folder,
 * which may be a stranger's.
 * @param {string} path @param {string | Uint8Array} contents
 */
export function place(path, contents) {
  const there = lstatSync(path, { throwIfNoEntry: false });
  if (there && !there.isFile()) throw new BuildError(`${path} is ${there.isSymbolicLink() ? "a link" : "no file"}: it is not written over`, 2);
  const scratch = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}`);
  try {
    writeFileSync(scratch, contents, { flag: "wx" });
    renameSync(scratch, path);
  } catch (error) {
    rmSync(scratch, { force: true });
    throw new BuildError(`${path} cannot be written: ${/** @type {Error} */ (error).message}`, 2);
  }
}

/**
 * The compiler shows lines of the source, which may be a stranger's: what steers a terminal or turns the direction of
 * text in them is written as an escape. Line ends and tabs stay.
 * @param {string} text
 */
export function shown(text) {
  return text.replace(/[^\P{C}\n\t]/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}
