;; Bulk operators on tables with nothing but functions in them: the suite has them with references only.

(module
  (type $number (func (result i32)))
  (table 8 funcref)
  (elem (i32.const 0) $zero $one $two)
  (elem $passive func $three $four $five)
  (func $zero (result i32) (i32.const 0))
  (func $one (result i32) (i32.const 1))
  (func $two (result i32) (i32.const 2))
  (func $three (result i32) (i32.const 3))
  (func $four (result i32) (i32.const 4))
  (func $five (result i32) (i32.const 5))
  (func (export "call") (param i32) (result i32) (call_indirect (type $number) (local.get 0)))
  (func (export "init") (param i32 i32 i32) (table.init $passive (local.get 0) (local.get 1) (local.get 2)))
  (func (export "copy") (param i32 i32 i32) (table.copy (local.get 0) (local.get 1) (local.get 2)))
  (func (export "drop") (elem.drop $passive)))

(assert_return (invoke "call" (i32.const 2)) (i32.const 2))
(assert_trap (invoke "call" (i32.const 3)) "uninitialized element")
(assert_trap (invoke "call" (i32.const 8)) "undefined element")

(invoke "init" (i32.const 3) (i32.const 1) (i32.const 2))
(assert_return (invoke "call" (i32.const 3)) (i32.const 4))
(assert_return (invoke "call" (i32.const 4)) (i32.const 5))
(assert_trap (invoke "init" (i32.const 6) (i32.const 0) (i32.const 3)) "out of bounds table access")
(assert_trap (invoke "init" (i32.const 0) (i32.const 2) (i32.const 2)) "out of bounds table access")
(assert_trap (invoke "init" (i32.const 0) (i32.const 1) (i32.const -1)) "out of bounds table access")
(assert_trap (invoke "call" (i32.const 6)) "uninitialized element")

;; Upwards and downwards over itself.
(invoke "copy" (i32.const 1) (i32.const 0) (i32.const 5))
(assert_return (invoke "call" (i32.const 1)) (i32.const 0))
(assert_return (invoke "call" (i32.const 5)) (i32.const 5))
(invoke "copy" (i32.const 0) (i32.const 2) (i32.const 4))
(assert_return (invoke "call" (i32.const 0)) (i32.const 1))
(assert_return (invoke "call" (i32.const 3)) (i32.const 5))
(assert_trap (invoke "copy" (i32.const 4) (i32.const 0) (i32.const 5)) "out of bounds table access")

;; A segment that was dropped has no entries.
(invoke "drop")
(invoke "drop")
(invoke "init" (i32.const 0) (i32.const 0) (i32.const 0))
(assert_trap (invoke "init" (i32.const 0) (i32.const 0) (i32.const 1)) "out of bounds table access")
