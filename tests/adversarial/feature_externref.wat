;; expect: reject feature_off
;; Reference types are off.
(module
  (memory (export "memory") 1)
  (func (export "run"))
  (func (param externref))
)
