//! Every spelling but the one that is written is refused, each with its typed error.

mod common;

use std::collections::BTreeMap;

use common::{audience, int, label, receipt, sign, wasm};
use tenzik_receipt::{Claim, ReadError, SignedReceipt, Value};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Member,
    Value,
    Trailing,
    Contradiction,
}

fn kind(error: &ReadError) -> Kind {
    match error {
        ReadError::Contradiction { .. } => Kind::Contradiction,
        ReadError::Member { .. } => Kind::Member,
        ReadError::Trailing { .. } => Kind::Trailing,
        ReadError::Value { .. } => Kind::Value,
        other => panic!("{other:?} was not expected"),
    }
}

fn text() -> String {
    let mut receipt = receipt(Claim::Wasm(wasm()));
    receipt.audience = Some(audience());
    receipt.ext = BTreeMap::from([(label("a"), Value::Int(int(1))), (label("b"), Value::Null)]);
    receipt.crit = [label("a")].into_iter().collect();
    String::from_utf8(sign(receipt).to_bytes()).expect("ASCII")
}

/// Replaces the first occurrence and holds the refusal's kind.
fn refuse_all(edits: &[(&str, &str, Kind)]) {
    let text = text();
    assert!(SignedReceipt::from_bytes(text.as_bytes()).is_ok());
    for (from, to, expected) in edits {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from} stands in the receipt");
        let error = SignedReceipt::from_bytes(changed.as_bytes()).expect_err(to);
        assert_eq!(kind(&error), *expected, "{from} -> {to}: {error}");
    }
}

#[test]
fn white_space_is_refused() {
    refuse_all(&[
        ("{\"advisory\"", " {\"advisory\"", Kind::Member),
        ("{\"advisory\"", "{ \"advisory\"", Kind::Member),
        (":41", ": 41", Kind::Value),
        (":41", ":41 ", Kind::Value),
        (",\"backend\"", ",\n\"backend\"", Kind::Member),
        ("[\"hash\",\"json\"]", "[\"hash\", \"json\"]", Kind::Value),
        ("[\"hash\"", "[ \"hash\"", Kind::Value),
        ("v1\"}", "v1\"}\n", Kind::Trailing),
        ("v1\"}", "v1\" }", Kind::Member),
        (",\"signature\":\"", ",\"signature\": \"", Kind::Value),
    ]);
}

#[test]
fn members_out_of_order_doubled_missing_or_unknown_are_refused() {
    refuse_all(&[
        (
            "\"enforced\":true,\"limit\":\"fuel\"",
            "\"limit\":\"fuel\",\"enforced\":true",
            Kind::Member,
        ),
        (
            "\"status\":\"ok\",",
            "\"status\":\"ok\",\"status\":\"ok\",",
            Kind::Member,
        ),
        ("\"policy\":null,", "", Kind::Member),
        (",\"log\":null", ",\"lob\":1,\"log\":null", Kind::Member),
        (",\"type\":\"tenzik", ",\"tYpe\":\"tenzik", Kind::Member),
        ("{\"a\":1,\"b\":null}", "{\"b\":null,\"a\":1}", Kind::Value),
        ("{\"a\":1,\"b\":null}", "{\"a\":1,\"a\":1}", Kind::Value),
        ("{\"a\":1,\"b\":null}", "{\"\":1,\"b\":null}", Kind::Value),
        ("{\"a\":1,\"b\":null}", "{\"a\":1,}", Kind::Value),
        ("{\"a\":1,\"b\":null}", "{\"a\":1 \"b\":null}", Kind::Value),
        ("{\"a\":1,\"b\":null}", "{\"a\"1}", Kind::Value),
        ("[\"hash\",\"json\"]", "[\"json\",\"hash\"]", Kind::Value),
        ("[\"hash\",\"json\"]", "[\"hash\",\"hash\"]", Kind::Value),
        ("[\"hash\",\"json\"]", "[\"hash\",]", Kind::Value),
        ("\"crit\":[\"a\"]", "\"crit\":[\"c\"]", Kind::Contradiction),
        ("\"crit\":[\"a\"]", "\"crit\":[\"a\",\"a\"]", Kind::Value),
        ("tenzik/receipt/v1", "tenzik/receipt/v2", Kind::Member),
        ("{\"abi\":", "{\"kind\":\"wasm\",\"abi\":", Kind::Value),
    ]);
}

#[test]
fn numbers_have_one_spelling() {
    const CLOCK: &str = "\"clock_ms\":1795161600000";
    for (number, expected) in [
        ("-1", Kind::Value),
        ("-0", Kind::Value),
        ("+1", Kind::Value),
        ("01", Kind::Value),
        ("00", Kind::Value),
        ("1.0", Kind::Member),
        ("1e3", Kind::Member),
        ("1E3", Kind::Member),
        (".5", Kind::Value),
        ("0x10", Kind::Member),
        ("9007199254740992", Kind::Value),
        ("9999999999999999", Kind::Value),
        ("18446744073709551616", Kind::Value),
        ("99999999999999999999999999999999999999999999", Kind::Value),
        ("\"1\"", Kind::Value),
        ("null", Kind::Value),
        ("true", Kind::Value),
        ("NaN", Kind::Value),
        ("", Kind::Value),
    ] {
        refuse_all(&[(CLOCK, &format!("\"clock_ms\":{number}"), expected)]);
    }
    let largest = text().replacen(CLOCK, "\"clock_ms\":9007199254740991", 1);
    assert!(SignedReceipt::from_bytes(largest.as_bytes()).is_ok());
}

#[test]
fn texts_have_one_spelling() {
    let long = format!("\"engine\":\"{}\"", "a".repeat(257));
    refuse_all(&[
        (
            "\"engine\":\"wasmtime",
            "\"engine\":\"wasm\\u0074ime",
            Kind::Value,
        ),
        (
            "\"engine\":\"wasmtime",
            "\"engine\":\"wasm\\/time",
            Kind::Value,
        ),
        (
            "\"engine\":\"wasmtime",
            "\"engine\":\"wasmt\u{ef}me",
            Kind::Value,
        ),
        (
            "\"engine\":\"wasmtime",
            "\"engine\":\"wasm\u{7f}time",
            Kind::Value,
        ),
        (
            "\"engine\":\"wasmtime",
            "\"engine\":\"wasm\0time",
            Kind::Value,
        ),
        (
            "\"engine\":\"wasmtime",
            "\"engine\":\"wasm\ntime",
            Kind::Value,
        ),
        (
            "\"engine\":\"wasmtime 48.0.8\"",
            "\"engine\":\"\"",
            Kind::Value,
        ),
        (
            "\"engine\":\"wasmtime 48.0.8\"",
            "\"engine\":null",
            Kind::Value,
        ),
        ("\"engine\":\"wasmtime 48.0.8\"", &long, Kind::Value),
        (
            "\"profile\":\"hardened\"",
            "\"profile\":\"Hardened\"",
            Kind::Value,
        ),
        ("\"enforced\":true", "\"enforced\":True", Kind::Value),
        ("\"enforced\":true", "\"enforced\":1", Kind::Value),
        ("\"status\":\"ok\"", "\"status\":\"fine\"", Kind::Value),
        (
            "\"kind\":\"wasm\",\"limits\"",
            "\"kind\":\"attested\",\"limits\"",
            Kind::Value,
        ),
        (
            "2026-11-20T08:00:00Z",
            "2026-11-20T08:00:00.0Z",
            Kind::Value,
        ),
        (
            "2026-11-20T08:00:00Z",
            "2026-11-20T08:00:00+00:00",
            Kind::Value,
        ),
        ("2026-11-20T08:00:00Z", "2026-02-29T08:00:00Z", Kind::Value),
        ("2026-11-20T08:00:00Z", "2026-11-20T23:59:60Z", Kind::Value),
    ]);
}

#[test]
fn hex_has_one_spelling() {
    refuse_all(&[
        ("\"node\":\"ed25519:d", "\"node\":\"ed25519:D", Kind::Value),
        ("\"node\":\"ed25519:d", "\"node\":\"ed25519:", Kind::Value),
        ("\"node\":\"ed25519:d", "\"node\":\"ed25519:dd", Kind::Value),
        ("\"node\":\"ed25519:d", "\"node\":\"ed25519:g", Kind::Value),
        ("\"node\":\"ed25519:", "\"node\":\"Ed25519:", Kind::Value),
        ("\"node\":\"ed25519:", "\"node\":\"", Kind::Value),
        (
            "\"capsule\":\"blake3:",
            "\"capsule\":\"sha256:",
            Kind::Value,
        ),
        ("\"seed\":\"07", "\"seed\":\"0x07", Kind::Value),
        ("\"epoch\":\"e0e0", "\"epoch\":\"e0E0", Kind::Value),
        ("\"epoch\":\"e0e0", "\"epoch\":\"e0", Kind::Value),
        ("\"challenge\":\"73", "\"challenge\":\"7", Kind::Value),
        ("\"challenge\":\"73", "\"challenge\":\"", Kind::Value),
        ("\"challenge\":\"7369", "\"challenge\":\"736F", Kind::Value),
        (
            ",\"signature\":\"ed25519:",
            ",\"signature\":\"ed25519:00",
            Kind::Value,
        ),
        (
            ",\"signature\":\"ed25519:",
            ",\"signature\":\"",
            Kind::Value,
        ),
        (
            ",\"signature\":\"ed25519:",
            ",\"signature\":null,\"x\":\"",
            Kind::Value,
        ),
    ]);
}
