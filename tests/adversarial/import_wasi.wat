;; expect: reject import_unknown
;; System interfaces are not there.
(module
  (import "wasi_snapshot_preview1" "random_get" (func (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run"))
)
