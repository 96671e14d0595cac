//! What the suite expects, against what happened.

use wast::WastRet;
use wast::core::{NanPattern, WastArgCore, WastRetCore};

use crate::engine::{Trap, Value};

const CANONICAL_F32: u32 = 0x7fc0_0000;
const CANONICAL_F64: u64 = 0x7ff8_0000_0000_0000;

/// An argument, if it is of a type that the features leave.
pub(crate) fn argument(argument: &wast::WastArg<'_>) -> Option<Value> {
    let wast::WastArg::Core(argument) = argument else {
        return None;
    };
    Some(match argument {
        WastArgCore::I32(value) => Value::I32(*value),
        WastArgCore::I64(value) => Value::I64(*value),
        WastArgCore::F32(value) => Value::F32(value.bits),
        WastArgCore::F64(value) => Value::F64(value.bits),
        _ => return None,
    })
}

/// Whether these are the results. Where the suite takes any NaN that arithmetic may give, ours is the canonical one.
pub(crate) fn results(expected: &[WastRet<'_>], got: &[Value]) -> bool {
    expected.len() == got.len() && expected.iter().zip(got).all(|(one, got)| result(one, got))
}

fn result(expected: &WastRet<'_>, got: &Value) -> bool {
    match expected {
        WastRet::Core(expected) => core(expected, got),
        _ => false,
    }
}

fn core(expected: &WastRetCore<'_>, got: &Value) -> bool {
    match (expected, got) {
        (WastRetCore::I32(expected), Value::I32(got)) => expected == got,
        (WastRetCore::I64(expected), Value::I64(got)) => expected == got,
        (WastRetCore::F32(NanPattern::Value(expected)), Value::F32(got)) => expected.bits == *got,
        (WastRetCore::F64(NanPattern::Value(expected)), Value::F64(got)) => expected.bits == *got,
        (WastRetCore::F32(_), Value::F32(got)) => *got == CANONICAL_F32,
        (WastRetCore::F64(_), Value::F64(got)) => *got == CANONICAL_F64,
        (WastRetCore::Either(any), got) => any.iter().any(|expected| core(expected, got)),
        _ => false,
    }
}

/// The trap that the suite's words mean.
pub(crate) fn trap(message: &str) -> Option<Trap> {
    const WORDS: [(&str, Trap); 13] = [
        ("unreachable", Trap::Unreachable),
        ("out of bounds memory access", Trap::Memory),
        ("out of bounds table access", Trap::Table),
        ("undefined", Trap::Table),
        ("undefined element", Trap::Table),
        ("uninitialized", Trap::Null),
        ("uninitialized element", Trap::Null),
        ("indirect call", Trap::Signature),
        ("indirect call type mismatch", Trap::Signature),
        ("integer divide by zero", Trap::DivideByZero),
        ("integer overflow", Trap::Overflow),
        ("invalid conversion to integer", Trap::Conversion),
        ("call stack exhausted", Trap::Unreachable),
    ];
    let found = WORDS.iter().find(|(words, _)| {
        // An index may follow.
        message == *words || message.starts_with(&format!("{words} "))
    });
    found.map(|(_, trap)| *trap)
}
