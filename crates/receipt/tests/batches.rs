//! One signature for many receipts binds each to its place: leaf, index, size and path.

mod common;

use std::sync::OnceLock;

use common::{int, node, receipt, secret_key, verify_now, wasm, with_signature};
use tenzik_receipt::{
    BATCH_MAX, BATCH_PAYLOAD, BatchRoot, BatchSignature, CheckName, Claim, Encode, Expectations,
    KeyUse, Outcome, RawSignature, Receipt, Sha256, SignError, Signature, SignedReceipt, Verdict,
    merkle, pae,
};

fn numbered(seq: u64) -> Receipt {
    let mut receipt = receipt(Claim::Wasm(wasm()));
    receipt.nonce.seq = int(seq);
    receipt
}

fn batch(size: u64) -> Vec<SignedReceipt> {
    let receipts = (0..size).map(numbered).collect();
    node().sign_batch(receipts).expect("a batch")
}

fn seven() -> &'static [SignedReceipt] {
    static SEVEN: OnceLock<Vec<SignedReceipt>> = OnceLock::new();
    SEVEN.get_or_init(|| batch(7))
}

fn part(signed: &SignedReceipt) -> BatchSignature {
    match signed.signature() {
        Signature::Batch(part) => part.clone(),
        other => panic!("{other:?} is no batch signature"),
    }
}

/// How the signature check comes out where this is the batch signature.
fn holds(receipt: &Receipt, part: &BatchSignature) -> Outcome {
    let json = String::from_utf8(part.to_canonical()).expect("ASCII");
    let report = verify_now(&with_signature(receipt, &json), &Expectations::default());
    common::outcome(&report, CheckName::Signature)
}

#[test]
fn every_receipt_of_a_batch_passes_without_the_others() {
    for size in [1, 2, 3, 7] {
        for (index, signed) in batch(size).iter().enumerate() {
            let report = verify_now(&signed.to_bytes(), &Expectations::default());
            assert_eq!(report.verdict(), Verdict::Passed, "{index} of {size}");
            assert_eq!(part(signed).index.get(), index as u64);
        }
    }
}

#[test]
fn no_other_index_or_size_holds_for_the_same_leaf_and_path() {
    let signed = &seven()[4];
    let part = part(signed);
    for size in [
        1,
        4,
        5,
        6,
        7,
        8,
        9,
        65_536,
        65_537,
        int(u64::from(u32::MAX)).get(),
    ] {
        for index in (0..10).chain([size]) {
            let changed = BatchSignature {
                index: int(index),
                size: int(size),
                ..part.clone()
            };
            let expected = match (index, size) {
                (4, 7) => Outcome::Passed,
                _ => Outcome::Failed,
            };
            assert_eq!(
                holds(signed.receipt(), &changed),
                expected,
                "{index} of {size}"
            );
        }
    }
}

#[test]
fn the_path_is_bound() {
    let signed = &seven()[2];
    let whole = part(signed);
    let tampered = |change: &dyn Fn(&mut Vec<Sha256>)| {
        let mut part = whole.clone();
        change(&mut part.path);
        holds(signed.receipt(), &part)
    };
    assert_eq!(tampered(&|_| ()), Outcome::Passed);
    assert_eq!(tampered(&|path| path.reverse()), Outcome::Failed);
    assert_eq!(tampered(&|path| path.clear()), Outcome::Failed);
    assert_eq!(tampered(&|path| path.truncate(2)), Outcome::Failed);
    assert_eq!(
        tampered(&|path| path.push(Sha256::of(b""))),
        Outcome::Failed
    );
    assert_eq!(tampered(&|path| path[0] = Sha256::of(b"")), Outcome::Failed);
    assert_eq!(
        tampered(&|path| path.extend([Sha256::of(b""); 300])),
        Outcome::Failed
    );
}

#[test]
fn a_receipt_does_not_borrow_the_place_of_another() {
    let borrowed = part(&seven()[3]);
    assert_eq!(holds(&numbered(2), &borrowed), Outcome::Failed);
    assert_eq!(holds(&numbered(99), &borrowed), Outcome::Failed);
    assert_eq!(holds(&numbered(3), &borrowed), Outcome::Passed);
}

#[test]
fn a_batch_larger_than_is_signed_does_not_hold_though_its_signature_is_right() {
    let receipt = numbered(0);
    let leaf = merkle::leaf_hash(&pae(
        tenzik_receipt::RECEIPT_PAYLOAD,
        &receipt.to_canonical(),
    ));
    let signing = ed25519_dalek::SigningKey::from_bytes(&[0x11; 32]);
    for (size, expected) in [(65_536, Outcome::Passed), (65_537, Outcome::Failed)] {
        let steps = if size > 65_536 { 17 } else { 16 };
        let path = vec![Sha256::of(b"sibling"); steps];
        let root = merkle::root_from_path(leaf, 0, size, &path).expect("the path's length fits");
        let root = BatchRoot {
            node: node().public(),
            root,
            size: int(size),
        };
        let message = pae(BATCH_PAYLOAD, &root.to_canonical());
        let signature = ed25519_dalek::Signer::sign(&signing, &message);
        let part = BatchSignature {
            index: int(0),
            path,
            root_sig: RawSignature::from_bytes(signature.to_bytes()),
            size: int(size),
        };
        assert_eq!(holds(&receipt, &part), expected, "{size}");
    }
}

#[test]
fn a_single_signature_does_not_serve_as_a_batchs_nor_the_other_way_round() {
    let receipt = numbered(0);
    let single = common::sign(receipt.clone());
    let Signature::Single(root_sig) = *single.signature() else {
        panic!("it was signed alone");
    };
    let alone = part(&batch(1)[0]);
    assert_eq!(holds(&receipt, &alone), Outcome::Passed);
    let crossed = BatchSignature {
        root_sig,
        ..alone.clone()
    };
    assert_eq!(holds(&receipt, &crossed), Outcome::Failed);
    let json = format!("\"{}\"", alone.root_sig);
    let report = verify_now(&with_signature(&receipt, &json), &Expectations::default());
    assert_eq!(
        common::outcome(&report, CheckName::Signature),
        Outcome::Failed
    );
}

#[test]
fn none_and_too_many_are_not_signed() {
    let empty = node().sign_batch(Vec::new());
    assert_eq!(empty, Err(SignError::BatchSize { size: 0 }));
    let size = BATCH_MAX + 1;
    let many = node().sign_batch(vec![numbered(0); size]);
    assert_eq!(many, Err(SignError::BatchSize { size }));
}

#[test]
fn one_receipt_that_may_not_be_signed_stops_the_whole_batch() {
    let mut foreign = numbered(1);
    foreign.node = secret_key(0x33, KeyUse::Receipt).public();
    let refused = node().sign_batch(vec![numbered(0), foreign]);
    assert!(matches!(refused, Err(SignError::Node { .. })));
}

#[test]
fn what_was_prepared_is_signed_as_it_would_have_been_at_once() {
    let prepare = |seq| {
        node()
            .prepare(numbered(seq))
            .expect("a receipt of the node's")
    };
    let prepared = (0..7).map(prepare).collect();
    assert_eq!(node().sign_prepared(prepared).as_deref(), Ok(seven()));
}

#[test]
fn a_receipt_that_may_not_be_signed_is_refused_where_it_is_prepared() {
    let mut foreign = numbered(1);
    foreign.node = secret_key(0x33, KeyUse::Receipt).public();
    assert!(matches!(
        node().prepare(foreign),
        Err(SignError::Node { .. })
    ));
    let mut contradiction = numbered(1);
    contradiction.crit = [common::label("missing")].into_iter().collect();
    assert!(matches!(
        node().prepare(contradiction),
        Err(SignError::Form(_))
    ));
    let other_use = secret_key(0x11, KeyUse::Exporter).prepare(numbered(1));
    assert!(matches!(other_use, Err(SignError::Use { .. })));
}

#[test]
fn what_another_key_has_prepared_is_not_signed() {
    let stranger = secret_key(0x33, KeyUse::Receipt);
    let prepared = || vec![node().prepare(numbered(0)).expect("the node's own")];
    let refused = stranger.sign_prepared(prepared());
    assert!(matches!(refused, Err(SignError::Node { .. })));
    // The same bytes as a key for another use sign nothing either.
    let exporter = secret_key(0x11, KeyUse::Exporter).sign_prepared(prepared());
    assert!(matches!(exporter, Err(SignError::Use { .. })));
    let none = node().sign_prepared(Vec::new());
    assert_eq!(none, Err(SignError::BatchSize { size: 0 }));
}

#[test]
fn the_bytes_are_the_same_whether_the_receipt_is_kept_or_not() {
    for signed in seven().iter().chain([&common::signed()]) {
        assert_eq!(signed.clone().into_bytes(), signed.to_bytes());
        let read = SignedReceipt::from_bytes(&signed.to_bytes()).expect("ours");
        assert_eq!(read.into_bytes(), signed.to_bytes());
    }
}
