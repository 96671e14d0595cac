//! Keys, logs and trees for tests, the same in each run.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tenzik_receipt::merkle::{leaf_hash, root};
use tenzik_receipt::{KeyUse, PublicKey, SecretKey, Sha256, Timestamp};

use crate::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use crate::note::{KeyName, SignatureLine, SignatureType, VerifierKey};

pub(crate) const ORIGIN: &str = "node.example/log";

/// The identity: whatever is signed under it verifies where the check is not strict.
pub(crate) fn weak_key() -> PublicKey {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    PublicKey::from_bytes(bytes)
}

pub(crate) fn time(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds).expect("a time")
}

pub(crate) fn name(text: &str) -> KeyName {
    KeyName::new(text).expect("a name")
}

pub(crate) fn origin() -> Origin {
    Origin::new(ORIGIN).expect("an origin")
}

fn secret(seed: u8, key_use: KeyUse) -> SecretKey {
    SecretKey::from_seed(&[seed; 32], key_use, Timestamp::EPOCH)
}

pub(crate) fn log_secret() -> SecretKey {
    secret(1, KeyUse::Checkpoint)
}

pub(crate) fn log_key() -> VerifierKey {
    let key = log_secret().public();
    VerifierKey::new(name(ORIGIN), SignatureType::Ed25519, key).expect("a key")
}

/// Another key of the same name.
pub(crate) fn other_log_secret() -> SecretKey {
    secret(2, KeyUse::Checkpoint)
}

pub(crate) fn other_log_key() -> VerifierKey {
    let key = other_log_secret().public();
    VerifierKey::new(name(ORIGIN), SignatureType::Ed25519, key).expect("a key")
}

pub(crate) fn witness_secret(number: u8) -> SecretKey {
    secret(100 + number, KeyUse::Witness)
}

pub(crate) fn witness_name(number: u8) -> KeyName {
    name(&format!("w{number}.example"))
}

pub(crate) fn witness_key(number: u8) -> VerifierKey {
    let key = witness_secret(number).public();
    VerifierKey::new(witness_name(number), SignatureType::Cosignature, key).expect("a key")
}

pub(crate) fn cosigned(checkpoint: &Checkpoint, number: u8, seconds: u64) -> SignatureLine {
    let (key, name) = (witness_secret(number), witness_name(number));
    crate::cosignature::cosign(checkpoint, &key, &name, time(seconds)).expect("a witness's key")
}

/// Entries of a log.
pub(crate) fn leaf(index: usize) -> Vec<u8> {
    format!("leaf {index}").into_bytes()
}

pub(crate) fn leaf_hashes(count: usize) -> Vec<Sha256> {
    (0..count).map(|index| leaf_hash(&leaf(index))).collect()
}

/// A consistency proof, by RFC 6962 section 2.1.2 as it is written there.
pub(crate) fn consistency_proof(old: usize, leaves: &[Sha256]) -> Vec<Sha256> {
    subproof(old, leaves, true)
}

fn subproof(old: usize, leaves: &[Sha256], whole: bool) -> Vec<Sha256> {
    if old == leaves.len() {
        return if whole {
            Vec::new()
        } else {
            vec![root(leaves)]
        };
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    let (mut path, other) = match old.checked_sub(left.len()) {
        None | Some(0) => (subproof(old, left, whole), right),
        Some(old) => (subproof(old, right, false), left),
    };
    path.push(root(other));
    path
}

pub(crate) fn checkpoint(size: usize) -> Checkpoint {
    let root = root(&leaf_hashes(size));
    Checkpoint::new(origin(), size as u64, root)
}

pub(crate) fn signed(size: usize) -> SignedCheckpoint {
    checkpoint(size).sign(&log_secret()).expect("a log's key")
}

/// A signed checkpoint with cosignatures of these witnesses at these times.
pub(crate) fn witnessed(size: usize, witnesses: &[(u8, u64)]) -> SignedCheckpoint {
    let mut signed = signed(size);
    for (number, seconds) in witnesses {
        let line = cosigned(signed.checkpoint(), *number, *seconds);
        signed
            .add_signatures(&[line], &[witness_key(*number)])
            .expect("it verifies");
    }
    signed
}

/// Bytes with a few changes: octets and lines replaced, put in, doubled, taken away.
pub(crate) fn mutated(bytes: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let change = (0..6_u8, any::<Index>(), any::<Index>(), any::<u8>());
    vec(change, 1..4).prop_map(move |changes| {
        changes
            .iter()
            .fold(bytes.clone(), |bytes, (kind, at, other, octet)| {
                mutate(bytes, *kind, at, other, *octet)
            })
    })
}

fn mutate(mut bytes: Vec<u8>, kind: u8, at: &Index, other: &Index, octet: u8) -> Vec<u8> {
    if bytes.is_empty() {
        return bytes;
    }
    let at = at.index(bytes.len());
    let other = other.index(bytes.len());
    match kind {
        0 => bytes[at] = octet,
        1 => bytes.insert(at, octet),
        2 => {
            bytes.remove(at);
        }
        3 => bytes.truncate(at),
        4 => bytes[at] = bytes[other],
        _ => {
            let mut lines: Vec<_> = bytes.split_inclusive(|octet| *octet == b'\n').collect();
            let line = lines[at % lines.len()];
            lines.insert(other % lines.len(), line);
            bytes = lines.concat();
        }
    }
    bytes
}
