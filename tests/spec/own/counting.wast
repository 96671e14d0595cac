;; What is done in functions that keep their fuel in a local, and around calls that need it. The count by operators must not
;; be more than what is taken.

(module
  (memory 1 9)
  (table 2 funcref)
  (elem (i32.const 0) $twice)
  (elem $passive func $twice)
  (func $twice (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
  (func $rounds (param i32) (result i32) (local i32)
    (loop
      (local.set 1 (i32.add (local.get 1) (i32.const 3)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))

  (func (export "grow") (param i32) (result i32) (local i32)
    (loop
      (local.set 1 (i32.add (local.get 1) (memory.grow (i32.const 1))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func (export "size") (result i32) (memory.size))
  (func (export "call") (param i32) (result i32) (local i32)
    (loop
      (local.set 1 (call $twice (i32.add (local.get 1) (call $rounds (local.get 0)))))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func (export "call-indirect") (param i32) (result i32) (local i32)
    (loop
      (local.set 1
        (call_indirect (param i32) (result i32) (i32.add (local.get 1) (local.get 0)) (i32.const 0)))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func (export "fill") (param i32) (result i32)
    (loop
      (memory.fill (i32.const 0) (local.get 0) (i32.const 100))
      (memory.copy (i32.const 200) (i32.const 50) (i32.const 50))
      (table.init $passive (i32.const 1) (i32.const 0) (i32.const 1))
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (i32.load8_u (i32.const 249)))
  (func (export "leave") (param i32) (result i32) (local i32)
    (block
      (loop
        (local.set 1 (i32.add (local.get 1) (local.get 0)))
        (br_if 1 (i32.eq (local.get 0) (i32.const 3)))
        (if (i32.eq (local.get 0) (i32.const 5)) (then (return (call $twice (local.get 1)))))
        (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
        (br 0)))
    (call $rounds (local.get 1)))
  (func (export "arms") (param i32) (result i32)
    (if (result i32) (local.get 0)
      (then (call $rounds (i32.const 4)))
      (else (i32.rem_u (i32.const 100) (call $rounds (i32.const 3))))))
  (func (export "behind") (param i32) (result i32)
    (block (br_if 0 (local.get 0)) (drop (i32.popcnt (local.get 0))))
    (i32.div_u (i32.const 100) (i32.add (local.get 0) (i32.const 1))))

  ;; A conversion that went well leaves nothing for the trap that follows.
  (func (export "convert, then stop") (param f32) (result i32)
    (drop (i32.trunc_f32_s (local.get 0))) (unreachable))
  (func (export "convert, then divide") (param f32) (result i32)
    (i32.div_u (i32.const 1) (i32.trunc_f32_s (local.get 0)))))

(assert_return (invoke "call" (i32.const 3)) (i32.const 102))
(assert_return (invoke "call-indirect" (i32.const 3)) (i32.const 34))
(assert_return (invoke "fill" (i32.const 5)) (i32.const 1))
(assert_return (invoke "leave" (i32.const 4)) (i32.const 21))
(assert_return (invoke "leave" (i32.const 9)) (i32.const 70))
(assert_return (invoke "arms" (i32.const 0)) (i32.const 1))
(assert_return (invoke "arms" (i32.const 1)) (i32.const 12))
(assert_return (invoke "behind" (i32.const 0)) (i32.const 100))
(assert_return (invoke "behind" (i32.const 1)) (i32.const 50))

(assert_return (invoke "grow" (i32.const 3)) (i32.const 6))
(assert_return (invoke "size") (i32.const 4))
;; Up to the maximum, and not beyond.
(assert_return (invoke "grow" (i32.const 5)) (i32.const 30))
(assert_return (invoke "size") (i32.const 9))
(assert_return (invoke "grow" (i32.const 2)) (i32.const -2))
(assert_return (invoke "size") (i32.const 9))

(assert_trap (invoke "convert, then stop" (f32.const 1)) "unreachable")
(assert_trap (invoke "convert, then divide" (f32.const 0.5)) "integer divide by zero")
