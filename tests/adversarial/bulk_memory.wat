;; expect: accept
;; Passive segments and bulk operations are on.
(module
  (memory (export "memory") 1)
  (data $text "abc")
  (func (export "run")
    (memory.init $text (i32.const 0) (i32.const 0) (i32.const 3))
    (data.drop $text)
    (memory.copy (i32.const 8) (i32.const 0) (i32.const 3))
    (memory.fill (i32.const 16) (i32.const 1) (i32.const 3)))
)
