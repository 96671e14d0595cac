;; expect: reject feature_off
;; Wide arithmetic is off.
(module
  (memory (export "memory") 1)
  (func (export "run") (i64.add128 (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0)) (drop) (drop))
)
