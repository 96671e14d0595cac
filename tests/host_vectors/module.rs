//! From a case to the text of modules.
//!
//! Enters: a [`Case`] and what its module is for. Leaves: WebAssembly text. All modules of a case execute the same
//! instructions up to the call; they differ in what is called, and in what comes after.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;
use tenzik::capability::{IMPORTS, Import, NumberType};

use super::case::{Blob, Call, Case};

/// What a module is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The call, then code 1.
    Charge,
    /// As before, but `input_len` is called and the arguments are dropped.
    Baseline,
    /// The call, then code 1 if value, memory and result buffer are as expected, else a code that says which is not.
    Answer,
    /// The call, then code 0: the output is looked at.
    Output,
}

pub(crate) const WRONG_VALUE: i32 = 2;
pub(crate) const WRONG_MEMORY: i32 = 3;
pub(crate) const WRONG_RESULT: i32 = 4;

pub(crate) fn text(case: &Case, purpose: Purpose) -> String {
    let mut module = "(module\n".to_owned();
    for import in imports(case) {
        declare(&mut module, import);
    }
    writeln!(module, "(memory (export \"memory\") {})", case.pages).expect("text");
    if case.text == 16 {
        module.push_str("(global (export \"capsule_text\") i32 (i32.const 16))\n");
    }
    for blob in case.memory.iter().filter(|blob| fill(blob).is_none()) {
        let (at, bytes) = (blob.at, escaped(&blob.units(case.text)));
        writeln!(module, "(data (i32.const {at}) \"{bytes}\")").expect("text");
    }
    module.push_str("(func (export \"run\") (result i32)\n");
    body(&mut module, case, purpose);
    module.push_str("))\n");
    module
}

/// The imports of all modules of a case, so that no module differs from another in them.
fn imports(case: &Case) -> impl Iterator<Item = &'static Import> {
    let named = |name| IMPORTS.iter().find(|row| row.name == name).expect("a row");
    let calls = case.before.iter().chain([&case.call]).map(Call::import);
    calls
        .chain([named("input_len"), named("result_read")])
        .map(|row| (row.name, row))
        .collect::<BTreeMap<_, _>>()
        .into_values()
}

fn declare(module: &mut String, import: &Import) {
    let params: Vec<_> = import.params.iter().map(|t| t.name()).collect();
    let result = import
        .result
        .map_or(String::new(), |t| format!("(result {})", t.name()));
    writeln!(
        module,
        "(import \"{}\" \"{name}\" (func ${name} (param {}) {result}))",
        import.module,
        params.join(" "),
        name = import.name,
    )
    .expect("text");
}

/// A long run of one byte is filled in by an instruction, to keep the module small.
fn fill(blob: &Blob) -> Option<(&str, usize)> {
    let (unit, count) = blob.repeat.as_ref()?;
    (unit.len() == 2 && *count >= 4_096).then_some((unit.as_str(), *count))
}

fn body(out: &mut String, case: &Case, purpose: Purpose) {
    // The code comes first, so that no instruction that costs anything follows the call.
    let code = i32::from(purpose != Purpose::Output);
    writeln!(out, "i32.const {code}").expect("text");
    for blob in &case.memory {
        if let Some((byte, count)) = fill(blob) {
            let at = blob.at;
            writeln!(
                out,
                "(memory.fill (i32.const {at}) (i32.const 0x{byte}) (i32.const {count}))"
            )
            .expect("text");
        }
    }
    for call in &case.before {
        arguments(out, call);
        writeln!(out, "call ${}", call.name()).expect("text");
        out.push_str(drops(call.import().result.iter().len()).as_str());
    }
    arguments(out, &case.call);
    if purpose == Purpose::Baseline {
        out.push_str(&drops(case.call.args().len()));
        out.push_str("call $input_len\ndrop\n");
        return;
    }
    writeln!(out, "call ${}", case.call.name()).expect("text");
    if purpose == Purpose::Answer {
        value(out, case);
        memory(out, case);
        result(out, case);
    } else {
        out.push_str(&drops(case.call.import().result.iter().len()));
    }
}

fn drops(count: usize) -> String {
    "drop\n".repeat(count)
}

fn arguments(out: &mut String, call: &Call) {
    let params = call.import().params;
    assert_eq!(params.len(), call.args().len(), "{}", call.name());
    for (param, value) in params.iter().zip(call.args()) {
        match param {
            NumberType::F64 => {
                // An argument that costs one instruction, whatever its bits; NaNs are written with their payload.
                writeln!(out, "f64.const {}", f64_text(bits(value))).expect("text");
            }
            _ => writeln!(out, "{}.const {}", param.name(), integer(value)).expect("text"),
        }
    }
}

fn integer(value: &Value) -> i64 {
    value.as_i64().expect("an integer")
}

fn bits(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().expect("bits"), 16).expect("hex")
}

fn f64_text(bits: u64) -> String {
    let number = f64::from_bits(bits);
    let sign = if bits >> 63 == 1 { "-" } else { "" };
    if number.is_nan() {
        return format!("{sign}nan:0x{:x}", bits & ((1 << 52) - 1));
    }
    if number.is_infinite() {
        return format!("{sign}inf");
    }
    // Rust prints the shortest text that reads back the same.
    format!("{number:?}")
}

fn value(out: &mut String, case: &Case) {
    let import = case.call.import();
    let Some(value) = &case.value else {
        out.push_str(&drops(import.result.iter().len()));
        return;
    };
    let (convert, expected) = match import.result.expect("a value is expected") {
        NumberType::F64 => ("i64.reinterpret_f64", bits(value) as i64),
        NumberType::I32 => ("i64.extend_i32_s", integer(value)),
        NumberType::I64 => ("", integer(value)),
    };
    let wrong = WRONG_VALUE;
    writeln!(
        out,
        "{convert} i64.const {expected} i64.ne (if (then (return (i32.const {wrong}))))"
    )
    .expect("text");
}

fn memory(out: &mut String, case: &Case) {
    for blob in &case.after {
        compare(out, blob.at, &blob.units(case.text), WRONG_MEMORY);
    }
}

/// Reads the result buffer to where it just fits the memory: were it longer, that would trap; were it shorter, some of
/// the bytes in front would not be overwritten.
fn result(out: &mut String, case: &Case) {
    let Some(result) = &case.result else { return };
    let bytes = result.units(case.text);
    let at = case.pages * 65_536 - bytes.len() as u32;
    let len = bytes.len();
    writeln!(
        out,
        "(memory.fill (i32.const {at}) (i32.const 0xaa) (i32.const {len}))\n(call $result_read (i32.const {at}))"
    )
    .expect("text");
    compare(out, at, &bytes, WRONG_RESULT);
}

/// Eight bytes at a time, to keep the module small.
fn compare(out: &mut String, at: u32, bytes: &[u8], wrong: i32) {
    let (eights, rest) = bytes.as_chunks::<8>();
    let whole = eights
        .iter()
        .map(|eight| ("i64.load", i64::from_le_bytes(*eight), 8));
    let single = rest.iter().map(|byte| ("i64.load8_u", i64::from(*byte), 1));
    let mut at = u64::from(at);
    for (load, expected, size) in whole.chain(single) {
        writeln!(
            out,
            "(if (i64.ne ({load} (i32.const {at})) (i64.const {expected})) (then (return (i32.const {wrong}))))"
        )
        .expect("text");
        at += size;
    }
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "\\{byte:02x}").expect("text");
        out
    })
}
