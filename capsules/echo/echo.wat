;; The smallest useful capsule: the output is the input, byte for byte.
;; Its text is UTF-8, which is what a capsule has that says nothing else.
(module
  (import "tenzik_v1" "input_len" (func $input_len (result i32)))
  (import "tenzik_v1" "input_read" (func $input_read (param i32)))
  (import "tenzik_v1" "output_write" (func $output_write (param i32 i32)))

  (memory (export "memory") 1)

  (func (export "run")
    ;; One page is there; the input needs its length / 65,536 more at most. If they are refused,
    ;; `input_read` traps.
    (drop (memory.grow (i32.shr_u (call $input_len) (i32.const 16))))
    (call $input_read (i32.const 0))
    (call $output_write (i32.const 0) (call $input_len))))
