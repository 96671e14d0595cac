// Runs that called tools, made by the Rust engine: TENZIK=PATH npm test. Without TENZIK nothing is compared.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { type Replay, replay } from "../replay.js";
import { Transcript } from "../transcript.js";
import { assemble, repositoryFile, RULES } from "./support.js";

const TENZIK = process.env["TENZIK"];

/** Asks three tools, one of which fails and one of which is not there, and gives all that they said. */
const MODULE = assemble(`(module
  (import "tenzik_v1" "tool_call" (func $call (param i32 i32 i32 i32) (result i32)))
  (import "tenzik_v1" "output_result" (func $give))
  (import "tenzik_v1" "output_write" (func $write (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "t:echo") (data (i32.const 8) "t:fail") (data (i32.const 16) "t:none")
  (data (i32.const 31) " {\\"a\\":\\n[1.50,\\"\\c3\\a9\\"]}\\n") (data (i32.const 64) "[,]")
  (func $one (param i32) (drop (call $call (local.get 0) (i32.const 6) (i32.const 31) (i32.const 20))) (call $give))
  (func (export "run")
    (call $write (i32.const 64) (i32.const 1)) (call $one (i32.const 0))
    (call $write (i32.const 65) (i32.const 1)) (call $one (i32.const 8))
    (call $write (i32.const 65) (i32.const 1)) (call $one (i32.const 16))
    (call $write (i32.const 66) (i32.const 1))))`);

function recorded(folder: string): Replay {
  const path = (name: string): string => join(folder, name);
  const tool = (id: string, program: string): object => ({ id, summary: "a tool", command: [program] });
  writeFileSync(path("tools.json"), JSON.stringify({ tools: [tool("t:echo", "/bin/cat"), tool("t:fail", "/bin/false")] }));
  writeFileSync(path("capsule.wasm"), MODULE);
  const args = ["run", path("capsule.wasm"), "--input", "[1]", "--grant", "tools", "--tools", path("tools.json")];
  const files = ["--receipt", path("receipt.json"), "--transcript", path("transcript")];
  const environment = { ...process.env, TENZIK_HOME: path("home") };
  const output = execFileSync(TENZIK as string, [...args, ...files], { env: environment, stdio: ["ignore", "pipe", "ignore"] });
  const answers = JSON.parse(output.toString("utf8")) as { ok?: unknown; error?: { code: string } }[];
  assert.deepEqual(answers[0], { ok: { a: [1.5, "é"] } });
  assert.deepEqual(answers.slice(1).map((answer) => answer.error?.code), ["tool_failed", "not_found"]);
  const read = (name: string): Uint8Array => new Uint8Array(readFileSync(path(name)));
  return {
    receipt: read("receipt.json"),
    capsule: MODULE,
    input: new TextEncoder().encode("[1]"),
    rules: repositoryFile("docs/rules.json"),
    transcript: read("transcript"),
  };
}

test("a run that called tools is the same by its transcript, and by nothing else", { skip: TENZIK === undefined }, () => {
  const folder = mkdtempSync(join(tmpdir(), "tenzik-tools-"));
  const given = recorded(folder);
  const verdict = replay(given);
  assert.equal(verdict.kind, "same", JSON.stringify(verdict));
  const { transcript, ...without } = given;
  assert.deepEqual(replay(without), { kind: "cannot_tell", reason: "the run called tools; its transcript is needed" });
  const changed = (transcript as Uint8Array).slice();
  changed[changed.indexOf(0x35)] = 0x36;
  assert.deepEqual(replay({ ...given, transcript: changed }), { kind: "cannot_tell", reason: "the transcript is not the claim's" });
  rmSync(folder, { recursive: true });
});

test("a transcript that is cut is none, and its root is that of its lines", () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  assert.throws(() => new Transcript(bytes("a\nb")), /newline/);
  assert.equal(new Transcript(bytes("")).root, null);
  const roots = ["a\n", "a\nb\n", "b\na\n", "a\nb\nc\n", "ab\n"].map((text) => new Transcript(bytes(text)).root);
  assert.equal(new Set(roots).size, roots.length);
});

test("an answer in any spelling but the one is no answer", () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const request = '{"request":{"run_tool":{"tool":"a","arguments":[1]}},"answer":';
  const answer = (text: string): string => {
    const transcript = new Transcript(bytes(`${request}${text}\n`));
    return new TextDecoder().decode(transcript.answer(bytes("a"), bytes("[1]"), RULES.limits));
  };
  assert.equal(answer('{"ok":{"result":{"x": 1.50}}}}'), '{"ok":{"x": 1.50}}');
  const error = '{"error":{"code":"tool_failed","message":"no \\"é\\"","retryable":false}}';
  assert.equal(answer(`${error}}`), error);
  for (const text of [
    '{"ok":{"result":1,"x":2}}}',
    '{"ok":{"result":1},"error":{}}}',
    '{"ok":{"result": 1 }}}',
    '{"ok":{"result":1}}!',
    '{"ok":{"result":}}}',
    '{"ok":{"result":01}}}',
    '{"ok":{"result":[1,\t2]}}}',
    '{"error":{"code":"made_up","message":"","retryable":false}}}',
    '{"error":{"code":"denied","message":"","retryable":"perhaps"}}}',
    '{"error":{"code":"denied","message":"\\u0041","retryable":false}}}',
    '{"error":{"message":"","code":"denied","retryable":false}}}',
    '{"error":{"code":"denied","message":"","retryable":false,"x":1}}}',
    `{"error":{"code":"denied","message":"${"x".repeat(513)}","retryable":false}}}`,
    '{"ok":{"chain":{"steps":[]}}}}',
    "1}",
  ]) {
    assert.throws(() => answer(text), /not of the form/, text);
  }
  assert.throws(() => new Transcript(bytes("\n".repeat(131_073))), /too long/);
});
