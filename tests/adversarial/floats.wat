;; expect: accept
;; Floating point, sign extension and non-trapping conversion are on.
(module
  (memory (export "memory") 1)
  (func (export "run") (result i32)
    (i32.extend8_s (i32.trunc_sat_f64_s (f64.div (f64.const 0) (f64.const 0)))))
)
