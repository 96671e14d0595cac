;; expect: reject segment_range
;; An empty segment past the end would trap too.
(module
  (memory (export "memory") 1)
  (data (i32.const 65537) "")
  (func (export "run"))
)
