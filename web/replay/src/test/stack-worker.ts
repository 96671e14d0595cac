// Runs a module of `worst-stacks.ts` in a worker: the same library as the replay's worker, without a receipt.

import { parentPort } from "node:worker_threads";
import { CannotTell } from "../outcome.js";
import { run, said } from "./support.js";

function answer(module: Uint8Array): string {
  try {
    return said(run(module));
  } catch (error) {
    return error instanceof CannotTell ? `cannot tell: ${error.message}` : String(error);
  }
}

parentPort?.on("message", (module: Uint8Array) => parentPort?.postMessage(answer(module)));
