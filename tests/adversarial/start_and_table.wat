;; expect: accept
;; A start function, a table with an indirect call, a mutable global that is exported.
(module
  (memory (export "memory") 1 4)
  (table (export "table") 1 funcref)
  (global (export "g") (mut i32) (i32.const 0))
  (elem (i32.const 0) $run)
  (func $start (global.set 0 (i32.const 1)))
  (start $start)
  (func $run (export "run") (if (i32.eqz (global.get 0)) (then (call_indirect (i32.const 0)))))
)
