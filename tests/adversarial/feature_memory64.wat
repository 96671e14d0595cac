;; expect: reject feature_off
;; Memory is of 32 bits.
(module
  (memory (export "memory") i64 1)
  (func (export "run"))
)
