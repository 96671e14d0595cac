;; expect: accept
;; A segment may end where the memory ends, and an empty one may start there.
(module
  (memory (export "memory") 1)
  (table 2 funcref)
  (data (i32.const 65533) "abc")
  (data (i32.const 65536) "")
  (elem (i32.const 1) $run)
  (func $run (export "run"))
)
