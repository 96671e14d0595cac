//! NaN bits: what arithmetic gives is canonical, and what only moves a sign keeps its bits.

use crate::support::{import, with};

/// The bits that an expression of type `f32` or `f64` has.
fn bits(float: &str, expression: &str) -> String {
    let (int, size) = if float == "f32" {
        ("i32", 4)
    } else {
        ("i64", 8)
    };
    let odd = "(global $odd32 (mut f32) (f32.const -nan:0x212345)) (global $odd64 (mut f64) (f64.const -nan:0x4000000012345))
        (global $zero32 (mut f32) (f32.const 0)) (global $zero64 (mut f64) (f64.const 0))
        (global $inf32 (mut f32) (f32.const inf)) (global $inf64 (mut f64) (f64.const inf))";
    let before = format!("{} {odd}", import("output_write"));
    let body = format!(
        "({int}.store (i32.const 0) ({int}.reinterpret_{float} {expression}))
        (call $output_write (i32.const 0) (i32.const {size}))"
    );
    let mut output = with(&before, &body).output();
    output.reverse();
    tenzik_receipt::to_hex(&output)
}

#[test]
fn every_nan_of_an_operation_is_canonical() {
    for (float, canonical) in [("f32", "7fc00000"), ("f64", "7ff8000000000000")] {
        let width = &float[1..];
        let (odd, zero, inf) = (
            format!("(global.get $odd{width})"),
            format!("(global.get $zero{width})"),
            format!("(global.get $inf{width})"),
        );
        let mut expressions = vec![
            format!("({float}.div {zero} {zero})"),
            format!("({float}.sub {inf} {inf})"),
            format!("({float}.mul {inf} {zero})"),
            format!("({float}.sqrt ({float}.const -1))"),
            format!("({float}.add {inf} ({float}.neg {inf}))"),
        ];
        for op in ["add", "sub", "mul", "div", "min", "max"] {
            expressions.push(format!("({float}.{op} {odd} {zero})"));
            expressions.push(format!("({float}.{op} {zero} {odd})"));
            expressions.push(format!("({float}.{op} {odd} {odd})"));
        }
        for op in ["ceil", "floor", "trunc", "nearest", "sqrt"] {
            expressions.push(format!("({float}.{op} {odd})"));
        }
        for expression in expressions {
            assert_eq!(bits(float, &expression), canonical, "{expression}");
        }
    }
    assert_eq!(
        bits("f64", "(f64.promote_f32 (global.get $odd32))"),
        "7ff8000000000000"
    );
    assert_eq!(
        bits("f32", "(f32.demote_f64 (global.get $odd64))"),
        "7fc00000"
    );
}

#[test]
fn a_nan_that_is_only_moved_keeps_its_bits() {
    for (expression, expected) in [
        ("(global.get $odd64)", "fff4000000012345"),
        ("(f64.neg (global.get $odd64))", "7ff4000000012345"),
        ("(f64.abs (global.get $odd64))", "7ff4000000012345"),
        (
            "(f64.copysign (global.get $odd64) (f64.const 1))",
            "7ff4000000012345",
        ),
        (
            "(f64.reinterpret_i64 (i64.const 0x7ff0000000000001))",
            "7ff0000000000001",
        ),
        (
            "(select (global.get $odd64) (f64.const 0) (i32.const 1))",
            "fff4000000012345",
        ),
    ] {
        assert_eq!(bits("f64", expression), expected, "{expression}");
    }
    assert_eq!(bits("f32", "(f32.neg (global.get $odd32))"), "7fa12345");
}
