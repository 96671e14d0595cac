;; expect: reject export_type
;; `run` takes nothing; input is pulled.
(module
  (memory (export "memory") 1)
  (func (export "run") (param i32))
)
