//! A listed key counts for its one use and in its time; one that is not listed is no forgery.

mod common;

use common::{at, node, receipt, secret_key, sign, trust, trusted, verify_now, wasm};
use tenzik_receipt::{
    CheckName, Claim, Expectations, KeyUse, Outcome, Trust, TrustedKey, Verdict, verify,
};

fn key_outcome(entry: TrustedKey) -> (Outcome, Outcome, Verdict) {
    let bytes = sign(receipt(Claim::Wasm(wasm()))).to_bytes();
    let report = verify(
        &bytes,
        &trust(vec![entry]),
        at(common::NOW),
        &Expectations::default(),
    );
    let outcome = |name| common::outcome(&report, name);
    (
        outcome(CheckName::Key),
        outcome(CheckName::Signature),
        report.verdict(),
    )
}

/// Receipts here are issued at 2026-11-20T08:00:00Z.
#[test]
fn a_key_counts_for_its_use_and_in_its_time() {
    let table = [
        (
            "receipt",
            "2026-11-01T00:00:00Z",
            None,
            None,
            Outcome::Passed,
        ),
        (
            "receipt",
            "2026-11-20T08:00:00Z",
            None,
            None,
            Outcome::Passed,
        ),
        (
            "receipt",
            "2026-11-20T08:00:01Z",
            None,
            None,
            Outcome::Failed,
        ),
        (
            "receipt",
            "2026-11-01T00:00:00Z",
            Some("2026-11-20T08:00:00Z"),
            None,
            Outcome::Failed,
        ),
        (
            "receipt",
            "2026-11-01T00:00:00Z",
            Some("2026-11-20T08:00:01Z"),
            None,
            Outcome::Passed,
        ),
        // A stolen key dates what it signs as it likes, so neither an earlier nor a later revocation saves it.
        (
            "receipt",
            "2026-11-01T00:00:00Z",
            None,
            Some("2026-11-20T07:00:00Z"),
            Outcome::Failed,
        ),
        (
            "receipt",
            "2026-11-01T00:00:00Z",
            None,
            Some("2026-11-20T08:00:30Z"),
            Outcome::Failed,
        ),
        (
            "receipt",
            "2026-11-01T00:00:00Z",
            None,
            Some("2030-01-01T00:00:00Z"),
            Outcome::Failed,
        ),
        (
            "requester",
            "2026-11-01T00:00:00Z",
            None,
            None,
            Outcome::Failed,
        ),
        (
            "checkpoint",
            "2026-11-01T00:00:00Z",
            None,
            None,
            Outcome::Failed,
        ),
        (
            "witness",
            "2026-11-01T00:00:00Z",
            None,
            None,
            Outcome::Failed,
        ),
        (
            "exporter",
            "2026-11-01T00:00:00Z",
            None,
            None,
            Outcome::Failed,
        ),
    ];
    for (key_use, from, until, revoked, expected) in table {
        let entry = TrustedKey {
            key_use: KeyUse::from_name(key_use).expect("a use"),
            valid_from: at(from),
            valid_until: until.map(at),
            revoked_at: revoked.map(at),
            ..trusted(&node())
        };
        let verdict = match expected {
            Outcome::Passed => Verdict::Passed,
            _ => Verdict::Failed,
        };
        let found = key_outcome(entry);
        assert_eq!(
            found,
            (expected, Outcome::Passed, verdict),
            "{key_use} {from} {until:?} {revoked:?}"
        );
    }
}

#[test]
fn an_unknown_key_is_cannot_tell_and_a_false_signature_is_failed_all_the_same() {
    let stranger = secret_key(0x44, KeyUse::Receipt);
    let mut unknown = receipt(Claim::Wasm(wasm()));
    unknown.node = stranger.public();
    let signed = stranger.sign_receipt(unknown).expect("its own receipt");
    let report = verify_now(&signed.to_bytes(), &Expectations::default());
    assert_eq!(common::outcome(&report, CheckName::Key), Outcome::Unknown);
    assert_eq!(
        common::outcome(&report, CheckName::Signature),
        Outcome::NotChecked
    );
    assert_eq!(report.verdict(), Verdict::CannotTell);
    let zeros = format!("\"ed25519:{}\"", "0".repeat(128));
    let forged = common::with_signature(signed.receipt(), &zeros);
    let report = verify_now(&forged, &Expectations::default());
    assert_eq!(common::outcome(&report, CheckName::Key), Outcome::Unknown);
    assert_eq!(
        common::outcome(&report, CheckName::Signature),
        Outcome::Failed
    );
    assert_eq!(report.verdict(), Verdict::Failed);
    assert!(report.into_verified().is_err());
}

#[test]
fn an_empty_trust_file_trusts_nobody() {
    let bytes = sign(receipt(Claim::Wasm(wasm()))).to_bytes();
    let report = verify(
        &bytes,
        &trust(Vec::new()),
        at(common::NOW),
        &Expectations::default(),
    );
    assert_eq!(report.verdict(), Verdict::CannotTell);
}

#[test]
fn one_key_given_by_the_caller_is_trusted_whenever_it_signed() {
    let bytes = sign(receipt(Claim::Wasm(wasm()))).to_bytes();
    let trust = Trust::in_receipts_of(node().public()).expect("a key");
    let report = verify(
        &bytes,
        &trust,
        at("9999-12-31T23:59:59Z"),
        &Expectations::default(),
    );
    assert_eq!(report.verdict(), Verdict::Passed);
}
