//! Foreign receipts, key files and trust files.

use std::sync::LazyLock;

use tenzik_receipt::{
    Expectations, SecretKey, SignedReceipt, Trust, TrustFile, Verdict, Verifier, verify,
};

use crate::{key, now};

static TRUST: LazyLock<Trust> =
    LazyLock::new(|| Trust::in_receipts_of(key().public()).expect("a key"));

/// What is read is written back byte for byte, and nothing that we did not sign passes.
pub fn receipt(bytes: &[u8]) {
    if let Ok(receipt) = SignedReceipt::from_bytes(bytes) {
        assert_eq!(receipt.to_bytes(), bytes, "read and written differ");
        receipt.claim().check().expect("what is read does not contradict itself");
        sign_again(&receipt);
    }
    let report = verify(bytes, &TRUST, now(), &Expectations::default());
    assert_ne!(report.verdict(), Verdict::Passed, "a forged receipt passed");
    let mut verifier = Verifier::default();
    for _ in 0..2 {
        let again = verifier.verify(bytes, &TRUST, now(), &Expectations::default());
        assert_eq!(again.checks(), report.checks(), "a verifier of many says something else");
    }
    if let Ok(file) = TrustFile::from_bytes(bytes) {
        let again = TrustFile::from_bytes(&file.to_bytes()).expect("what is written is read");
        assert_eq!(again, file);
        let _refusal_is_an_answer = file.accept(now(), 0);
    }
    if let Ok(key) = SecretKey::from_file(bytes) {
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        assert_eq!(&key.to_file()[..], line);
    }
}

/// With our name and signature on it, any receipt that can be read verifies.
fn sign_again(receipt: &SignedReceipt) {
    let mut body = receipt.receipt().clone();
    body.node = key().public();
    body.crit = tenzik_receipt::Sorted::none();
    body.issued_at = now();
    let status = body.claim.status();
    let Ok(signed) = key().sign_receipt(body) else {
        return;
    };
    let expected = Expectations {
        status: Some(status),
        ..Expectations::default()
    };
    let report = verify(&signed.to_bytes(), &TRUST, now(), &expected);
    let request_is_theirs = signed.receipt().request.is_some();
    assert!(
        report.verdict() == Verdict::Passed || request_is_theirs,
        "{:?}",
        report.checks()
    );
}
