//! A receipt with one bit changed, or cut, or grown by one byte, never passes.

mod common;

use std::collections::BTreeMap;

use common::{
    attested, audience, label, node, private, promise, receipt, refused, requester, sign,
    verify_now, wasm,
};
use tenzik_receipt::{
    Claim, Expectations, Receipt, RequestStatement, SignedReceipt, Value, Verdict,
};

/// A receipt with every optional part.
fn full() -> Receipt {
    let mut receipt = receipt(Claim::Wasm(wasm()));
    receipt.audience = Some(audience());
    receipt.log = Some(promise());
    receipt.ext = BTreeMap::from([(label("note"), Value::Text(label("seen")))]);
    let statement = RequestStatement::of(&receipt);
    let signature = requester().sign_request(&statement);
    receipt.request = Some(signature.expect("a requester key"));
    receipt
}

fn samples() -> Vec<Vec<u8>> {
    let batch = vec![full(), receipt(Claim::Refused(refused())), full()];
    let batch = node().sign_batch(batch).expect("a batch of three");
    let others = [Claim::Attested(attested()), Claim::Wasm(private())];
    let mut samples = vec![sign(full()).to_bytes(), batch[0].to_bytes()];
    samples.extend(others.map(|claim| sign(receipt(claim)).to_bytes()));
    samples
}

/// What a signature check depends on: if none of it changed, neither does its outcome.
fn bound(signed: &SignedReceipt) -> (Vec<u8>, tenzik_receipt::Signature) {
    (signed.signed_bytes(), signed.signature().clone())
}

#[test]
fn the_samples_themselves_pass() {
    let expected = Expectations::default();
    for bytes in samples() {
        assert_eq!(verify_now(&bytes, &expected).verdict(), Verdict::Passed);
    }
}

#[test]
fn one_bit_changed_anywhere_is_refused_or_changes_what_the_signature_binds() {
    for bytes in samples() {
        let original = SignedReceipt::from_bytes(&bytes).expect("a sample");
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            if let Ok(read) = SignedReceipt::from_bytes(&changed) {
                assert_ne!(bound(&read), bound(&original), "bit {bit}");
            }
        }
    }
}

/// The same with every signature really checked: about ten seconds, most of them spent here.
#[test]
fn one_bit_changed_anywhere_never_passes() {
    for bytes in samples() {
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let report = verify_now(&changed, &Expectations::default());
            // The signature fails even where the change is to the key that is named.
            assert_eq!(report.verdict(), Verdict::Failed, "bit {bit}");
            assert!(report.into_verified().is_err());
        }
    }
}

#[test]
fn a_receipt_cut_at_any_length_is_refused() {
    for bytes in samples() {
        for length in 0..bytes.len() {
            let cut = SignedReceipt::from_bytes(&bytes[..length]);
            assert!(cut.is_err(), "the first {length} bytes");
            let rest = SignedReceipt::from_bytes(&bytes[bytes.len() - length..]);
            assert!(rest.is_err(), "the last {length} bytes");
        }
    }
}

#[test]
fn one_byte_more_or_less_anywhere_is_refused_or_changes_what_the_signature_binds() {
    let bytes = &samples()[1];
    let original = bound(&SignedReceipt::from_bytes(bytes).expect("a sample"));
    let holds = |changed: &[u8], what: &str| {
        if let Ok(read) = SignedReceipt::from_bytes(changed) {
            assert_ne!(bound(&read), original, "{what}");
        }
    };
    for at in 0..bytes.len() {
        for byte in b" \n\t0a,\"\\{}[]:-.e\x00\x7f\xff" {
            let more = [&bytes[..at], &[*byte], &bytes[at..]].concat();
            holds(&more, &format!("{byte} at {at}"));
        }
        let fewer = [&bytes[..at], &bytes[at + 1..]].concat();
        holds(&fewer, &format!("without byte {at}"));
    }
}

#[test]
fn a_signature_of_another_receipt_does_not_serve() {
    let (one, other) = (sign(full()), sign(receipt(Claim::Wasm(wasm()))));
    let text = String::from_utf8(one.to_bytes()).expect("ASCII");
    let signature = |signed: &SignedReceipt| match signed.signature() {
        tenzik_receipt::Signature::Single(signature) => signature.to_string(),
        other => panic!("{other:?} is no single signature"),
    };
    let changed = text.replace(&signature(&one), &signature(&other));
    assert_ne!(changed, text);
    let report = verify_now(changed.as_bytes(), &Expectations::default());
    assert_eq!(report.verdict(), Verdict::Failed);
}
