//! What never ends by itself is ended, by both engines in the same place.

use tenzik::metering::meter_module;

use crate::engine::{Engine, Failure, Trap, Value};
use crate::interpreted::Interpreted;
use crate::native::Native;

const FUEL: i64 = 1_000_000;
const OUT_OF_FUEL: i32 = 1;
const OUT_OF_STACK: i32 = 2;

/// How a call of the export `f` ended, and what the module's own numbers are then.
#[derive(Debug, PartialEq)]
struct End {
    result: Result<Vec<Value>, Failure>,
    exit: Option<Value>,
    fuel: Option<Value>,
    stack: Option<Value>,
}

fn end_on<E: Engine>(module: &[u8], function: &str, fuel: i64) -> End {
    let mut engine = E::new();
    let instance = engine.instantiate(module).expect("an instance");
    engine.set_global(instance, "tenzik:fuel", Value::I64(fuel));
    engine.set_global(instance, "tenzik:pages", Value::I64(65_536));
    End {
        result: engine.call(instance, function, &[]),
        exit: engine.global(instance, "tenzik:exit"),
        fuel: engine.global(instance, "tenzik:fuel"),
        stack: engine.global(instance, "tenzik:stack"),
    }
}

/// The same on both engines.
fn end(text: &str, function: &str, fuel: i64) -> End {
    let module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let metered = meter_module(&module).expect("a valid module");
    let native = end_on::<Native<false>>(metered.bytes(), function, fuel);
    let interpreted = end_on::<Interpreted>(metered.bytes(), function, fuel);
    assert_eq!(native, interpreted, "{text}");
    native
}

fn assert_stops(cases: &[&str], function: &str, exit: i32) {
    for case in cases {
        let text = format!("(module (memory 1) (table 1 funcref) (elem (i32.const 0) 0) {case})");
        let end = end(&text, function, FUEL);
        assert_eq!(end.result, Err(Failure::Trap(Trap::Unreachable)), "{case}");
        assert_eq!(end.exit, Some(Value::I32(exit)), "{case}");
    }
}

#[test]
fn loops_without_end_run_out_of_fuel() {
    let cases = [
        r#"(func (export "f") (loop (br 0)))"#,
        r#"(func (export "f") (loop (br_if 0 (i32.const 1))))"#,
        r#"(func (export "f") (loop (br_table 0 0 0 (i32.const 7))))"#,
        r#"(func (export "f") (loop (loop (loop (br 2)))))"#,
        r#"(func (export "f") (loop (block (block (br 2)))))"#,
        r#"(func (export "f") (loop (if (i32.const 1) (then (br 1)) (else (br 1)))))"#,
        // Dead code within and behind.
        r#"(func (export "f") (loop (br 0) (loop (br 0)) (unreachable)) (loop (br 0)))"#,
        r#"(func (export "f") (block (br 0) (loop (br 0))) (loop (block (br 1))))"#,
        // Operands below the loop and through it.
        r#"(func (export "f") (drop (i32.add (i32.const 1) (loop (result i32) (br 0)))))"#,
        r#"(func (export "f") i32.const 3 i64.const 4 loop (param i32 i64) br 0 end)"#,
        // The first function again and again, as itself and through the table.
        r#"(func) (func (export "f") (loop (call 0) (br 0)))"#,
        r#"(func) (func (export "f") (loop (call_indirect (i32.const 0)) (br 0)))"#,
        // Work that is paid by its size.
        r#"(func (export "f") (loop (memory.fill (i32.const 0) (i32.const 0) (i32.const 65536)) (br 0)))"#,
        r#"(func (export "f") (loop (drop (memory.grow (i32.const 1))) (br 0)))"#,
        r#"(func (export "f") (memory.fill (i32.const 0) (i32.const 0) (i32.const -1)))"#,
        r#"(func (export "f") (table.copy (i32.const 0) (i32.const 0) (i32.const -1)))"#,
    ];
    assert_stops(&cases, "f", OUT_OF_FUEL);
}

#[test]
fn a_start_function_without_end_runs_out_of_fuel() {
    assert_stops(
        &["(func (loop (br 0))) (start 0)"],
        "tenzik:start",
        OUT_OF_FUEL,
    );
}

#[test]
fn calls_without_end_run_out_of_stack() {
    let cases = [
        r#"(func $f (export "f") (call $f))"#,
        r#"(func $f (export "f") (block (block (call $f) (br 1))))"#,
        r#"(func $f (export "f") (result i32) (return (call $f)))"#,
        r#"(func $f (export "f") (loop (call $f) (br 0)))"#,
        r#"(func $f (export "f") (if (i32.const 0) (then) (else (call $f))))"#,
        r#"(func $f (export "f") (call $g)) (func $g (param) (call $f))"#,
        r#"(func (export "f") (call_indirect (i32.const 0)))"#,
        r#"(func $f (export "f") (result f64 i32) (call $f))"#,
        r#"(func $f (export "f") (drop (call $g (f32.const 1)))) (func $g (param f32) (result f32) (call $f) (local.get 0))"#,
    ];
    assert_stops(&cases, "f", OUT_OF_STACK);
}

/// What ends by itself ends with exactly its cost, and with one unit less it is known to have had too little.
#[test]
fn the_last_unit_is_enough() {
    let cases = [
        r#"(func (export "f"))"#,
        r#"(func (export "f") (result i32) (i32.mul (i32.const 3) (i32.const 4)))"#,
        r#"(func (export "f") (local i32) (local.set 0 (i32.const 9))
            (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))"#,
        r#"(func $g (param i32) (if (local.get 0) (then (call $g (i32.sub (local.get 0) (i32.const 1))))))
            (func (export "f") (call $g (i32.const 50)))"#,
        r#"(func (export "f") (memory.fill (i32.const 0) (i32.const 1) (i32.const 999)))"#,
        r#"(func (export "f") (drop (memory.grow (i32.const 2))))"#,
        r#"(func (export "f") (block (br 0)) (block (br_if 0 (i32.const 1)) (nop) (memory.size) (drop)))"#,
    ];
    for case in cases {
        let text = format!("(module (memory 1) {case})");
        let whole = end(&text, "f", FUEL);
        let Some(Value::I64(left)) = whole.fuel else {
            panic!("{case}: no fuel");
        };
        assert!(whole.result.is_ok(), "{case}: {whole:?}");
        assert_eq!(whole.stack, Some(Value::I64(32_768)), "{case}");
        let exact = end(&text, "f", FUEL - left);
        assert_eq!(exact.result, whole.result, "{case}");
        assert_eq!(exact.fuel, Some(Value::I64(0)), "{case}");
        let less = end(&text, "f", FUEL - left - 1);
        let known = less.exit == Some(Value::I32(OUT_OF_FUEL)) || less.fuel == Some(Value::I64(-1));
        assert!(known, "{case}: {less:?}");
    }
}
