;; expect: reject export_type
;; `run` gives back one value at most.
(module
  (memory (export "memory") 1)
  (func (export "run") (result i32 i32) (i32.const 0) (i32.const 0))
)
