#!/usr/bin/env node
// Builds one capsule. In: an entry file, with a `capsule.json` beside it if there is one. Out: the module, and its manifest
// beside it. Errors of the compiler are shown as they are, but for what steers a terminal. Exit code 0 for a capsule, 1 where the source is at fault, 2
// where the command line or `capsule.json` is.

import { parseArgs } from "node:util";
import { build, BuildError } from "../transform/build.js";
import { shown } from "../transform/files.js";

const USAGE = `tenzik-asc [ENTRY] [options]

  ENTRY                   index.ts if it is left out
  -o, --out FILE          where the module goes (NAME.wasm beside the entry, NAME from capsule.json or the folder)
      --manifest FILE     where the manifest goes (beside the module, .manifest.json for .wasm)
      --embed             put the manifest into the module too, as the custom section tenzik:manifest
      --debug             keep names, and write a source map beside the module
      --print-glue        print the generated readers and writers, and build nothing
      --json              one object on stdout: module, manifest, bytes, capabilities
`;

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: "string", short: "o" }, manifest: { type: "string" }, embed: { type: "boolean" }, debug: { type: "boolean" },
      "print-glue": { type: "boolean" }, json: { type: "boolean" }, help: { type: "boolean", short: "h" },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
  } else {
    if (positionals.length > 1) throw new BuildError("one entry file at a time", 2);
    const built = await build(positionals[0] ?? "index.ts", {
      out: values.out, manifest: values.manifest, embed: values.embed, debug: values.debug, dry: values["print-glue"],
    });
    if (built.warnings) process.stderr.write(built.warnings);
    if (values["print-glue"]) process.stdout.write(shown(built.glue));
    else if (values.json) process.stdout.write(`${JSON.stringify({ module: built.out, manifest: built.manifestPath, bytes: built.bytes.length, capabilities: built.manifest.capabilities })}\n`);
    else process.stdout.write(shown(`${built.out}: ${built.bytes.length} bytes\n`));
  }
} catch (error) {
  if (!(error instanceof BuildError)) {
    if (/** @type {any} */ (error).code?.startsWith("ERR_PARSE_ARGS")) {
      process.stderr.write(`${/** @type {Error} */ (error).message}\n\n${USAGE}`);
      process.exit(2);
    }
    throw error;
  }
  process.stderr.write(shown(error.message.endsWith("\n") ? error.message : `${error.message}\n`));
  process.exitCode = error.code;
}
