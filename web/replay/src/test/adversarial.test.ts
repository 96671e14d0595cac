// The repository's adversarial modules, tests/adversarial: what is accepted there runs here, what is rejected is refused.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { CannotTell } from "../outcome.js";
import { utf8ToString } from "../text.js";
import { assemble, repositoryFile, repositoryPath, run } from "./support.js";

const FOLDER = "tests/adversarial";

/** Rejected for a limit on counts alone, which is not repeated here. */
const BY_COUNTS = ["table_huge.wat"];

function assembled(text: string): Uint8Array | null {
  try {
    return assemble(text);
  } catch {
    // Text of features that this assembler does not know.
    return null;
  }
}

test("adversarial modules", () => {
  const answers = { accepted: 0, refused: 0, unknown: 0 };
  for (const file of readdirSync(repositoryPath(FOLDER)).filter((name) => name.endsWith(".wat"))) {
    const text = utf8ToString(repositoryFile(`${FOLDER}/${file}`));
    const accept = /^;; expect: (accept|reject)/.exec(text)?.[1] === "accept";
    const module = assembled(text);
    if (module === null) {
      answers.unknown += 1;
      assert.ok(!accept, file);
    } else if (accept || BY_COUNTS.includes(file)) {
      answers.accepted += 1;
      assert.ok(run(module), file);
    } else {
      answers.refused += 1;
      assert.throws(() => run(module), CannotTell, file);
    }
  }
  assert.ok(answers.accepted >= 10 && answers.refused >= 35 && answers.unknown <= 12, JSON.stringify(answers));
});
