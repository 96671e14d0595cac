;; expect: reject feature_off
;; Tail calls are off.
(module
  (memory (export "memory") 1)
  (func $run (export "run") (return_call $run))
)
