;; expect: accept
;; A UTF-8 capsule that says so.
(module
  (memory (export "memory") 1)
  (func (export "run"))
  (global (export "capsule_text") i32 (i32.const 8))
)
