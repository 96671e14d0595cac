//! A trust file is refused when it is old, expired, unclear or foreign.

mod common;

use common::{at, node, requester, trust_file, trusted};
use tenzik_receipt::{
    KeyUse, PublicKey, TRUST_BYTES_MAX, Trust, TrustError, TrustFile, TrustedKey,
};

#[test]
fn a_trust_file_reads_back_as_it_was() {
    let mut revoked = trusted(&requester());
    revoked.revoked_at = Some(at("2026-11-19T00:00:00Z"));
    revoked.valid_until = None;
    let file = trust_file(vec![trusted(&node()), revoked]);
    assert_eq!(TrustFile::from_bytes(&file.to_bytes()), Ok(file));
}

#[test]
fn it_expires_at_the_second_it_names() {
    let file = trust_file(vec![trusted(&node())]);
    let expires_at = file.expires_at;
    assert!(file.accept(at("2026-12-31T23:59:59Z"), 0).is_ok());
    for late in [expires_at, at("2030-01-01T00:00:00Z")] {
        assert_eq!(
            file.accept(late, 0).err(),
            Some(TrustError::Expired { expires_at })
        );
    }
}

#[test]
fn an_older_version_than_was_seen_is_a_rollback() {
    let file = trust_file(vec![trusted(&node())]);
    assert!(file.accept(at(common::NOW), 4).is_ok());
    assert!(
        file.accept(at(common::NOW), 5).is_ok(),
        "the same one again"
    );
    let refused = file.accept(at(common::NOW), 6).err();
    assert_eq!(refused, Some(TrustError::RolledBack { got: 5, seen: 6 }));
}

#[test]
fn a_key_is_listed_once_whatever_its_uses() {
    let again = TrustedKey {
        key_use: KeyUse::Witness,
        ..trusted(&node())
    };
    let file = trust_file(vec![trusted(&node()), trusted(&requester()), again]);
    let key = node().public();
    assert_eq!(
        file.accept(at(common::NOW), 0).err(),
        Some(TrustError::ListedTwice { key })
    );
}

#[test]
fn bytes_that_are_no_key_are_not_trusted() {
    let no_point = (2..=255).map(|low| {
        let mut bytes = [0; 32];
        bytes[0] = low;
        PublicKey::from_bytes(bytes)
    });
    let refused = no_point.filter(|key| Trust::in_receipts_of(*key).is_err());
    assert!(refused.count() > 50, "about half of all bytes are no point");
}

#[test]
fn unknown_missing_doubled_and_misshapen_members_are_refused() {
    let file = trust_file(vec![trusted(&node())]).to_bytes();
    let text = String::from_utf8(file).expect("UTF-8");
    for (from, to) in [
        ("\"version\": 5", "\"version\": 5, \"note\": 1"),
        ("\"version\": 5", "\"version\": 5, \"version\": 6"),
        ("\"version\": 5", "\"version\": 5.0"),
        ("\"version\": 5", "\"version\": -5"),
        ("\"version\": 5", "\"version\": \"5\""),
        ("\"version\": 5,", ""),
        ("\"version\": 5", "\"Version\": 5"),
        ("\"use\": \"receipt\"", "\"use\": \"receipts\""),
        (
            "\"use\": \"receipt\"",
            "\"use\": [\"receipt\", \"witness\"]",
        ),
        (
            "\"use\": \"receipt\"",
            "\"use\": \"receipt\", \"use\": \"witness\"",
        ),
        ("\"use\": \"receipt\",", ""),
        ("\"label\"", "\"revokedAt\": null, \"label\""),
        ("\"revoked_at\": null", "\"revoked_at\": \"2026-11-20\""),
        ("\"revoked_at\": null", "\"revoked_at\": \"never\""),
        (
            "\"revoked_at\": null",
            "\"revoked_at\": null, \"revoked_at\": null",
        ),
        // A deleted line must not take a revocation back.
        (",\n      \"revoked_at\": null", ""),
        ("\"valid_until\": \"2027-11-01T00:00:00Z\",", ""),
        ("ed25519:d", "ed25519:D"),
        ("ed25519:d", "d"),
        ("tenzik/trust/v1", "tenzik/trust/v2"),
        ("\"keys\": [", "\"keys\": [null,"),
        ("]\n}", "]\n} {}"),
        ("]\n}", "]\n"),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from} stands in the file");
        let error = TrustFile::from_bytes(changed.as_bytes()).expect_err(to);
        assert!(matches!(error, TrustError::Form { .. }), "{to}: {error}");
    }
    let large = vec![b' '; TRUST_BYTES_MAX + 1];
    let size = TrustError::Size { bytes: large.len() };
    assert_eq!(TrustFile::from_bytes(&large), Err(size));
    let deep = "[".repeat(100_000);
    assert!(TrustFile::from_bytes(deep.as_bytes()).is_err());
}
