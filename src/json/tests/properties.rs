//! Made-up texts: what is JSON is read for what it is, and what is not is refused.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::super::{Document, Handle, Kind, check, text};
use super::{document, oracle};

fn name() -> impl Strategy<Value = String> {
    // Few letters, so that names meet; any text besides.
    prop_oneof!["[ab]{0,2}", "k[0-9]{1,2}", any::<String>()]
}

fn value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 128, 24, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..24).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..24)
                .prop_map(|members| Value::Object(Map::from_iter(members))),
        ]
    })
}

/// Compares a document with the value it was written from; gives the next handle in pre-order.
fn compare(doc: &Document, handle: Handle, value: &Value) -> Handle {
    let next = doc.handle(handle.number() + 1).unwrap_or(handle);
    let again: Value = serde_json::from_str(doc.raw(handle)).expect("a span is JSON");
    assert_eq!(&again, value);
    match value {
        Value::Null => assert_eq!(doc.kind(handle), Some(Kind::Null)),
        Value::Bool(true) => assert_eq!(doc.kind(handle), Some(Kind::True)),
        Value::Bool(false) => assert_eq!(doc.kind(handle), Some(Kind::False)),
        Value::Number(n) => {
            let expected: f64 = n.to_string().parse().expect("a number");
            assert_eq!(doc.number(handle), Ok(expected));
        }
        Value::String(s) => assert_eq!(doc.string(handle).as_deref(), Some(s.as_str())),
        Value::Array(items) => {
            assert_eq!(doc.len(handle), Some(items.len()));
            let children = items.iter().enumerate();
            return children.fold(next, |due, (i, item)| child(doc, handle, i, due, item));
        }
        Value::Object(members) => {
            assert_eq!(doc.members(handle), members.len());
            let children = members.iter().enumerate();
            return children.fold(next, |due, (i, (name, item))| {
                assert_eq!(doc.key(handle, i), Some(name.as_str()));
                assert_eq!(doc.get(handle, name), Some(due));
                child(doc, handle, i, due, item)
            });
        }
    }
    next
}

fn child(doc: &Document, parent: Handle, place: usize, due: Handle, value: &Value) -> Handle {
    assert_eq!(doc.at(parent, place), Some(due));
    compare(doc, due, value)
}

/// Bytes that are often nearly JSON.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&str] = &[
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        " ",
        "\n",
        "\"a\"",
        "\"b\"",
        "\"\\u0061\"",
        "0",
        "-",
        "1",
        ".5",
        "e3",
        "E+",
        "true",
        "nul",
        "null",
        "\"a\":",
        "{\"a\":1",
        "[1,",
        "\\ud83d",
        "\\ude00",
        "\\n",
        "\u{e9}",
        "\u{feff}",
        "\u{1}",
        "\"\":",
    ];
    let piece = proptest::sample::select(PIECES);
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes())
}

/// JSON with one byte changed, dropped or put in.
fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let place = any::<proptest::sample::Index>();
    (value(), place, any::<u8>(), 0..3).prop_map(|(value, place, byte, how)| {
        let mut text = value.to_string().into_bytes();
        let at = place.index(text.len());
        match how {
            0 => text[at] = byte,
            1 => drop(text.remove(at)),
            _ => text.insert(at, byte),
        }
        text
    })
}

fn agree(text: &[u8]) -> Result<(), TestCaseError> {
    let verdict = check(text);
    let parsed = Document::parse(Arc::from(text)).map(|_| ());
    prop_assert_eq!(parsed, verdict);
    if oracle::has_vast_number(text) {
        return Ok(());
    }
    let shown = String::from_utf8_lossy(text);
    prop_assert_eq!(
        verdict.is_ok(),
        oracle::accepts(text),
        "{}: {:?}",
        shown,
        verdict
    );
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_written_is_read(value in value()) {
        for text in [value.to_string(), serde_json::to_string_pretty(&value).expect("JSON")] {
            prop_assert_eq!(check(text.as_bytes()), Ok(()));
            let doc = document(&text);
            compare(&doc, Handle::ROOT, &value);
        }
    }

    #[test]
    fn damage_is_seen(text in damaged()) {
        agree(&text)?;
    }

    #[test]
    fn numbers_print_as_others_print_them(number in any::<f64>()) {
        let expected = serde_json_canonicalizer::to_string(&number).ok();
        prop_assert_eq!(text::format_number(number), expected.filter(|_| number.is_finite()));
    }

    #[test]
    fn long_numbers_are_read_as_their_short_form(digits in "[1-9][0-9]{0,30}", shift in 0_usize..400) {
        let zeros = "0".repeat(5_000 + shift);
        let short = document(&format!("{digits}e-{shift}")).number(Handle::ROOT);
        let padded = format!("0.{zeros}{digits}e{}", digits.len() + zeros.len() - shift);
        prop_assert_eq!(document(&padded).number(Handle::ROOT), short);
        let trailing = format!("{digits}{zeros}e-{}", zeros.len() + shift);
        prop_assert_eq!(document(&trailing).number(Handle::ROOT), short);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn near_misses_are_seen(text in nearly_json()) {
        agree(&text)?;
    }

    #[test]
    fn any_bytes_are_read_or_refused(text in any::<Vec<u8>>()) {
        agree(&text)?;
    }

    #[test]
    fn strings_print_as_others_print_them(string in any::<String>()) {
        let mut out = Vec::new();
        text::write_string(&mut out, &string);
        let expected = serde_json_canonicalizer::to_vec(&string).expect("a string");
        prop_assert_eq!(&out, &expected);
        let doc = document(std::str::from_utf8(&out).expect("UTF-8"));
        let read = doc.string(Handle::ROOT);
        prop_assert_eq!(read.as_deref(), Some(string.as_str()));
    }
}
