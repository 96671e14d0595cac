//! A log that is made by hand: it signs what it is told to.

use std::time::UNIX_EPOCH;

use tenzik_log::bundle;
use tenzik_log::checkpoint::{Checkpoint, Origin, SignedCheckpoint};
use tenzik_log::cosignature::cosign;
use tenzik_log::note::VerifierKey;
use tenzik_log::tile::{TileKind, TilePath};
use tenzik_log::tree::Tree;
use tenzik_log::witness::AddCheckpoint;
use tenzik_receipt::merkle::{leaf_hash, root};
use tenzik_receipt::{KeyUse, PublicKey, SecretKey, Sha256, Timestamp};

use crate::common::Receipts;
use crate::harness::{log_key, witness_key};

pub(crate) const HAND: &str = "hand.example/log";
const SEED: u8 = 21;
const WITNESS: &str = "w.example/w";
const WITNESS_SEED: u8 = 22;

/// Leaves, and the tree over each number of them.
#[derive(Clone)]
pub(crate) struct HandLog {
    leaves: Vec<Vec<u8>>,
    hashes: Vec<Sha256>,
    seed: u8,
    witnessed: bool,
}

/// The witness that cosigns what is [witnessed](HandLog::witnessed).
pub(crate) fn hand_witness() -> VerifierKey {
    witness_key(WITNESS, WITNESS_SEED)
}

/// The node whose receipts are in it.
pub(crate) fn hand_node() -> PublicKey {
    Receipts::of(HAND).key()
}

/// The key that it signs with.
pub(crate) fn hand_key() -> VerifierKey {
    log_key(HAND, SEED)
}

fn now() -> Timestamp {
    let since = UNIX_EPOCH.elapsed().expect("a clock");
    Timestamp::from_unix_seconds(since.as_secs()).expect("a time")
}

impl HandLog {
    pub(crate) fn new(leaves: Vec<Vec<u8>>) -> Self {
        Self {
            hashes: leaves.iter().map(|leaf| leaf_hash(leaf)).collect(),
            leaves,
            seed: SEED,
            witnessed: false,
        }
    }

    /// Receipts of these numbers.
    pub(crate) fn of(numbers: std::ops::Range<u64>) -> Self {
        let receipts = Receipts::of(HAND);
        Self::new(numbers.map(|number| receipts.bytes(number)).collect())
    }

    /// The same, signed by another key.
    pub(crate) fn with_seed(mut self, seed: u8) -> Self {
        self.seed = seed;
        self
    }

    /// The same, with checkpoints that its witness has cosigned.
    pub(crate) fn witnessed(mut self) -> Self {
        self.witnessed = true;
        self
    }

    /// The same with more leaves.
    pub(crate) fn and(mut self, leaf: Vec<u8>) -> Self {
        self.leaves.push(leaf);
        Self::new(self.leaves)
    }

    pub(crate) fn size(&self) -> u64 {
        self.leaves.len() as u64
    }

    /// The bytes of the leaves from one on.
    pub(crate) fn bytes_from(&self, from: u64) -> usize {
        self.leaves[from as usize..].iter().map(Vec::len).sum()
    }

    pub(crate) fn head(&self) -> SignedCheckpoint {
        self.signed(self.size())
    }

    pub(crate) fn signed(&self, size: u64) -> SignedCheckpoint {
        let origin = Origin::new(HAND).expect("an origin");
        let root = match size {
            0 => Sha256::of(b""),
            size => root(&self.hashes[..size as usize]),
        };
        let key = SecretKey::from_seed(&[self.seed; 32], KeyUse::Checkpoint, Timestamp::EPOCH);
        let checkpoint = Checkpoint::new(origin, size, root);
        let mut signed = checkpoint.sign(&key).expect("a log's key");
        if self.witnessed {
            let witness = hand_witness();
            let key = SecretKey::from_seed(&[WITNESS_SEED; 32], KeyUse::Witness, Timestamp::EPOCH);
            let line = cosign(&checkpoint, &key, witness.name(), now()).expect("a witness's key");
            signed.add_signatures(&[line], &[witness]).expect("it fits");
        }
        signed
    }

    pub(crate) fn tile(&self, path: TilePath) -> Option<Vec<u8>> {
        let places = path.index() * 256..path.index() * 256 + u64::from(path.width());
        match path.kind() {
            TileKind::Entries => {
                let mut bytes = Vec::new();
                for index in places {
                    bundle::push(&mut bytes, self.leaves.get(index as usize)?).expect("a leaf");
                }
                Some(bytes)
            }
            TileKind::Hashes(level) => {
                let each = 256_usize.checked_pow(level.into())?;
                let hash = |place: u64| {
                    let from = place as usize * each;
                    self.hashes.get(from..from + each).map(root)
                };
                let hashes: Option<Vec<_>> = places.map(hash).collect();
                Some(hashes?.iter().flat_map(|hash| *hash.as_bytes()).collect())
            }
        }
    }

    pub(crate) fn consistency(&self, old: u64, new: u64) -> Vec<Sha256> {
        let mut tree = Tree::new(new, |path: TilePath| Ok(self.tile(path)));
        tree.consistency(old).expect("a proof")
    }

    /// The request that leads a witness from one size to another.
    pub(crate) fn request(&self, old: u64, new: u64) -> Vec<u8> {
        let proof = self.consistency(old, new);
        let request = AddCheckpoint::new(old, proof, &self.signed(new));
        request.expect("a request").to_bytes()
    }
}
