// Lets any Node from version 20 on import TypeScript: one that does not by itself has its types taken out by the compiler. They
// are checked by `npm test`, not here. Import it before, and what is TypeScript by `await import(…)`.
//
// Exit code 77: there is no way to.

import { readFile } from "node:fs/promises";
import module from "node:module";
import { isMainThread } from "node:worker_threads";

// Hooks are loaded once more in a thread of their own.
if (isMainThread && !process.features.typescript) {
  if (!module.register) stop(`node ${process.version} is older than 20.6`);
  await import("typescript").catch(() => stop(`node ${process.version} reads no TypeScript by itself, and the compiler is not installed: run \`npm ci --ignore-scripts\` in capsules`));
  module.register(import.meta.url);
}

function stop(reason) {
  console.error(reason);
  process.exit(77);
}

/** The hook: what Node runs in place of a file. */
export async function load(url, context, next) {
  if (!url.startsWith("file:") || !url.endsWith(".ts")) return next(url, context);
  const { default: ts } = await import("typescript");
  const { outputText } = ts.transpileModule(await readFile(new URL(url), "utf8"), {
    fileName: url,
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true, inlineSourceMap: true },
  });
  return { format: "module", source: outputText, shortCircuit: true };
}
