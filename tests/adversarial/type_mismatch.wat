;; expect: reject invalid_module
;; Each function that is not valid is a finding of its own.
(module
  (memory (export "memory") 1)
  (func (export "run") (drop (i32.add (i32.const 1) (i64.const 1))))
  (func (i32.const 1))
)
