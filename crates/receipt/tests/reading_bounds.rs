//! Where the signature stands, where errors are counted from, and how deep and large a receipt may be.

mod common;

use std::collections::BTreeMap;

use common::{int, label, private, receipt, sign, wasm};
use tenzik_receipt::{
    Claim, Encode, RECEIPT_BYTES_MAX, ReadError, Receipt, SignError, SignedReceipt, Value,
};

fn refused(text: &str) -> ReadError {
    SignedReceipt::from_bytes(text.as_bytes()).expect_err("refused")
}

fn is_member(text: &str) -> bool {
    matches!(refused(text), ReadError::Member { .. })
}

fn is_value(text: &str) -> bool {
    matches!(refused(text), ReadError::Value { .. })
}

fn with_extension(value: Value) -> Receipt {
    let mut receipt = receipt(Claim::Wasm(wasm()));
    receipt.ext = BTreeMap::from([(label("deep"), value)]);
    receipt
}

fn text() -> String {
    String::from_utf8(sign(with_extension(Value::Null)).to_bytes()).expect("ASCII")
}

#[test]
fn the_signature_stands_in_one_place() {
    let text = text();
    let start = text.rfind(",\"signature\":").expect("a signature");
    let end = text.len() - common::TAIL.len();
    let member = &text[start..end];
    let without = format!("{}{}", &text[..start], &text[end..]);
    assert!(is_member(&without), "no signature");
    let twice = format!("{}{member}{}", &text[..end], &text[end..]);
    assert!(is_member(&twice), "two signatures");
    let early = without.replacen(",\"nonce\"", &format!("{member},\"nonce\""), 1);
    assert!(is_member(&early), "before the nonce");
    let late = without.replace("v1\"}", &format!("v1\"{member}}}"));
    assert!(is_member(&late), "after the type");
    let inside = without.replacen("\"deep\":null}", &format!("\"deep\":null{member}}}"), 1);
    assert!(is_member(&inside), "in an extension");
}

#[test]
fn an_extension_may_have_the_signatures_name() {
    let mut named = with_extension(Value::Int(int(1)));
    named
        .ext
        .insert(label("signature"), Value::Text(label("ed25519:00")));
    let signed = sign(named);
    assert_eq!(SignedReceipt::from_bytes(&signed.to_bytes()), Ok(signed));
}

#[test]
fn an_error_in_the_signature_counts_from_the_receipts_first_byte() {
    let text = text();
    let start = text.rfind(",\"signature\":").expect("a signature") + ",\"signature\":".len();
    let error = refused(&format!("{}x{}", &text[..start], &text[start + 1..]));
    assert!(
        matches!(error, ReadError::Value { offset, .. } if offset == start),
        "{error}"
    );
    let end = text.len() - common::TAIL.len();
    let error = refused(&format!("{}1{}", &text[..end], &text[end..]));
    assert_eq!(error, ReadError::Trailing { offset: end });
}

#[test]
fn extensions_nest_eight_levels_and_no_more_on_either_side() {
    let lists = |levels: usize| {
        with_extension((1..levels).fold(Value::Int(int(1)), |value, _| Value::List(vec![value])))
    };
    let deepest = sign(lists(8)).to_bytes();
    assert!(SignedReceipt::from_bytes(&deepest).is_ok());
    let unsigned = common::node().sign_receipt(lists(9));
    assert!(matches!(
        unsigned,
        Err(SignError::Form(ReadError::Contradiction { .. }))
    ));
    let deepest = String::from_utf8(deepest).expect("ASCII");
    assert!(
        is_value(&deepest.replacen("[1]", "[[1]]", 1)),
        "nine levels"
    );
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    assert!(
        is_value(&deepest.replacen("[1]", &deep, 1)),
        "10,000 levels"
    );
}

#[test]
fn a_receipt_is_bounded_on_both_sides() {
    let filled = |entries: usize| {
        let mut receipt = receipt(Claim::Wasm(private()));
        let value = || Value::Text(label(&"x".repeat(250)));
        let entries = (0..entries).map(|index| (label(&format!("e{index:04}")), value()));
        receipt.ext = entries.collect();
        receipt
    };
    let signs = |entries: &usize| common::node().sign_receipt(filled(*entries)).is_ok();
    let most = (0..).step_by(5).take_while(signs).last();
    let most = most.expect("one without extensions is signed");
    assert!(SignedReceipt::from_bytes(&sign(filled(most)).to_bytes()).is_ok());
    let refused = common::node().sign_receipt(filled(most + 5));
    assert!(matches!(refused, Err(SignError::Size { bytes }) if bytes > RECEIPT_BYTES_MAX));
    let large = filled(most + 20).to_canonical();
    let size = ReadError::Size {
        bytes: large.len(),
        bytes_max: RECEIPT_BYTES_MAX,
    };
    assert_eq!(SignedReceipt::from_bytes(&large), Err(size));
}
