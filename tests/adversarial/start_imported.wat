;; expect: reject import_unknown,start_imported
;; The start function is the module's own.
(module
  (import "env" "start" (func $start))
  (start $start)
  (memory (export "memory") 1)
  (func (export "run"))
)
