//! The requester's signature: what it binds, whose it may be, and when its key counts.

mod common;

use common::{
    at, audience, int, note, outcome, receipt, requester, secret_key, sign, trust, trusted, wasm,
};
use tenzik_receipt::{
    CheckName, Claim, Disclosed, Expectations, KeyUse, Outcome, Receipt, RequestStatement,
    SecretKey, Seed, TrustedKey, Verdict, verify,
};

fn requested(key: &SecretKey) -> Receipt {
    let mut receipt = receipt(Claim::Wasm(wasm()));
    receipt.audience = Some(audience());
    let statement = RequestStatement::of(&receipt);
    receipt.request = Some(key.sign_request(&statement).expect("a requester key"));
    receipt
}

fn check(receipt: Receipt, entries: Vec<TrustedKey>) -> (Outcome, Verdict) {
    let mut keys = vec![trusted(&common::node())];
    keys.extend(entries);
    let now = at(common::NOW);
    let report = verify(
        &sign(receipt).to_bytes(),
        &trust(keys),
        now,
        &Expectations::default(),
    );
    (outcome(&report, CheckName::Request), report.verdict())
}

const PASSED: (Outcome, Verdict) = (Outcome::Passed, Verdict::Passed);
const FAILED: (Outcome, Verdict) = (Outcome::Failed, Verdict::Failed);

#[test]
fn a_trusted_requesters_signature_passes() {
    assert_eq!(
        check(requested(&requester()), vec![trusted(&requester())]),
        PASSED
    );
}

#[test]
fn an_unknown_requesters_signature_says_nothing_and_a_false_one_fails() {
    let known = vec![trusted(&requester())];
    let stranger = secret_key(0x55, KeyUse::Requester);
    let found = check(requested(&stranger), known.clone());
    assert_eq!(found, (Outcome::NotChecked, Verdict::Passed));
    let mut false_one = requested(&stranger);
    false_one.nonce.seq = int(4);
    assert_eq!(
        check(false_one.clone(), known.clone()).0,
        Outcome::NotChecked,
        "the nonce is the node's"
    );
    let request = false_one.request.as_mut().expect("it was signed");
    request.requester = requester().public();
    assert_eq!(
        check(false_one.clone(), known.clone()),
        FAILED,
        "another's key is named"
    );
    let request = false_one.request.as_mut().expect("it was signed");
    request.requester = secret_key(0x56, KeyUse::Requester).public();
    assert_eq!(
        check(false_one, known),
        FAILED,
        "another unknown key is named"
    );
}

/// Each change is made after the requester signed and before the node did.
#[test]
fn the_signature_binds_request_audience_and_node() {
    type Change = fn(&mut Receipt);
    fn claim(receipt: &mut Receipt, change: fn(&mut tenzik_receipt::WasmClaim)) {
        let Claim::Wasm(claim) = &mut receipt.claim else {
            panic!("it is a capsule's run");
        };
        change(claim);
    }
    let changes: [(&str, Change); 9] = [
        ("seed", |it| {
            claim(it, |it| {
                it.seed = Disclosed::Open(Seed::from_bytes([8; 32]))
            })
        }),
        ("clock", |it| claim(it, |it| it.clock_ms = int(1))),
        ("input", |it| {
            claim(it, |it| {
                it.input = Disclosed::Open(tenzik_receipt::Blake3::of(b""))
            })
        }),
        ("capsule", |it| {
            claim(it, |it| it.capsule = tenzik_receipt::Blake3::of(b""))
        }),
        ("limits", |it| {
            claim(it, |it| it.limits.output_bytes = int(1))
        }),
        ("no audience", |it| it.audience = None),
        ("expiry", |it| {
            it.audience.as_mut().expect("set").expires_at = at("2027-01-01T00:00:00Z")
        }),
        ("audience name", |it| {
            it.audience.as_mut().expect("set").name = common::label("other")
        }),
        ("challenge", |it| {
            let other = tenzik_receipt::Challenge::new(vec![9; 16]).expect("16 bytes");
            it.audience.as_mut().expect("set").challenge = other;
        }),
    ];
    for (what, change) in changes {
        let mut receipt = requested(&requester());
        change(&mut receipt);
        assert_eq!(
            check(receipt, vec![trusted(&requester())]),
            FAILED,
            "{what}"
        );
    }
}

#[test]
fn the_answer_is_not_the_requesters_to_sign() {
    let mut receipt = requested(&requester());
    let Claim::Wasm(claim) = &mut receipt.claim else {
        panic!("it is a capsule's run");
    };
    claim.output = Some(Disclosed::Open(tenzik_receipt::Blake3::of(b"other")));
    claim.fuel = Some(Disclosed::Open(int(1)));
    assert_eq!(check(receipt, vec![trusted(&requester())]), PASSED);
}

#[test]
fn one_nodes_request_is_not_anothers() {
    let other = secret_key(0x66, KeyUse::Receipt);
    let mut receipt = requested(&requester());
    receipt.node = other.public();
    let signed = other.sign_receipt(receipt).expect("its own receipt");
    let keys = trust(vec![trusted(&other), trusted(&requester())]);
    let report = verify(
        &signed.to_bytes(),
        &keys,
        at(common::NOW),
        &Expectations::default(),
    );
    assert_eq!(outcome(&report, CheckName::Signature), Outcome::Passed);
    assert_eq!(outcome(&report, CheckName::Request), Outcome::Failed);
}

/// Receipts here are issued at 2026-11-20T08:00:00Z.
#[test]
fn a_requesters_key_counts_for_its_use_and_in_its_time() {
    let base = || trusted(&requester());
    let table = [
        (
            TrustedKey {
                key_use: KeyUse::Receipt,
                ..base()
            },
            FAILED,
            "trusted as receipt key only",
        ),
        (
            TrustedKey {
                key_use: KeyUse::Exporter,
                ..base()
            },
            FAILED,
            "trusted as exporter key only",
        ),
        (
            TrustedKey {
                revoked_at: Some(at("2026-11-20T09:00:00Z")),
                ..base()
            },
            FAILED,
            "revoked",
        ),
        (
            TrustedKey {
                valid_from: at("2026-11-20T08:00:01Z"),
                ..base()
            },
            FAILED,
            "valid from",
        ),
        (
            TrustedKey {
                valid_from: at("2026-11-20T08:00:00Z"),
                ..base()
            },
            PASSED,
            "signed",
        ),
        (
            TrustedKey {
                valid_until: Some(at("2026-11-20T08:00:00Z")),
                ..base()
            },
            FAILED,
            "valid until",
        ),
        (
            TrustedKey {
                valid_until: Some(at("2026-11-20T08:00:01Z")),
                ..base()
            },
            PASSED,
            "signed",
        ),
        (
            TrustedKey {
                valid_until: None,
                ..base()
            },
            PASSED,
            "signed",
        ),
    ];
    for (entry, expected, words) in table {
        let keys = trust(vec![trusted(&common::node()), entry.clone()]);
        let bytes = sign(requested(&requester())).to_bytes();
        let report = verify(&bytes, &keys, at(common::NOW), &Expectations::default());
        assert_eq!(
            (outcome(&report, CheckName::Request), report.verdict()),
            expected,
            "{entry:?}"
        );
        assert!(note(&report, CheckName::Request).contains(words), "{words}");
    }
}

#[test]
fn a_node_cannot_be_its_own_requester() {
    let own = SecretKey::from_seed(&[0x11; 32], KeyUse::Requester, at(common::NOW));
    assert_eq!(
        check(requested(&own), Vec::new()),
        FAILED,
        "its key is listed for receipts only"
    );
}

#[test]
fn a_verifier_may_insist_on_a_requester_that_it_trusts() {
    let insisting = Expectations {
        requester: true,
        ..Expectations::default()
    };
    let of = |receipt: Receipt, entries: &[&SecretKey]| {
        let keys = entries.iter().map(|key| trusted(key)).collect();
        let bytes = sign(receipt).to_bytes();
        verify(&bytes, &trust(keys), at(common::NOW), &insisting).verdict()
    };
    let (node, requester) = (common::node(), requester());
    let unsigned = receipt(Claim::Wasm(wasm()));
    assert_eq!(of(unsigned, &[&node, &requester]), Verdict::Failed);
    assert_eq!(of(requested(&requester), &[&node]), Verdict::CannotTell);
    assert_eq!(
        of(requested(&requester), &[&node, &requester]),
        Verdict::Passed
    );
}
