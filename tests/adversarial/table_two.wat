;; expect: reject invalid_module,table
;; At most one table.
(module
  (memory (export "memory") 1)
  (func (export "run"))
  (table 1 funcref)
  (table 1 funcref)
)
