;; expect: reject import_unknown
;; A name with a typing error; the finding names the nearest.
(module
  (import "tenzik_v1" "hash_comit" (func (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "run"))
)
