;; expect: reject feature_off
;; Exceptions are off.
(module
  (memory (export "memory") 1)
  (func (export "run"))
  (tag)
)
