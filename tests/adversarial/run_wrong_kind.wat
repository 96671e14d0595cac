;; expect: reject export_type
;; `run` is a function.
(module
  (memory (export "memory") 1)
  (global (export "run") i32 (i32.const 0))
)
