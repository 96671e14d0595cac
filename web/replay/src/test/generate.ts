// Writes random capsules: `node dist/test/generate.js FOLDER COUNT [FIRST SEED [SCALE]]`.

import { writeFileSync } from "node:fs";
import { Generator } from "./generator.js";
import { assemble } from "./support.js";

const [folder, count, first, scale] = process.argv.slice(2);
for (let seed = Number(first ?? 1); seed < Number(first ?? 1) + Number(count); seed++) {
  writeFileSync(`${folder}/${seed}.wasm`, assemble(new Generator(seed, Number(scale ?? 1)).module()));
}
