;; expect: accept
;; What an AssemblyScript module imports.
(module
  (import "env" "abort" (func (param i32 i32 i32 i32)))
  (import "tenzik_v1" "output_num" (func (param f64)))
  (import "tenzik_v1" "time_now_ms" (func (result i64)))
  (memory (export "memory") 1)
  (func (export "run"))
)
