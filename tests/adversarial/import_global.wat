;; expect: reject import_unknown
;; Functions only.
(module
  (import "tenzik_v1" "input_len" (global i32))
  (memory (export "memory") 1)
  (func (export "run"))
)
