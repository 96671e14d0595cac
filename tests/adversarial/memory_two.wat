;; expect: reject feature_off,memory
;; One memory.
(module
  (memory (export "memory") 1)
  (memory 1)
  (func (export "run"))
)
