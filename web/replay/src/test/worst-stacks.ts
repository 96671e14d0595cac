// Modules that use the native stack as badly as can be thought of, for a given stack of the metering.
//
// Each recurses until the metering stops it: `out_of_stack`. If the engine's own stack ends first, that is "cannot tell".

import { capsule } from "./support.js";

function repeat(count: number, text: (index: number) => string): string {
  return Array.from({ length: count }, (_, i) => text(i)).join(" ");
}

/** Tiny frames: as many of them as there can be. */
const tiny = '(func $f (export "run") call $f)';

/** Tiny frames through a table, in a circle of functions. */
const indirect = `(type $t (func)) (table 2 funcref) (elem (i32.const 0) $f $g)
  (func $f (export "run") (call_indirect (type $t) (i32.const 1))) (func $g (call_indirect (type $t) (i32.const 0)))`;

/** Locals that are all alive across the call. */
function locals(count: number, type: string): string {
  return `(global $s (mut ${type}) (${type}.const 1)) (func $f (local ${`${type} `.repeat(count)})
    ${repeat(count, (i) => `(local.set ${i} (${type}.add (global.get $s) (${type}.const ${i})))`)}
    call $f
    ${repeat(count, (i) => `(global.set $s (${type}.add (global.get $s) (local.get ${i})))`)})
    (func (export "run") call $f)`;
}

/** Operands that are all alive across the call. */
function operands(count: number): string {
  return `(global $s (mut i64) (i64.const 1)) (func $f
    ${repeat(count, (i) => `(i64.mul (global.get $s) (i64.const ${i + 3}))`)}
    call $f
    ${repeat(count, () => "(global.set $s)")}) (func (export "run") call $f)`;
}

/** Parameters and results beyond what registers take. */
function signature(params: number, results: number): string {
  const type = `(param ${"f64 ".repeat(params)}) (result ${"i64 ".repeat(results)})`;
  return `(func $f ${type} ${repeat(params, (i) => `(f64.add (local.get ${i}) (f64.const ${i}))`)} call $f)
    (func (export "run") ${repeat(params, (i) => `(f64.const ${i})`)} call $f ${"drop ".repeat(results)})`;
}

/** Values that are worked out again behind the call: an optimiser may keep them all across it, in slots of its own. */
function common(count: number): string {
  const values = repeat(count, (i) => `(global.set $s (i32.xor (i32.mul (local.get 0) (i32.const ${2 * i + 3})) (i32.const ${i})))`);
  return `(global $s (mut i32) (i32.const 1)) (func $f (param i32) ${values} (call $f (global.get $s)) ${values})
    (func (export "run") (call $f (i32.const 5)))`;
}

/** The same in as few bytes as it can be said: what fits a body of 262,144 bytes, the most that the rules allow. */
function commonest(count: number): string {
  const values = repeat(count, (i) => `(global.set $s (i64.add (local.get 0) (i64.const ${i + 1})))`);
  return `(global $s (mut i64) (i64.const 1)) (func $f (param i64) ${values} (call $f (global.get $s)) ${values})
    (func (export "run") (call $f (i64.const 5)))`;
}

/** Sums of products of floats, whose NaNs are looked at. */
function mixed(count: number): string {
  return `(global $s (mut f64) (f64.const 1)) (func $f (param f64) (result f64) (local f64)
    ${repeat(count, (i) => `(f64.add (f64.mul (local.get 0) (f64.const ${i})) (local.get 1))`)}
    (call $f (f64.add (local.get 0) (f64.const 1)))
    ${repeat(count, () => "(f64.add)")})
    (func (export "run") (drop (call $f (f64.const 1))))`;
}

/** Host calls at the bottom: the deepest walk of a path over the deepest document. */
const hostAtBottom = `(import "tenzik_v1" "json_path" (func $path (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1 4) (data (i32.const 0) "${"[".repeat(128)}${"]".repeat(128)}") (data (i32.const 300) "$${"[*]".repeat(127)}")
  (func $f (drop (call $path (i32.const 0) (i32.const 256) (i32.const 300) (i32.const 382))) call $f)
  (func (export "run") call $f)`;

export const WORST: Record<string, string> = {
  tiny: capsule(tiny),
  indirect: capsule(indirect),
  "1 local": capsule(locals(1, "i32")),
  "8 locals": capsule(locals(8, "i64")),
  "64 locals": capsule(locals(64, "i64")),
  "2000 locals": capsule(locals(2000, "i64")),
  "2000 small locals": capsule(locals(2000, "i32")),
  "16 operands": capsule(operands(16)),
  "1000 operands": capsule(operands(1000)),
  "64 parameters": capsule(signature(64, 1)),
  "16 results": capsule(signature(1, 16)),
  "64 parameters, 16 results": capsule(signature(64, 16)),
  "1000 floats": capsule(mixed(1000)),
  "100 common values": capsule(common(100)),
  "1000 common values": capsule(common(1000)),
  "15000 common values": capsule(commonest(15_000)),
  "a host call at the bottom": `(module ${hostAtBottom})`,
};
