;; expect: reject export_type
;; `memory` is a memory.
(module
  (memory 1)
  (func (export "run") (export "memory"))
)
