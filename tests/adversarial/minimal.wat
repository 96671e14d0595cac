;; expect: accept
;; The smallest capsule.
(module
  (memory (export "memory") 1)
  (func (export "run"))
)
