;; expect: reject feature_off
;; A typed select belongs to reference types.
(module
  (memory (export "memory") 1)
  (func (export "run") (drop (select (result i32) (i32.const 1) (i32.const 2) (i32.const 0))))
)
