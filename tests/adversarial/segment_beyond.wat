;; expect: reject segment_range
;; A data segment past the initial memory would trap.
(module
  (memory (export "memory") 1 2)
  (data (i32.const 65535) "ab")
  (func (export "run"))
)
