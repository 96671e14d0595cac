;; expect: reject import_signature
;; The right name with another type.
(module
  (import "tenzik_v1" "hash_commit" (func (param i32 i64) (result i32)))
  (memory (export "memory") 1)
  (func (export "run"))
)
