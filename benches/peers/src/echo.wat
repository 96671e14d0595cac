;; Echo for Extism's kernel, by hand: as its kits do it, the input goes into the plug-in's memory in words, and from there into
;; a block of the kernel's, which is the output.
(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "input_load_u64" (func $input_load_u64 (param i64) (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store_u8 (param i64 i32)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))

  (memory (export "memory") 1)

  (func (export "run") (result i32)
    (local $len i64) (local $at i64) (local $block i64)
    (local.set $len (call $input_length))
    (drop (memory.grow (i32.wrap_i64 (i64.shr_u (local.get $len) (i64.const 16)))))
    (block $read
      (loop $words
        (br_if $read (i64.gt_u (i64.add (local.get $at) (i64.const 8)) (local.get $len)))
        (i64.store (i32.wrap_i64 (local.get $at)) (call $input_load_u64 (local.get $at)))
        (local.set $at (i64.add (local.get $at) (i64.const 8)))
        (br $words)))
    (block $rest
      (loop $bytes
        (br_if $rest (i64.ge_u (local.get $at) (local.get $len)))
        (i32.store8 (i32.wrap_i64 (local.get $at)) (call $input_load_u8 (local.get $at)))
        (local.set $at (i64.add (local.get $at) (i64.const 1)))
        (br $bytes)))
    (local.set $block (call $alloc (local.get $len)))
    (local.set $at (i64.const 0))
    (block $written
      (loop $words
        (br_if $written (i64.gt_u (i64.add (local.get $at) (i64.const 8)) (local.get $len)))
        (call $store_u64
          (i64.add (local.get $block) (local.get $at))
          (i64.load (i32.wrap_i64 (local.get $at))))
        (local.set $at (i64.add (local.get $at) (i64.const 8)))
        (br $words)))
    (block $done
      (loop $bytes
        (br_if $done (i64.ge_u (local.get $at) (local.get $len)))
        (call $store_u8
          (i64.add (local.get $block) (local.get $at))
          (i32.load8_u (i32.wrap_i64 (local.get $at))))
        (local.set $at (i64.add (local.get $at) (i64.const 1)))
        (br $bytes)))
    (call $output_set (local.get $block) (local.get $len))
    (i32.const 0)))
