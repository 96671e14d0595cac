;; expect: reject export_type
;; `run` gives back nothing or an i32.
(module
  (memory (export "memory") 1)
  (func (export "run") (result i64) (i64.const 0))
)
