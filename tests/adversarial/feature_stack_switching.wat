;; expect: reject feature_off
;; Stack switching is off.
(module
  (memory (export "memory") 1)
  (func (export "run"))
  (type $f (func))
  (type (cont $f))
)
