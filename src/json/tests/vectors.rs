//! The published vectors, which other implementations read too.

use std::fs;
use std::path::Path as File;
use std::sync::Arc;

use serde_json::Value;

use super::super::path::{Meter, Path, PathError, WalkPrice};
use super::super::{Document, Handle, NumberError, check, text};
use super::document;

pub(super) const PRICE: WalkPrice = WalkPrice {
    node: 20,
    member: 4,
    child: 20,
    source_byte: 1,
};

/// Counts, and has no end.
#[derive(Default)]
pub(super) struct Count(pub(super) u64);

impl Meter for Count {
    type Error = ();

    fn charge(&mut self, fuel: u64) -> Result<(), ()> {
        self.0 += fuel;
        Ok(())
    }
}

fn cases(file: &str) -> Vec<Value> {
    let folder = File::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/json");
    let bytes = fs::read(folder.join(file)).expect("the vectors are there");
    let mut all: Value = serde_json::from_slice(&bytes).expect("the vectors are JSON");
    let Value::Array(cases) = all["cases"].take() else {
        panic!("{file} has no cases")
    };
    assert!(!cases.is_empty());
    cases
}

fn str_of<'a>(case: &'a Value, member: &str) -> &'a str {
    case[member]
        .as_str()
        .unwrap_or_else(|| panic!("no {member} in {case}"))
}

/// A case's text, whichever way it is written down.
fn bytes_of(case: &Value, member: &str) -> Vec<u8> {
    if let Some(text) = case[member].as_str() {
        return text.as_bytes().to_vec();
    }
    if let Some(hex) = case["hex"].as_str() {
        return unhex(hex);
    }
    let pieces = case["repeat"].as_array().expect("a case has a text");
    let piece = |p: &Value| {
        let count = p[1].as_u64().expect("a piece has a count") as usize;
        p[0].as_str().expect("a piece has a text").repeat(count)
    };
    pieces.iter().map(piece).collect::<String>().into_bytes()
}

fn unhex(hex: &str) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).expect("hex digits") as u8;
    hex.as_bytes()
        .chunks(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

#[test]
fn numbers() {
    for case in cases("numbers.json") {
        let bytes = bytes_of(&case, "text");
        let doc = Document::parse(Arc::from(bytes)).expect("a number");
        let read = doc.number(Handle::ROOT);
        if case["error"] == "number_overflow" {
            assert_eq!(read, Err(NumberError::Overflow), "{case}");
            continue;
        }
        let value = read.expect("a number in range");
        assert_eq!(
            format!("{:016x}", value.to_bits()),
            str_of(&case, "bits"),
            "{case}"
        );
        let printed = text::format_number(value).expect("a finite number");
        assert_eq!(printed, str_of(&case, "printed"), "{case}");
        let again = document(&printed).number(Handle::ROOT).expect("a number");
        assert_eq!(again, value, "{case}");
    }
}

#[test]
fn strings() {
    for case in cases("strings.json") {
        let doc = document(str_of(&case, "source"));
        let string = doc.string(Handle::ROOT).expect("a string");
        assert_eq!(string.as_bytes(), unhex(str_of(&case, "utf8")), "{case}");
        let mut out = Vec::new();
        text::write_string(&mut out, &string);
        assert_eq!(out, str_of(&case, "canonical").as_bytes(), "{case}");
    }
}

#[test]
fn strict() {
    for case in cases("strict.json") {
        let bytes = bytes_of(&case, "text");
        let accept = case["accept"].as_bool().expect("a verdict");
        let verdict = check(&bytes);
        assert_eq!(verdict.is_ok(), accept, "{case}: {verdict:?}");
        let parsed = Document::parse(Arc::from(bytes)).map(|_| ());
        assert_eq!(parsed, verdict, "{case}");
    }
}

#[test]
fn paths() {
    for case in cases("paths.json") {
        let doc = document(str_of(&case, "doc"));
        let path = Path::parse(str_of(&case, "query")).unwrap_or_else(|e| panic!("{case}: {e}"));
        let mut fuel = Count::default();
        let result = path
            .select(&doc, &PRICE, 1 << 24, &mut fuel)
            .expect("no limit is near");
        assert_eq!(
            String::from_utf8_lossy(&result),
            str_of(&case, "result"),
            "{case}"
        );
        assert_eq!(Some(fuel.0), case["fuel"].as_u64(), "{case}");
        assert_eq!(check(&result), Ok(()), "{case}");
    }
}

#[test]
fn refused_paths() {
    for case in cases("paths-refused.json") {
        let query = String::from_utf8(bytes_of(&case, "query")).expect("queries are text");
        let code = match Path::parse(&query) {
            Ok(_) => Value::Null,
            Err(PathError::Invalid { .. }) => "path_invalid".into(),
            Err(PathError::TooLong { .. }) => "too_large".into(),
            Err(PathError::Unsupported { .. }) => "path_unsupported".into(),
        };
        assert_eq!(code, case["error"], "{case}");
    }
}
