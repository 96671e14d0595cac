;; expect: reject invalid_module,memory
;; One memory.
(module
  (memory (export "memory") 1)
  (memory 1)
  (func (export "run"))
)
