;; expect: reject reexported_import
;; An import must not be exported, not even as `run`.
(module
  (import "tenzik_v1" "input_len" (func (result i32)))
  (memory (export "memory") 1)
  (export "run" (func 0))
)
