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

/** A worker, and what waits for its next answer. */
interface Started {
  worker: Worker;
  answer: (verdict: Verdict) => void;
}

export class Runner {
  #started: Started | null = null;

  constructor(readonly stackMb = STACK_MB) {}

  /** One at a time. */
  replay(given: Replay, timeMs: number): Promise<Verdict> {
    const started = (this.#started ??= this.#start());
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#stop(started, `it takes longer than ${timeMs} ms here`), timeMs);
      started.answer = (verdict) => {
        clearTimeout(timer);
        resolve(verdict);
      };
      started.worker.postMessage(given);
    });
  }

  async close(): Promise<void> {
    const worker = this.#started?.worker;
    this.#started = null;
    await worker?.terminate();
  }

  #start(): Started {
    const worker = new Worker(WORKER, { resourceLimits: { stackSizeMb: this.stackMb } });
    const started: Started = { worker, answer: () => undefined };
    worker.on("message", (verdict: Verdict) => started.answer(verdict));
    worker.on("error", (error) => this.#stop(started, `the worker failed: ${error.message}`));
    worker.on("exit", (code) => this.#stop(started, `the worker ended with ${code}`));
    return started;
  }

  #stop(started: Started, reason: string): void {
    if (this.#started === started) this.#started = null;
    void started.worker.terminate();
    started.answer({ kind: "cannot_tell", reason });
  }
}
