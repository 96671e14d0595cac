;; expect: reject export_reserved
;; Names that begin with `tenzik:` are the engine's.
(module
  (memory (export "memory") 1)
  (func (export "run"))
  (func (export "tenzik:start"))
)
