//! Arbitrary receipts: all three kinds, every optional member present and absent, open and private.
//!
//! What comes out keeps the rules of a receipt's form, so it must sign, encode and read back.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use tenzik_receipt::{
    Advisory, Audience, Backend, Blake3, Challenge, Enforcement, Epoch, Int, Label, LogPromise,
    Nonce, Profile, RawSignature, Receipt, ReceiptType, RequestSignature, Sha256, Sorted,
    Timestamp, Value,
};

use super::arbitrary_claims::claim;
use super::node;

pub(crate) fn label() -> impl Strategy<Value = Label> {
    let plain = prop_oneof![
        20 => "[ !#-\\[\\]-~]{1,16}",
        1 => "[ !#-\\[\\]-~]{256}",
    ];
    plain.prop_map(|text| Label::new(text).expect("plain text"))
}

pub(crate) fn int() -> impl Strategy<Value = Int> {
    let number = prop_oneof![0..=9_u64, 0..=Int::MAX.get(), Just(Int::MAX.get())];
    number.prop_map(|number| Int::new(number).expect("below 2^53"))
}

pub(crate) fn blake3() -> impl Strategy<Value = Blake3> {
    any::<[u8; 32]>().prop_map(Blake3::from_bytes)
}

pub(crate) fn sha256() -> impl Strategy<Value = Sha256> {
    any::<[u8; 32]>().prop_map(Sha256::from_bytes)
}

pub(crate) fn timestamp() -> impl Strategy<Value = Timestamp> {
    let seconds = 0..=Timestamp::MAX.unix_seconds();
    seconds.prop_map(|seconds| Timestamp::from_unix_seconds(seconds).expect("within the range"))
}

pub(crate) fn labels() -> impl Strategy<Value = Sorted<Label>> {
    vec(label(), 0..4).prop_map(|labels| labels.into_iter().collect())
}

/// A value of at most seven levels; the deepest that is allowed has a test of its own.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        int().prop_map(Value::Int),
        label().prop_map(Value::Text),
    ];
    leaf.prop_recursive(6, 24, 4, |below| {
        prop_oneof![
            vec(below.clone(), 0..4).prop_map(Value::List),
            btree_map(label(), below, 0..4).prop_map(Value::Object),
        ]
    })
}

fn enforcement() -> impl Strategy<Value = Enforcement> {
    let numbers = (option::of(int()), option::of(int()), option::of(int()));
    (numbers, any::<bool>(), label()).prop_map(|((applied, asked, observed), enforced, limit)| {
        Enforcement {
            applied,
            asked,
            enforced,
            limit,
            observed,
        }
    })
}

fn request_signature() -> impl Strategy<Value = RequestSignature> {
    any::<([u8; 32], [u8; 32])>().prop_map(|(one, other)| {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&one);
        signature[32..].copy_from_slice(&other);
        RequestSignature {
            requester: super::requester().public(),
            signature: RawSignature::from_bytes(signature),
        }
    })
}

fn extensions() -> impl Strategy<Value = (BTreeMap<Label, Value>, Sorted<Label>)> {
    let critical = btree_set(0..3_usize, 0..3);
    (btree_map(label(), value(), 0..3), critical).prop_map(|(ext, critical)| {
        let names: Vec<_> = ext.keys().cloned().collect();
        let crit = critical.into_iter().filter_map(|at| names.get(at).cloned());
        let crit = crit.collect();
        (ext, crit)
    })
}

/// Any receipt of the node's that may be signed.
pub(crate) fn receipt() -> BoxedStrategy<Receipt> {
    let challenge = vec(any::<u8>(), 16..=64);
    let audience =
        (challenge, timestamp(), label()).prop_map(|(bytes, expires_at, name)| Audience {
            challenge: Challenge::new(bytes).expect("16 to 64 bytes"),
            expires_at,
            name,
        });
    let log = (timestamp(), label()).prop_map(|(merge_by, origin)| LogPromise { merge_by, origin });
    let backend = (vec(enforcement(), 0..4), label(), select(Profile::ALL));
    let circumstances = (
        option::of(audience),
        option::of(log),
        option::of(request_signature()),
        extensions(),
    );
    let rest = (
        any::<[u8; 16]>(),
        int(),
        timestamp(),
        label(),
        option::of(int()),
    );
    (claim(), backend, circumstances, rest)
        .prop_map(|(claim, backend, circumstances, rest)| {
            let (mut enforced, kind, profile) = backend;
            let (audience, log, request, (ext, crit)) = circumstances;
            let (epoch, seq, issued_at, engine, wall_us) = rest;
            let open = !claim.is_private();
            for limit in &mut enforced {
                limit.observed = limit.observed.filter(|_| open);
            }
            Receipt {
                advisory: Advisory {
                    engine,
                    wall_us: wall_us.filter(|_| open),
                },
                audience,
                backend: Backend {
                    enforced,
                    kind,
                    profile,
                },
                claim,
                crit,
                ext,
                issued_at,
                log,
                node: node().public(),
                nonce: Nonce {
                    epoch: Epoch::from_bytes(epoch),
                    seq,
                },
                receipt_type: ReceiptType,
                request,
            }
        })
        .boxed()
}
