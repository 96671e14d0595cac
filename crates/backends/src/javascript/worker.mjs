// The process in which a JavaScript or TypeScript function is called.
//
// Enters, on descriptor 0: `KIND LENGTH` and a newline, then LENGTH bytes. KIND is `call` (a line of JSON, then the input's own
// bytes) or `tools` (a frame of the gateway's). Leaves, on descriptor 3, lines: `ready {…}` before any code of the guest's is
// loaded, then for each call `TOKEN tools {…}` and at last `TOKEN result {…}`, or `TOKEN last {…}` if it shall not be called
// again. Refuses: nothing of the guest's. Whoever calls this believes no more of it than a value.

const deno = globalThis.Deno;
const { process: node, console, JSON, Promise, Map, Error, Object } = globalThis;
const { parse, stringify } = JSON;
const CALLS_AT_ONCE_MAX = 16;
const MESSAGE_CHARS_MAX = 512;

const write = await writer();
// The code's own directory.
if (deno) deno.chdir(deno.args[0]);
else node.chdir(node.argv[2]);
const exit = deno ? deno.exit : node.exit.bind(node);
const encoder = new TextEncoder();
const decoder = new TextDecoder();

// The call that is under way. What an earlier one still does has another token, and nobody to speak to.
let current;

async function writer() {
  if (deno) {
    const file = deno.openSync("/dev/fd/3", { write: true, read: false });
    return (bytes) => file.writeSync(bytes);
  }
  const { writeSync } = await import("node:fs");
  return (bytes) => writeSync(3, bytes);
}

function send(text) {
  let bytes = encoder.encode(text);
  while (bytes.length > 0) bytes = bytes.subarray(write(bytes));
}

// What the runtime itself says it denies. It is asked before there is anybody who could change its word.
function denied() {
  const asked = deno
    ? ["read", "write", "net", "run", "env"].filter((name) => deno.permissions.querySync({ name }).state !== "granted")
    : Object.entries({ read: "fs.read", write: "fs.write", net: "net", run: "child" })
        .filter(([, scope]) => node.permission && knows(scope) && !allows(scope))
        .map(([name]) => name);
  return asked.sort();
}

function allows(scope) {
  return scope.startsWith("fs.") ? node.permission.has(scope, "/") : node.permission.has(scope);
}

// A runtime that has no such permission denies nothing by it, whatever it answers.
function knows(scope) {
  return scope !== "net" || node.allowedNodeEnvironmentFlags.has("--allow-net");
}

function failure(error, otherwise) {
  let [code, message] = [otherwise, ""];
  try {
    const own = String(error?.code ?? error?.name ?? "");
    if (!otherwise) code = /^[\w.:-]{1,64}$/.test(own) ? own : "error";
    message = String(error?.message ?? error).slice(0, MESSAGE_CHARS_MAX);
    console.error(error?.stack ?? error);
  } catch {
    code ??= "error";
  }
  return stringify({ failed: { code, message } });
}

function finish(call, kind, frame) {
  if (current !== call) return;
  current = undefined;
  send(`${call.token} ${kind} ${frame}\n`);
}

// What nobody waits for any more has failed the call that is under way, and spoils the process.
function spoilt(code, error) {
  if (current) finish(current, "last", failure(error, code));
  exit(1);
}

function toolError({ code, message, retryable }) {
  return Object.assign(new Error(message), { name: "ToolError", code, retryable });
}

function toolsOf(call) {
  const ask = (request) =>
    new Promise((resolve, reject) => {
      call.waiting.push({ request, resolve, reject });
      next(call);
    });
  return Object.freeze({
    describe_tool: async (tool, level = "full") => (await ask({ describe_tool: { tool, level } })).description,
    list_examples: async (tool, limit = 10) => (await ask({ list_tool_examples: { tool, limit } })).examples,
    list_namespaces: async () => (await ask({ list_namespaces: {} })).namespaces,
    run_chain: async (steps) => (await ask({ run_chain: { steps } })).chain,
    run_tool: async (tool, args = {}) => (await ask({ run_tool: { tool, arguments: args } })).result,
    search_tools: async (query, limit = 10) => (await ask({ search_tools: { query, limit } })).tools,
  });
}

function next(call) {
  if (current !== call || call.refused) {
    const over = { code: "cancelled", message: call.refused ?? "the run is over", retryable: false };
    for (const asked of call.waiting.splice(0)) asked.reject(toolError(over));
    return;
  }
  while (call.waiting.length > 0 && call.asked.size < CALLS_AT_ONCE_MAX) {
    const asked = call.waiting.shift();
    const id = ++call.count;
    call.asked.set(id, asked);
    send(`${call.token} tools ${stringify({ call: { id, request: asked.request } })}\n`);
  }
}

function answered(frame) {
  const call = current;
  if (!call) return;
  if (frame.answer) {
    const { id, answer } = frame.answer;
    const asked = call.asked.get(id);
    call.asked.delete(id);
    if ("ok" in answer) asked?.resolve(answer.ok);
    else asked?.reject(toolError(answer.error));
  } else {
    call.refused = frame.refused?.reason ?? "the gateway is closed";
    call.waiting.push(...call.asked.values());
    call.asked.clear();
  }
  next(call);
}

function called(module, name) {
  const own = (object) => (Object.hasOwn(object, name) ? object[name] : undefined);
  if (typeof own(module) === "function") return own(module);
  const tools = module.default;
  const inner = tools !== null && typeof tools === "object" ? own(tools) : undefined;
  if (typeof inner === "function") return inner.bind(tools);
  throw Object.assign(new Error(`the entrypoint exports no function ${name}`), { code: "no_export" });
}

function base64(value) {
  const bytes = typeof value === "string" ? encoder.encode(value) : new Uint8Array(value.buffer ?? value, value.byteOffset, value.byteLength);
  return bytes.toBase64 ? bytes.toBase64() : Buffer.from(bytes).toString("base64");
}

async function run(call, payload) {
  const verbatim = new WeakMap();
  const text = () => decoder.decode(payload);
  const context = Object.freeze({
    tools: call.tools ? toolsOf(call) : undefined,
    // The input as it came, and a result that is JSON text already: no number loses a digit.
    text,
    verbatim: (json) => {
      const made = Object.freeze({});
      verbatim.set(made, String(json).replace(/[\r\n\t]/g, " "));
      return made;
    },
  });
  const entry = "file://" + call.entry.split("/").map(encodeURIComponent).join("/");
  const target = called(await import(entry), call.export);
  const value = await target(call.bytes ? payload : parse(text()), context);
  if (call.bytes) return `{"ok_base64":"${base64(value)}"}`;
  const json = verbatim.get(value) ?? stringify(value ?? null);
  if (json === undefined) throw Object.assign(new Error("the result is no JSON value"), { code: "no_value" });
  return `{"ok":${json}}`;
}

function begin(frame) {
  const cut = frame.indexOf(10);
  const call = { ...parse(decoder.decode(frame.subarray(0, cut))), waiting: [], asked: new Map(), count: 0 };
  current = call;
  conclude(call, frame.slice(cut + 1));
}

async function conclude(call, payload) {
  let frame;
  try {
    frame = await run(call, payload);
  } catch (error) {
    frame = failure(error);
  }
  await flushed();
  finish(call, "result", frame);
}

// What was written for people comes before the result, also where a full pipe made it wait.
async function flushed() {
  if (deno) return;
  for (const stream of [node.stdout, node.stderr]) {
    if (stream?.writableLength > 0) await new Promise((done) => stream.write("", done));
  }
}

// Cuts what comes into frames. The pieces of a long one are joined once.
let [pieces, held, wanted, kind] = [[], 0, 0, undefined];

function take(chunk) {
  pieces.push(chunk);
  held += chunk.length;
  while (kind === undefined ? chunk.length > 0 : held >= wanted) {
    const bytes = joined();
    if (kind === undefined) {
      const end = bytes.indexOf(10);
      if (end < 0) return;
      const [name, length] = decoder.decode(bytes.subarray(0, end)).split(" ");
      [kind, wanted] = [name, Number(length)];
      keep(bytes.subarray(end + 1));
    } else {
      const frame = bytes.slice(0, wanted);
      const which = kind;
      kind = undefined;
      keep(bytes.subarray(wanted));
      if (which === "call") begin(frame);
      else answered(parse(decoder.decode(frame)));
    }
    if (kind === undefined && held === 0) return;
  }
}

function joined() {
  if (pieces.length === 1) return pieces[0];
  const whole = new Uint8Array(held);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  pieces = [whole];
  return whole;
}

function keep(rest) {
  pieces = rest.length > 0 ? [rest] : [];
  held = rest.length;
}

if (deno) {
  const spoils = (name, code, of) =>
    addEventListener(name, (event) => {
      event.preventDefault();
      spoilt(code, of(event));
    });
  spoils("unhandledrejection", "unhandled_rejection", (event) => event.reason);
  spoils("error", "uncaught_exception", (event) => event.error);
} else {
  node.on("unhandledRejection", (error) => spoilt("unhandled_rejection", error));
  node.on("uncaughtException", (error) => spoilt("uncaught_exception", error));
}

send(`ready ${stringify({ denies: denied() })}\n`);

if (deno) {
  for await (const chunk of deno.stdin.readable) take(chunk);
  exit(0);
} else {
  node.stdin.on("data", take);
  node.stdin.on("end", () => exit(0));
}
