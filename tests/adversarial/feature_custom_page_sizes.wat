;; expect: reject feature_off
;; Pages are of 64 KiB.
(module
  (memory (export "memory") 1 (pagesize 1))
  (func (export "run"))
)
