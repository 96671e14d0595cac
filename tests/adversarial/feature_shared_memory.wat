;; expect: reject feature_off
;; Threads are off.
(module
  (memory (export "memory") 1 1 shared)
  (func (export "run"))
)
