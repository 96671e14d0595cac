;; expect: accept
;; The same function may be imported twice; it is one import to the host.
(module
  (import "tenzik_v1" "input_len" (func (result i32)))
  (import "tenzik_v1" "input_len" (func (result i32)))
  (memory (export "memory") 1)
  (func (export "run"))
)
