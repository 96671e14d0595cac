;; expect: reject feature_off
;; Garbage collection is off.
(module
  (memory (export "memory") 1)
  (func (export "run"))
  (type (struct (field i32)))
)
