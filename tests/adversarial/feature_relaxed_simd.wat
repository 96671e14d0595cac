;; expect: reject feature_off
;; SIMD is off.
(module
  (memory (export "memory") 1)
  (func (export "run") (drop (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0 0 0 0))))
)
