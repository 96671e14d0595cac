// How much native stack the worst modules need: `node [V8 FLAGS] dist/test/stack-probe.js [MB]`.
//
// Without MB, finds for each the least of a row of sizes that is enough, and prints it. With MB, prints the answers of
// that size as a JSON object; the test of the stack runs it so, with either compiler alone.

import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { assemble } from "./support.js";
import { WORST } from "./worst-stacks.js";

const SIZES_MB = [0.5, 0.75, 1, 1.25, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 256, 384, 512, 768, 1024];

async function answer(module: Uint8Array, megabytes: number): Promise<string> {
  const worker = new Worker(new URL("./stack-worker.js", import.meta.url), { resourceLimits: { stackSizeMb: megabytes } });
  try {
    worker.postMessage(module);
    const [said] = (await Promise.race([once(worker, "message"), once(worker, "error")])) as [unknown];
    return String(said);
  } finally {
    await worker.terminate();
  }
}

const [asked, only] = process.argv.slice(2);
const answers: Record<string, string> = {};
for (const [name, text] of Object.entries(WORST)) {
  if (only !== undefined && name !== only) continue;
  const module = assemble(text);
  if (asked !== undefined) {
    answers[name] = await answer(module, Number(asked));
    continue;
  }
  let found = "not enough";
  for (const size of SIZES_MB) {
    const said = await answer(module, size);
    if (said === "out_of_stack") {
      found = `${size} MB`;
      break;
    }
    if (!/stack size exceeded/.test(said)) found = said.slice(0, 100);
  }
  console.log(`${name.padEnd(30)} ${found}`);
}
if (asked !== undefined) console.log(JSON.stringify(answers));
