;; expect: reject import_unknown
;; The right name from another module.
(module
  (import "env" "input_len" (func (result i32)))
  (memory (export "memory") 1)
  (func (export "run"))
)
