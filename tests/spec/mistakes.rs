//! What wasmi 2.0.0 gets wrong, without any metering, and the wasmi that is linked must not: claims would be false.

use crate::engine::{Engine, Value};
use crate::interpreted::Interpreted;
use crate::native::Native;

fn on<E: Engine>(module: &[u8]) -> Value {
    let mut engine = E::new();
    let instance = engine.instantiate(module).expect("an instance");
    let results = engine.call(instance, "f", &[]);
    results.expect("no trap")[0]
}

fn assert_right(text: &str, right: i32) {
    let module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(on::<Native<false>>(&module), Value::I32(right), "{text}");
    assert_eq!(on::<Interpreted>(&module), Value::I32(right), "{text}");
}

/// It fused a comparison with zero into the `select` behind it, and then looked at the register in which the comparison's
/// result would have been, instead of at what was compared.
#[test]
fn a_select_by_a_comparison_with_zero() {
    assert_right(
        r#"(module
          (func $g (param i32) (result i32)
            (select (i32.const 10) (i32.const 20) (i32.eqz (local.get 0))))
          (func (export "f") (result i32) (call $g (i32.const 7))))"#,
        20,
    );
    assert_right(
        r#"(module
          (func $g (param i32 i32 i32) (result i32)
            (select (local.get 1) (local.get 2) (i32.ne (local.get 0) (i32.const 0))))
          (func (export "f") (result i32) (call $g (i32.const 1) (i32.const 7) (i32.const 8))))"#,
        7,
    );
    assert_right(
        r#"(module (memory 1)
          (func (export "f") (result i32) (local $zero i32)
            (select (memory.size) (local.get $zero) (i32.eqz (local.get $zero)))))"#,
        1,
    );
}

/// Where it entered a loop it copied the parameters through the register that still held an operand below them.
#[test]
fn an_operand_below_a_loop_with_parameters() {
    assert_right(
        r#"(module
          (func (export "f") (result i32) (local $below i32) (local $five i32)
            (local.set $five (i32.const 5))
            (local.tee $below (i32.popcnt (local.get $below)))
            local.get $five
            loop (param i32) (result i32) end
            i32.popcnt
            drop))"#,
        0,
    );
}
