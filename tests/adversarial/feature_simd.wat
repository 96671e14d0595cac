;; expect: reject feature_off
;; SIMD is off.
(module
  (memory (export "memory") 1)
  (func (export "run") (drop (v128.const i32x4 0 0 0 0)))
)
