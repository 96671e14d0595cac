// The native stack: what the metering lets through must never reach the end of the engine's own.
//
// Each of the worst modules is run with either compiler alone, and with both as they come, in the replay's own stack.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { STACK_MB } from "../node/runner.js";
import { WORST } from "./worst-stacks.js";

const PROBE = fileURLToPath(new URL("./stack-probe.js", import.meta.url));

for (const flags of [[], ["--liftoff-only"], ["--no-liftoff"]]) {
  test(`the worst stacks end by the metering, ${flags.join("") || "both compilers"}`, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [...flags, PROBE, String(STACK_MB)]);
    const expected = Object.fromEntries(Object.keys(WORST).map((name) => [name, "out_of_stack"]));
    assert.deepEqual(JSON.parse(stdout), expected);
  });
}
