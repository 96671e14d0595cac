// Replays in a worker that can be stopped.
//
// Enters: a replay and how long it may take. Leaves: its verdict. Refuses, as "cannot tell": what takes longer, and what
// ends the worker.

import { Worker } from "node:worker_threads";
import type { Replay, Verdict } from "../replay.js";

/** The native stack. The worst that 32,768 units of the metering's stack were seen to need is told in README.md, with
 * the tests that measure it. It is address space: what a run does not use is never taken. */
export const STACK_MB = 1024;

const WORKER = new URL("./worker.js", import.meta.url);

export class Runner {
  #worker: Worker | null = null;

  constructor(readonly stackMb = STACK_MB) {}

  /** One at a time. */
  replay(given: Replay, timeMs: number): Promise<Verdict> {
    const worker = (this.#worker ??= new Worker(WORKER, { resourceLimits: { stackSizeMb: this.stackMb } }));
    return new Promise((resolve) => {
      const done = (verdict: Verdict): void => {
        clearTimeout(timer);
        worker.removeAllListeners();
        resolve(verdict);
      };
      const give = (reason: string): void => {
        this.#worker = null;
        void worker.terminate();
        done({ kind: "cannot_tell", reason });
      };
      const timer = setTimeout(() => give(`it takes longer than ${timeMs} ms here`), timeMs);
      worker.once("message", done);
      worker.once("error", (error) => give(`the worker failed: ${error.message}`));
      worker.once("exit", (code) => give(`the worker ended with ${code}`));
      worker.postMessage(given);
    });
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = null;
  }
}
