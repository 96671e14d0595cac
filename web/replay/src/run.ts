// One run of a capsule: docs/abi.md, "How a run goes".
//
// Enters: a capsule's bytes, a request, grants, the rules. Leaves: the ending and the figures. Refuses, by CannotTell:
// what is no capsule, what the request's limits do not admit, and what this engine could not carry through.

import type { Document } from "./json/document.js";
import { parseDocument } from "./json/document.js";
import { hostFunction } from "./host/functions.js";
import { type Fuel, Host, type Request } from "./host/host.js";
import { CannotTell, type Ending, Exit } from "./outcome.js";
import type { Metering, Rules } from "./rules.js";
import { OtherRequest } from "./transcript.js";
import { trapCode } from "./traps.js";
import { type Capsule, readCapsule } from "./wasm/capsule.js";
import { WHY } from "./wasm/instrument.js";
import type { Module } from "./wasm/module.js";
import { readModule } from "./wasm/sections.js";
import { EXPORTED, rewrite } from "./wasm/rewrite.js";

export interface Outcome {
  ending: Ending;
  fuel: number;
  hostCalls: Map<string, number>;
  memoryPagesPeak: number;
}

const PAGE_BYTES = 65_536;

export function runCapsule(bytes: Uint8Array, request: Request, grants: readonly string[], rules: Rules): Outcome {
  const { metering } = rules;
  if (metering === null) throw new CannotTell("the rules have no metering");
  const module = readModule(bytes);
  // The engine sees the module as it came before anything is put into it: what is added relies on its being valid.
  if (!WebAssembly.validate(bytes as BufferSource)) throw new CannotTell("the module is no capsule: it is not valid");
  const capsule = readCapsule(module, rules, grants);
  const document = readInput(request, rules);
  checkLimits(request, metering, capsule);
  const left = request.limits.fuel - startupCost(capsule, request, rules);
  if (left < 0) return { ending: { status: "out_of_fuel" }, fuel: 0, hostCalls: new Map(), memoryPagesPeak: 0 };
  const compiled = compile(rewrite(module, metering));
  return new Run(compiled, module, capsule, request, rules, document).run(left);
}

function readInput(request: Request, rules: Rules): Document | null {
  if (request.inputType === "bytes") return null;
  const document = parseDocument(request.input, rules.limits);
  if (document === null) throw new CannotTell("the input is not strict JSON");
  return document;
}

function checkLimits({ limits }: Request, metering: Metering, capsule: Capsule): void {
  if (limits.stack > metering.stackMax) throw new CannotTell("the limit of the stack is beyond the metering's");
  if (capsule.initialPages > limits.memoryPages) throw new CannotTell("the memory is larger than the limit at the start");
}

export function startupCost(capsule: Capsule, request: Request, { startup }: Rules): number {
  return (
    startup.run +
    startup.page * capsule.initialPages +
    startup.tableSlot * capsule.tableSlots +
    startup.segmentUnit * capsule.segmentUnits +
    (request.inputType === "json" ? startup.jsonInputByte * request.input.length : 0)
  );
}

function compile(bytes: Uint8Array): WebAssembly.Module {
  try {
    return new WebAssembly.Module(bytes as BufferSource);
  } catch (error) {
    throw new CannotTell(`the engine does not compile the rewritten module: ${String(error)}`);
  }
}

type Exported = Record<string, unknown>;

class Run {
  readonly #exports: Exported;
  readonly #memory: WebAssembly.Memory;
  readonly #host: Host;

  constructor(
    compiled: WebAssembly.Module,
    readonly module: Module,
    readonly capsule: Capsule,
    readonly request: Request,
    rules: Rules,
    document: Document | null,
  ) {
    const functions: Record<string, Record<string, WebAssembly.ImportValue>> = {};
    for (const rule of capsule.imports) {
      (functions[rule.module] ??= {})[rule.name] = hostFunction(rule, () => this.#host) as WebAssembly.ImportValue;
    }
    this.#exports = instantiate(compiled, functions).exports as Exported;
    this.#memory = this.#exports["memory"] as WebAssembly.Memory;
    const fuel = new GlobalFuel(this.#exports[EXPORTED.fuel] as WebAssembly.Global);
    this.#host = new Host(rules, request, capsule.textUnitBytes, this.#memory, fuel, document);
  }

  run(fuel: number): Outcome {
    const { limits } = this.request;
    this.#host.fuel.left = fuel;
    this.#set(EXPORTED.stack, limits.stack);
    this.#set(EXPORTED.pages, BigInt(Math.min(limits.memoryPages, this.capsule.maximumPages)));
    const ending = this.#ending();
    return {
      ending,
      fuel: limits.fuel - this.#host.fuel.left,
      hostCalls: this.#host.calls,
      memoryPagesPeak: this.#memory.buffer.byteLength / PAGE_BYTES,
    };
  }

  #ending(): Ending {
    try {
      if (this.module.start !== null) (this.#exports[EXPORTED.start] as () => void)();
      const code = (this.#exports["run"] as () => number | undefined)();
      if (this.#host.fuel.left < 0) return { status: "out_of_fuel" };
      if (code !== undefined && code !== 0) return { status: "failed", code: `exit:${code}`, message: null };
      return this.#host.finish();
    } catch (thrown) {
      return this.#thrown(thrown);
    }
  }

  #thrown(thrown: unknown): Ending {
    if (thrown instanceof Exit) return thrown.ending;
    if (thrown instanceof CannotTell || thrown instanceof OtherRequest) throw thrown;
    const why = (this.#exports[EXPORTED.why] as WebAssembly.Global).value as number;
    // The engine's own stack may run out in the very function that says why, so only a trap is looked at.
    if (thrown instanceof WebAssembly.RuntimeError) {
      if (why === WHY.fuel) return { status: "out_of_fuel" };
      if (why === WHY.stack) return { status: "out_of_stack" };
      if (why === WHY.memoryRefused) throw new CannotTell("the system refused memory that the limit allows");
    }
    return { status: "trapped", code: trapCode(thrown) };
  }

  #set(name: string, value: number | bigint): void {
    (this.#exports[name] as WebAssembly.Global).value = value;
  }
}

function instantiate(compiled: WebAssembly.Module, imports: WebAssembly.Imports): WebAssembly.Instance {
  try {
    return new WebAssembly.Instance(compiled, imports);
  } catch (error) {
    if (error instanceof CannotTell) throw error;
    throw new CannotTell(`the engine makes no instance: ${String(error)}`);
  }
}

/** Fuel in the global that the rewritten module counts in. It is below 2^53 and never far below zero, so a number holds
 * it. */
class GlobalFuel implements Fuel {
  constructor(readonly global: WebAssembly.Global) {}

  get left(): number {
    return Number(this.global.value as unknown as bigint);
  }

  set left(fuel: number) {
    this.global.value = BigInt(fuel);
  }
}
