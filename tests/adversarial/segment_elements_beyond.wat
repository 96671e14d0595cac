;; expect: reject segment_range
;; Elements past the table would trap.
(module
  (memory (export "memory") 1)
  (table 1 funcref)
  (elem (i32.const 1) $run)
  (func $run (export "run"))
)
