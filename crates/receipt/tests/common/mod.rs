//! Builders that the tests share: fixed keys, one plain receipt of each kind, a trust file, a verification.
//!
//! Everything here is fixed, so that a test that fails once fails always. What varies is in [`strategies`].

#![allow(dead_code, unused_imports, reason = "no test file uses all of it")]

mod arbitrary_claims;
mod claims;
pub(crate) mod strategies;

use std::collections::BTreeMap;

pub(crate) use claims::{attested, ended, keyed, private, refused, unrouted, wasm, wasm_request};
use tenzik_receipt::{
    Advisory, Audience, Backend, Challenge, CheckName, Claim, Encode, Enforcement, Epoch,
    Expectations, Int, KeyUse, Label, LogPromise, Nonce, Outcome, Profile, Receipt, ReceiptType,
    Report, SecretKey, SignedReceipt, Sorted, Timestamp, Trust, TrustFile, TrustedKey, Verdict,
    verify,
};

/// When every receipt here is issued.
pub(crate) const ISSUED: &str = "2026-11-20T08:00:00Z";
/// When every verification here happens, unless it says otherwise.
pub(crate) const NOW: &str = "2026-11-20T08:01:00Z";
pub(crate) const INPUT: &[u8] = br#"{"items":[{"price":1250,"quantity":2}]}"#;
pub(crate) const OUTPUT: &[u8] = br#"{"total":2500}"#;
pub(crate) const CAPSULE: &[u8] = b"\0asm\x01\0\0\0";
pub(crate) const CHALLENGE: [u8; 16] = *b"sixteen bytes ok";
pub(crate) const SECRET: [u8; 32] = [0x5e; 32];

pub(crate) const TAIL: &str = ",\"type\":\"tenzik/receipt/v1\"}";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("a time of the one form")
}

pub(crate) fn int(number: u64) -> Int {
    Int::new(number).expect("below 2^53")
}

pub(crate) fn label(text: &str) -> Label {
    Label::new(text.to_owned()).expect("a label")
}

pub(crate) fn secret_key(seed: u8, key_use: KeyUse) -> SecretKey {
    SecretKey::from_seed(&[seed; 32], key_use, at("2026-11-01T00:00:00Z"))
}

/// The key that signs every receipt here.
pub(crate) fn node() -> SecretKey {
    secret_key(0x11, KeyUse::Receipt)
}

/// The key that signs every request here.
pub(crate) fn requester() -> SecretKey {
    secret_key(0x22, KeyUse::Requester)
}

/// A receipt of the node's for this claim, with nothing optional in it.
pub(crate) fn receipt(claim: Claim) -> Receipt {
    let open = !claim.is_private();
    Receipt {
        advisory: Advisory {
            engine: label("wasmtime 48.0.8"),
            wall_us: open.then(|| int(41)),
        },
        audience: None,
        backend: Backend {
            enforced: vec![Enforcement {
                applied: Some(int(50_000_000)),
                asked: None,
                enforced: true,
                limit: label("fuel"),
                observed: open.then(|| int(12_345)),
            }],
            kind: label("wasm"),
            profile: Profile::Hardened,
        },
        claim,
        crit: Sorted::none(),
        ext: BTreeMap::new(),
        issued_at: at(ISSUED),
        log: None,
        node: node().public(),
        nonce: Nonce {
            epoch: Epoch::from_bytes([0xe0; 16]),
            seq: int(3),
        },
        receipt_type: ReceiptType,
        request: None,
    }
}

pub(crate) fn audience() -> Audience {
    Audience {
        challenge: Challenge::new(CHALLENGE.to_vec()).expect("16 bytes"),
        expires_at: at("2026-11-20T09:00:00Z"),
        name: label("auditor.example"),
    }
}

pub(crate) fn promise() -> LogPromise {
    LogPromise {
        merge_by: at("2026-11-20T08:30:00Z"),
        origin: label("log.example/2026"),
    }
}

pub(crate) fn sign(receipt: Receipt) -> SignedReceipt {
    node()
        .sign_receipt(receipt)
        .expect("a receipt of the node's")
}

/// A signed receipt of a plain run.
pub(crate) fn signed() -> SignedReceipt {
    sign(receipt(Claim::Wasm(wasm())))
}

/// A receipt's text with any JSON as its signature, also one that no key made.
pub(crate) fn with_signature(receipt: &Receipt, signature: &str) -> Vec<u8> {
    let payload = String::from_utf8(receipt.to_canonical()).expect("ASCII");
    let head = payload.strip_suffix(TAIL).expect("the type is last");
    format!("{head},\"signature\":{signature}{TAIL}").into_bytes()
}

pub(crate) fn trusted(key: &SecretKey) -> TrustedKey {
    TrustedKey {
        key: key.public(),
        key_use: key.key_use(),
        label: String::from("a key"),
        valid_from: at("2026-11-01T00:00:00Z"),
        valid_until: Some(at("2027-11-01T00:00:00Z")),
        revoked_at: None,
    }
}

pub(crate) fn trust_file(keys: Vec<TrustedKey>) -> TrustFile {
    TrustFile {
        file_type: String::from("tenzik/trust/v1"),
        name: String::from("default"),
        version: 5,
        expires_at: at("2027-01-01T00:00:00Z"),
        keys,
    }
}

pub(crate) fn trust(keys: Vec<TrustedKey>) -> Trust {
    trust_file(keys)
        .accept(at(NOW), 0)
        .expect("keys of the form")
}

/// Trusts the node and the requester.
pub(crate) fn trust_both() -> Trust {
    trust(vec![trusted(&node()), trusted(&requester())])
}

pub(crate) fn verify_now(bytes: &[u8], expected: &Expectations<'_>) -> Report {
    verify(bytes, &trust_both(), at(NOW), expected)
}

pub(crate) fn outcome(report: &Report, name: CheckName) -> Outcome {
    let check = report.checks().iter().find(|check| check.name == name);
    check.expect("each check has its line").outcome
}

/// The note of a check, for tests that hold what people are told.
pub(crate) fn note(report: &Report, name: CheckName) -> String {
    let check = report.checks().iter().find(|check| check.name == name);
    check.expect("each check has its line").note.to_string()
}

/// How one check of a receipt comes out now, and what the verification comes to.
pub(crate) fn check(
    receipt: Receipt,
    expected: &Expectations<'_>,
    name: CheckName,
) -> (Outcome, Verdict) {
    let report = verify_now(&sign(receipt).to_bytes(), expected);
    (outcome(&report, name), report.verdict())
}

/// The receipt of a plain run that ended well.
pub(crate) fn open() -> Receipt {
    receipt(Claim::Wasm(wasm()))
}
