// The worker's shell around the library.
//
// Enters: replays, one message each. Leaves: a verdict for each. Refuses: nothing; the library does.

import { parentPort } from "node:worker_threads";
import { type Replay, replay } from "../replay.js";

parentPort?.on("message", (given: Replay) => parentPort?.postMessage(replay(given)));
