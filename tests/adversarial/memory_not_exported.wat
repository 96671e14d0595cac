;; expect: reject export_missing
;; The memory is exported as `memory`.
(module
  (memory 1)
  (func (export "run"))
)
