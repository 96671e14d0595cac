;; expect: reject invalid_module
;; 65,536 pages are the most there can be.
(module
  (memory (export "memory") 65537)
  (func (export "run"))
)
