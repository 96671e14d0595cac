;; expect: reject feature_off
;; Table instructions are off.
(module
  (memory (export "memory") 1)
  (table 1 funcref)
  (func (export "run") (drop (table.size)))
)
