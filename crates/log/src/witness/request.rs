//! The body of an `add-checkpoint` request.
//!
//! Enters: foreign bytes, or what a log sends. Leaves: an [`AddCheckpoint`] of which nothing is verified.
//! Refuses: other spellings, more hashes than [`PROOF_HASHES_MAX`].

use tenzik_receipt::Sha256;

use crate::checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
use crate::lines::{base64, decimal, hash};
use crate::note::NOTE_BYTES_MAX;

/// The most hashes of a consistency proof.
pub const PROOF_HASHES_MAX: usize = 63;
/// The most bytes of a request: the old size of 20 digits, the hashes, an empty line, the note.
pub const ADD_CHECKPOINT_BYTES_MAX: usize = 25 + 45 * PROOF_HASHES_MAX + 1 + NOTE_BYTES_MAX;

/// Why bytes are no `add-checkpoint` request. Status 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddCheckpointError {
    /// The checkpoint is not of the form.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A line of the proof is no hash.
    #[error("line {line} of the proof is no hash of 32 bytes in Base 64")]
    Hash {
        /// Which one, counted from 0.
        line: usize,
    },
    /// The first line.
    #[error("no old size line with a decimal number below 2^64 without leading zeroes")]
    OldSize,
    /// The proof is too long.
    #[error("a proof of more than {PROOF_HASHES_MAX} hashes")]
    Proof,
    /// Too large.
    #[error("{bytes} bytes, {ADD_CHECKPOINT_BYTES_MAX} are allowed")]
    Size {
        /// How many there are.
        bytes: usize,
    },
    /// There is no empty line, or the bytes are no text.
    #[error("no text with an empty line before the checkpoint")]
    Text,
}

/// A log's request to cosign a checkpoint. Nothing of it is verified.
///
/// ```text
/// old 20852014
/// PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=
///
/// node.example/log
/// ...
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    old_size: u64,
    proof: Vec<Sha256>,
    note: Vec<u8>,
    /// What the note says.
    checkpoint: Checkpoint,
}

impl AddCheckpoint {
    /// Makes a request. It is not checked whether the proof holds.
    ///
    /// # Errors
    /// [`AddCheckpointError::Proof`].
    pub fn new(
        old_size: u64,
        proof: Vec<Sha256>,
        checkpoint: &SignedCheckpoint,
    ) -> Result<Self, AddCheckpointError> {
        if proof.len() > PROOF_HASHES_MAX {
            return Err(AddCheckpointError::Proof);
        }
        Ok(Self {
            old_size,
            proof,
            note: checkpoint.to_bytes(),
            checkpoint: checkpoint.checkpoint().clone(),
        })
    }

    /// Reads a request's body.
    ///
    /// # Errors
    /// [`AddCheckpointError`]. What is read is written as the same bytes again.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, AddCheckpointError> {
        if bytes.len() > ADD_CHECKPOINT_BYTES_MAX {
            let bytes = bytes.len();
            return Err(AddCheckpointError::Size { bytes });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| AddCheckpointError::Text)?;
        let (head, note) = text.split_once("\n\n").ok_or(AddCheckpointError::Text)?;
        let mut lines = head.split('\n');
        let old_size = lines.next().and_then(|line| line.strip_prefix("old "));
        let old_size = old_size
            .and_then(decimal)
            .ok_or(AddCheckpointError::OldSize)?;
        Ok(Self {
            old_size,
            proof: read_proof(lines)?,
            note: note.as_bytes().to_vec(),
            checkpoint: Checkpoint::peek(note.as_bytes())?,
        })
    }

    /// The body's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("old {}\n", self.old_size);
        for hash in &self.proof {
            text.push_str(&base64(hash.as_bytes()));
            text.push('\n');
        }
        text.push('\n');
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.note);
        bytes
    }

    /// The size from which the proof leads.
    pub const fn old_size(&self) -> u64 {
        self.old_size
    }

    /// The hashes of the consistency proof.
    pub fn proof(&self) -> &[Sha256] {
        &self.proof
    }

    /// The signed note with the checkpoint, as it came.
    pub fn note(&self) -> &[u8] {
        &self.note
    }

    /// What the note says, unverified: its origin says which state to look up.
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

fn read_proof<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Sha256>, AddCheckpointError> {
    let mut proof = Vec::new();
    for (line, text) in lines.enumerate() {
        if line == PROOF_HASHES_MAX {
            return Err(AddCheckpointError::Proof);
        }
        proof.push(hash(text).ok_or(AddCheckpointError::Hash { line })?);
    }
    Ok(proof)
}
