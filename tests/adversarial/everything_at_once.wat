;; expect: reject export_reserved,import_signature,import_unknown,reexported_import,segment_range,text_marker,export_missing
;; All findings are reported, not the first alone.
(module
  (import "tenzik_v1" "input_len" (func $len (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (global (export "capsule_text") (mut i32) (i32.const 8))
  (data (i32.const 65536) "x")
  (export "tenzik:fuel" (func $len))
)
