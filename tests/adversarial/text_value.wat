;; expect: reject text_marker
;; `capsule_text` is an immutable i32 global, 8 or 16.
(module
  (memory (export "memory") 1)
  (func (export "run"))
  (global (export "capsule_text") i32 (i32.const 7))
)
