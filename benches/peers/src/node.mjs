// For each number on standard input, so many calls, each on an instance of its own; then the nanoseconds they took.
import { createInterface } from "node:readline";

const [module, input] = process.argv.slice(-2).map((hex) => Buffer.from(hex, "hex"));
const compiled = new WebAssembly.Module(module);
let memory;
let output;
const imports = {
  tenzik_v1: {
    input_len: () => input.length,
    input_read: (ptr) => new Uint8Array(memory.buffer, ptr, input.length).set(input),
    output_write: (ptr, len) => { output = new Uint8Array(memory.buffer).slice(ptr, ptr + len); },
  },
};

function call() {
  const { exports } = new WebAssembly.Instance(compiled, imports);
  memory = exports.memory;
  exports.run();
  if (output.length !== input.length || output[0] !== input[0]) throw new Error("no echo");
}

console.log(process.version);
for await (const line of createInterface({ input: process.stdin })) {
  const calls = Number(line);
  const started = process.hrtime.bigint();
  for (let i = 0; i < calls; i++) call();
  console.log(String(process.hrtime.bigint() - started));
}
