//! A transparency log of receipts, without I/O.
//!
//! | to | use |
//! |---|---|
//! | keep a log | [`Log`] over a [`Storage`] |
//! | read and verify checkpoints | [`checkpoint`], [`note`], [`cosignature`], [`policy`] |
//! | prove that a receipt is in a log, and check it | [`proof_file`], [`tree`] |
//! | choose what to run again | [`sampling`] |
//! | show that a log or a node lied | [`evidence`] |
//! | cosign other logs' checkpoints | [`witness`] |
//!
//! The forms are those of C2SP: tlog-tiles, tlog-checkpoint, tlog-cosignature, tlog-witness, tlog-policy, tlog-proof and
//! signed-note, over trees of RFC 6962 with SHA-256. `docs/log.md` says what is ours.

#![forbid(unsafe_code)]

pub mod bundle;
pub mod checkpoint;
pub mod cosignature;
pub mod evidence;
#[cfg(test)]
mod fixtures;
mod frontier;
mod leaf;
mod lines;
mod log;
pub mod note;
pub mod policy;
pub mod proof_file;
pub mod sampling;
pub mod storage;
pub mod tile;
pub mod tree;
pub mod witness;

pub use frontier::{Frontier, FrontierError, Tile};
pub use leaf::{Leaf, LeafError, LeafRules, Visibility};
pub use log::{Log, LogError, OpenError, PENDING_BYTES_MAX, Place, Placed};
pub use storage::{Commit, Entry, Storage, StorageError, Stored};
