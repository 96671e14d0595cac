;; expect: reject feature_off,segment_offset
;; Constant expressions are constants.
(module
  (memory (export "memory") 1)
  (data (i32.add (i32.const 1) (i32.const 2)) "x")
  (func (export "run"))
)
