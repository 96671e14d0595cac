//! A log for the fuzz targets: fixed keys, fixed leaves, every tree over the first of them.
//!
//! Enters: sizes. Leaves: trees, and what log and witness sign of them. The log is honest but for one tree of
//! [`FORK_SIZE`] leaves, whose last leaf is another.

mod files;
pub mod seeds;
mod trees;

use std::collections::HashMap;
use std::sync::LazyLock;

use tenzik_log::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tenzik_log::cosignature::cosign;
use tenzik_log::evidence::{Evidence, EvidenceError, Finding, Known};
use tenzik_log::note::{KeyName, SignatureType, VerifierKey};
use tenzik_log::policy::Policy;
use tenzik_log::storage::StorageError;
use tenzik_log::tile::{TILE_WIDTH, TileKind, TilePath};
use tenzik_log::tree::{ReadTiles, Tree};
use tenzik_log::{Frontier, LeafRules, Visibility, bundle};
use tenzik_receipt::merkle::{leaf_hash, node_hash};
use tenzik_receipt::{KeyUse, SecretKey, Sha256, Timestamp};

use crate::{key, now};

pub use files::log_files;
pub use trees::log_trees;

const ORIGIN: &str = "node.example/log";
const WITNESS: &str = "witness.example/w1";
/// How many leaves there are: tiles of three levels.
const LEAVES: u64 = 66_000;
const FORK_SIZE: u64 = 7;

static TILES: LazyLock<HashMap<(TileKind, u64), Vec<u8>>> = LazyLock::new(|| {
    let tiles = Frontier::new().extend((0..LEAVES).map(leaf)).expect("short leaves");
    let hashes = tiles.into_iter().filter(|(path, _)| path.kind() != TileKind::Entries);
    hashes.map(|(path, bytes)| ((path.kind(), path.index()), bytes)).collect()
});

static POLICY: LazyLock<Policy> = LazyLock::new(|| {
    let text = format!("log {}\nwitness w1 {}\nquorum w1\n", log_key(), witness_key());
    Policy::from_bytes(text.as_bytes()).expect("a policy")
});

fn leaf(index: u64) -> Vec<u8> {
    format!("leaf {index}").into_bytes()
}

/// A tile or bundle of the log, as narrow as it was once.
fn read(path: TilePath) -> Result<Option<Vec<u8>>, StorageError> {
    let width = usize::from(path.width());
    let tile = match path.kind() {
        TileKind::Entries => {
            let first = path.index() * TILE_WIDTH;
            let mut bytes = Vec::new();
            for index in first..first + width as u64 {
                bundle::push(&mut bytes, &leaf(index)).expect("a short leaf");
            }
            Some(bytes)
        }
        kind => TILES.get(&(kind, path.index())).map(|bytes| bytes[..32 * width].to_vec()),
    };
    Ok(tile)
}

fn tree(size: u64) -> Tree<impl ReadTiles> {
    Tree::new(size, read)
}

fn root(size: u64) -> Sha256 {
    tree(size).root().expect("every tile is there")
}

/// The root of the tree in which the log lied.
fn fork_root() -> Sha256 {
    let hash = |index| leaf_hash(&leaf(index));
    let four = node_hash(&node_hash(&hash(0), &hash(1)), &node_hash(&hash(2), &hash(3)));
    node_hash(&four, &node_hash(&node_hash(&hash(4), &hash(5)), &leaf_hash(b"another")))
}

fn origin() -> Origin {
    Origin::new(ORIGIN).expect("an origin")
}

fn secret(seed: u8, key_use: KeyUse) -> SecretKey {
    SecretKey::from_seed(&[seed; 32], key_use, Timestamp::EPOCH)
}

fn verifier(name: &str, kind: SignatureType, key: &SecretKey) -> VerifierKey {
    let name = KeyName::new(name).expect("a name");
    VerifierKey::new(name, kind, key.public()).expect("a good key")
}

fn log_key() -> VerifierKey {
    verifier(ORIGIN, SignatureType::Ed25519, &secret(0x33, KeyUse::Checkpoint))
}

fn witness_key() -> VerifierKey {
    verifier(WITNESS, SignatureType::Cosignature, &secret(0x44, KeyUse::Witness))
}

fn signed_as(size: u64, root: Sha256) -> SignedCheckpoint {
    let checkpoint = Checkpoint::new(origin(), size, root);
    checkpoint.sign(&secret(0x33, KeyUse::Checkpoint)).expect("a checkpoint key")
}

fn signed(size: u64) -> SignedCheckpoint {
    signed_as(size, root(size))
}

/// When the witness cosigned whatever it cosigned.
fn cosigned_at() -> Timestamp {
    "2026-11-20T09:00:00Z".parse().expect("a time")
}

fn cosigned(size: u64) -> SignedCheckpoint {
    let mut signed = signed(size);
    let name = KeyName::new(WITNESS).expect("a name");
    let key = secret(0x44, KeyUse::Witness);
    let line = cosign(signed.checkpoint(), &key, &name, cosigned_at()).expect("a witness key");
    signed.add_signatures(&[line], &[witness_key()]).expect("it verifies");
    signed
}

/// That the log signed this: nobody but it can.
fn assert_ours(checkpoint: &Checkpoint) {
    let (size, root_of) = (checkpoint.size(), checkpoint.root());
    assert!(size <= LEAVES, "a forged checkpoint of {size}");
    let forked = size == FORK_SIZE && root_of == fork_root();
    assert!(forked || root_of == root(size), "a forged checkpoint of {size}");
    assert_eq!(checkpoint.origin(), &origin());
    assert!(checkpoint.extensions().is_empty(), "a forged extension");
}

/// What evidence shows to who knows log, witness and node.
fn shown(evidence: &Evidence) -> Result<Finding, EvidenceError> {
    let rules = LeafRules::new(origin(), [key().public()], Visibility::Private).expect("a good key");
    evidence.verify(Known { log: &log_key(), rules: &rules, policy: &POLICY, at: now() })
}
