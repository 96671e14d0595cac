;; expect: reject feature_off,segment_offset
;; An offset is a constant, not a global.
(module
  (memory (export "memory") 1)
  (global i32 (i32.const 0))
  (data (global.get 0) "a")
  (func (export "run"))
)
