;; expect: reject feature_off
;; Elements are listed by index.
(module
  (memory (export "memory") 1)
  (table 2 funcref)
  (elem (i32.const 0) funcref (ref.null func))
  (func (export "run"))
)
