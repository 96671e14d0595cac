;; expect: reject feature_off
;; Reference types are off.
(module
  (memory (export "memory") 1)
  (func $run (export "run") (drop (ref.func $run)))
  (elem declare func $run)
)
