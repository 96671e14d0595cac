//! A verifier of many receipts says of each what `verify` says of it alone, whatever came before.

mod common;

use std::sync::LazyLock;

use common::{
    at, int, node, receipt, secret_key, sign, trust, trust_both, trusted, verify_now, wasm,
    with_signature,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tenzik_receipt::{
    BatchSignature, CheckName, Claim, Encode as _, Expectations, KeyUse, Outcome, PublicKey,
    RawSignature, Receipt, Report, SecretKey, Sha256, Signature, SignedReceipt, Trust, Verdict,
    Verifier, verify,
};

/// A key that is in no trust file here.
fn stranger() -> SecretKey {
    secret_key(0x33, KeyUse::Receipt)
}

fn numbered(key: &SecretKey, seq: u64) -> Receipt {
    let mut receipt = receipt(Claim::Wasm(wasm()));
    receipt.node = key.public();
    receipt.nonce.seq = int(seq);
    receipt
}

/// Batches of several sizes, of two nodes.
fn batches() -> &'static [Vec<SignedReceipt>] {
    static BATCHES: LazyLock<Vec<Vec<SignedReceipt>>> = LazyLock::new(|| {
        let of = |key: SecretKey, sizes: &[u64]| -> Vec<_> {
            let batch = |size: &u64| {
                let receipts = (0..*size).map(|seq| numbered(&key, 10 * size + seq));
                key.sign_batch(receipts.collect()).expect("a batch")
            };
            sizes.iter().map(batch).collect()
        };
        [of(node(), &[1, 2, 5, 7, 8]), of(stranger(), &[1, 5])].concat()
    });
    &BATCHES
}

/// A receipt of one of the batches.
fn pick(batch: Index, place: Index) -> &'static SignedReceipt {
    let batch: &Vec<SignedReceipt> = batch.get(batches());
    place.get(batch)
}

fn part(signed: &SignedReceipt) -> BatchSignature {
    match signed.signature() {
        Signature::Batch(part) => part.clone(),
        other => panic!("{other:?} is no batch signature"),
    }
}

/// What is done to an honest receipt; each number picks where.
#[derive(Clone, Copy, Debug)]
enum Change {
    Nothing,
    Bit(Index),
    Cut(Index),
    Path(Index),
    PathLonger,
    PathShorter,
    Place(u8),
    Size(u8),
    /// The root signature of another receipt.
    RootSignature(Index, Index),
    /// All of the signature of another receipt.
    Signature(Index, Index),
    /// Another claim under the same signature.
    Claim,
    /// Another node under the same signature: trusted, not trusted, weak or no key.
    Node(u8),
    /// Signed alone instead.
    Alone,
}

fn change() -> impl Strategy<Value = Change> {
    let index = || any::<Index>();
    prop_oneof![
        6 => Just(Change::Nothing),
        1 => index().prop_map(Change::Bit),
        1 => index().prop_map(Change::Cut),
        1 => index().prop_map(Change::Path),
        1 => Just(Change::PathLonger),
        1 => Just(Change::PathShorter),
        1 => (0..9_u8).prop_map(Change::Place),
        1 => (0..9_u8).prop_map(Change::Size),
        2 => (index(), index()).prop_map(|(batch, place)| Change::RootSignature(batch, place)),
        2 => (index(), index()).prop_map(|(batch, place)| Change::Signature(batch, place)),
        1 => Just(Change::Claim),
        2 => (0..4_u8).prop_map(Change::Node),
        1 => Just(Change::Alone),
    ]
}

impl Change {
    fn of(self, signed: &SignedReceipt) -> Vec<u8> {
        let (mut receipt, mut part) = (signed.receipt().clone(), part(signed));
        match self {
            Self::Nothing => return signed.to_bytes(),
            Self::Bit(bit) => {
                let mut bytes = signed.to_bytes();
                let bit = bit.index(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                return bytes;
            }
            Self::Cut(length) => {
                let mut bytes = signed.to_bytes();
                bytes.truncate(length.index(bytes.len()));
                return bytes;
            }
            Self::Path(step) if !part.path.is_empty() => {
                let step = step.index(part.path.len());
                part.path[step] = Sha256::of(b"another");
            }
            Self::Path(_) | Self::PathLonger => part.path.push(Sha256::of(b"one more")),
            Self::PathShorter => part.path.truncate(part.path.len().saturating_sub(1)),
            Self::Place(index) => part.index = int(index.into()),
            Self::Size(size) => part.size = int(size.into()),
            Self::RootSignature(batch, place) => {
                part.root_sig = self::part(pick(batch, place)).root_sig;
            }
            Self::Signature(batch, place) => part = self::part(pick(batch, place)),
            Self::Claim => receipt.claim = Claim::Refused(common::refused()),
            Self::Node(which) => receipt.node = another_node(which),
            Self::Alone if receipt.node == node().public() => return sign(receipt).to_bytes(),
            Self::Alone => receipt.nonce.seq = int(1_000),
        }
        let json = String::from_utf8(part.to_canonical()).expect("ASCII");
        with_signature(&receipt, &json)
    }
}

fn another_node(which: u8) -> PublicKey {
    let mut one = [0; 32];
    one[0] = 1;
    match which {
        0 => node().public(),
        1 => stranger().public(),
        // The neutral point, of order 1: anyone could sign for it.
        2 => PublicKey::from_bytes(one),
        _ => PublicKey::from_bytes([0xff; 32]),
    }
}

/// Whom the verifier trusts, which may change between two receipts.
fn trusts() -> &'static [Trust; 3] {
    static TRUSTS: LazyLock<[Trust; 3]> = LazyLock::new(|| {
        let revoked = tenzik_receipt::TrustedKey {
            revoked_at: Some(at(common::ISSUED)),
            ..trusted(&node())
        };
        [trust_both(), trust(Vec::new()), trust(vec![revoked])]
    });
    &TRUSTS
}

#[track_caller]
fn assert_same(many: &Report, alone: &Report) {
    assert_eq!(many.checks(), alone.checks());
    assert_eq!(many.unverified(), alone.unverified());
    assert_eq!(many.verdict(), alone.verdict());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_report_is_that_of_the_receipt_alone(
        roots_max in 0..6_usize,
        steps in vec((any::<[Index; 3]>(), change()), 1..24),
    ) {
        let mut verifier = Verifier::remembering(roots_max);
        for ([batch, place, trust], change) in steps {
            let bytes = change.of(pick(batch, place));
            let trust = trust.get(trusts());
            let (now, expected) = (at(common::NOW), Expectations::default());
            let many = verifier.verify(&bytes, trust, now, &expected);
            assert_same(&many, &verify(&bytes, trust, now, &expected));
        }
    }
}

fn outcome(verifier: &mut Verifier, bytes: &[u8]) -> (Outcome, Verdict) {
    let report = verifier.verify(
        bytes,
        &trust_both(),
        at(common::NOW),
        &Expectations::default(),
    );
    let signature = common::outcome(&report, CheckName::Signature);
    (signature, report.verdict())
}

const PASSED: (Outcome, Verdict) = (Outcome::Passed, Verdict::Passed);
const FAILED: (Outcome, Verdict) = (Outcome::Failed, Verdict::Failed);

#[test]
fn a_root_that_is_known_does_not_carry_another_signature() {
    let batch = &batches()[3];
    let mut verifier = Verifier::default();
    for signed in batch {
        assert_eq!(outcome(&mut verifier, &signed.to_bytes()), PASSED);
    }
    let swapped = |root_sig| BatchSignature {
        root_sig,
        ..part(&batch[2])
    };
    let mut bit = *part(&batch[2]).root_sig.as_bytes();
    bit[40] ^= 1;
    let others = [
        RawSignature::from_bytes(bit),
        part(&batches()[2][0]).root_sig,
        RawSignature::from_bytes([0; 64]),
    ];
    for root_sig in others {
        let json = String::from_utf8(swapped(root_sig).to_canonical()).expect("ASCII");
        let bytes = with_signature(batch[2].receipt(), &json);
        assert_eq!(outcome(&mut verifier, &bytes), FAILED);
        assert_eq!(
            verify_now(&bytes, &Expectations::default()).verdict(),
            Verdict::Failed
        );
        assert_eq!(outcome(&mut verifier, &batch[2].to_bytes()), PASSED);
    }
}

#[test]
fn a_signature_that_did_not_hold_spoils_nothing() {
    let batch = &batches()[3];
    let mut verifier = Verifier::default();
    for signed in batch {
        for change in [
            Change::Claim,
            Change::PathLonger,
            Change::Place(6),
            Change::Size(6),
        ] {
            let bytes = change.of(signed);
            if bytes != signed.to_bytes() {
                assert_eq!(outcome(&mut verifier, &bytes), FAILED, "{change:?}");
            }
        }
        assert_eq!(outcome(&mut verifier, &signed.to_bytes()), PASSED);
    }
}

#[test]
fn what_was_found_under_one_trust_does_not_vouch_under_another() {
    let signed = &batches()[3][0];
    let mut verifier = Verifier::default();
    let mut key = |trust: &Trust| {
        let expected = Expectations::default();
        let report = verifier.verify(&signed.to_bytes(), trust, at(common::NOW), &expected);
        (common::outcome(&report, CheckName::Key), report.verdict())
    };
    let [both, nobody, revoked] = trusts();
    assert_eq!(key(both), (Outcome::Passed, Verdict::Passed));
    assert_eq!(key(nobody), (Outcome::Unknown, Verdict::CannotTell));
    assert_eq!(key(revoked), (Outcome::Failed, Verdict::Failed));
    assert_eq!(key(both), (Outcome::Passed, Verdict::Passed));
}
