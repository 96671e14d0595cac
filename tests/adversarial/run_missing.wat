;; expect: reject export_missing
;; There is nothing to run.
(module
  (memory (export "memory") 1)
)
