;; expect: reject export_missing,memory
;; A capsule has a memory.
(module
  (func (export "run"))
)
