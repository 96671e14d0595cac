;; expect: reject memory,reexported_import
;; The memory is the module's own.
(module
  (import "env" "memory" (memory 1))
  (export "memory" (memory 0))
  (func (export "run"))
)
