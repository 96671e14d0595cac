;; expect: reject text_marker
;; `capsule_text` is an immutable i32 global, 8 or 16.
(module
  (memory (export "memory") 1)
  (func (export "run"))
  (func (export "capsule_text"))
)
