;; expect: reject limit_exceeded
;; Slots are written when a run starts.
(module
  (memory (export "memory") 1)
  (func (export "run"))
  (table 10001 funcref)
)
