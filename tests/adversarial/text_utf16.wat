;; expect: accept
;; A UTF-16 capsule.
(module
  (memory (export "memory") 1)
  (func (export "run"))
  (global (export "capsule_text") i32 (i32.const 16))
)
