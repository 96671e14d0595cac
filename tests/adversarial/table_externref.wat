;; expect: reject feature_off,table
;; A table is of functions.
(module
  (memory (export "memory") 1)
  (func (export "run"))
  (table 1 externref)
)
