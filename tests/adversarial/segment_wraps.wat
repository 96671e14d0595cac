;; expect: reject segment_range
;; Offsets are unsigned, and the sum does not wrap.
(module
  (memory (export "memory") 1)
  (data (i32.const -1) "ab")
  (func (export "run"))
)
