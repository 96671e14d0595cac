//! Proof files: that an entry is in a log, in one file to be checked offline (c2sp.org/tlog-proof).
//!
//! Enters: foreign bytes, an entry, a policy. Leaves: a [`TlogProof`]; from one that holds, what it proves.
//! Refuses: other spellings, files above [`PROOF_FILE_BYTES_MAX`], proofs that lead to another root.

#[cfg(test)]
mod tests;

use tenzik_receipt::Sha256;
use tenzik_receipt::merkle::{leaf_hash, root_from_path};

use crate::checkpoint::{Checkpoint, CheckpointError, Origin, SignedCheckpoint};
use crate::lines::{base64, decimal, from_base64, hash};
use crate::policy::{Policy, PolicyError, Quorum};

/// The most bytes of a proof file: a checkpoint of the largest size, extra bytes and path, and room.
pub const PROOF_FILE_BYTES_MAX: usize = 128 * 1024;
/// The most extra bytes, before they are written in Base 64.
pub const EXTRA_BYTES_MAX: usize = 16 * 1024;
/// The most hashes of a path: a tree of 2^63 leaves has no longer one.
pub const PATH_HASHES_MAX: usize = 63;

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Why bytes are no proof file, or none was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofFileError {
    /// The checkpoint is not of the form.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The extra bytes are none, too many, or not Base 64.
    #[error("the extra line does not hold 1 to {EXTRA_BYTES_MAX} bytes in Base 64")]
    Extra,
    /// A line of the path is no hash.
    #[error("line {line} of the path is no hash of 32 bytes in Base 64")]
    Hash {
        /// Which one, counted from 0.
        line: usize,
    },
    /// The first line is another.
    #[error("the first line is not {HEADER}")]
    Header,
    /// The index line is missing or no number.
    #[error("no index line with a decimal number below 2^64 without leading zeroes")]
    Index,
    /// The path is too long.
    #[error("a path of more than {PATH_HASHES_MAX} hashes")]
    Path,
    /// Too large.
    #[error("{bytes} bytes, {PROOF_FILE_BYTES_MAX} are allowed")]
    Size {
        /// How many there are.
        bytes: usize,
    },
    /// There is no empty line, or what is before it is no text.
    #[error("no text with an empty line before the checkpoint")]
    Text,
}

/// Why a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The path leads to another root, or has another length than index and size ask for.
    #[error("the path from leaf {index} does not lead to the root of the tree of {size}")]
    Path {
        /// The leaf's index.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// The checkpoint is not valid under the policy.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// What a proof that holds proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Included {
    /// The log.
    pub origin: Origin,
    /// The entry's index.
    pub index: u64,
    /// The size of the tree in which it is.
    pub size: u64,
    /// Who cosigned that tree, and when.
    pub quorum: Quorum,
}

/// A proof that an entry is in a log. Nothing of it is verified.
///
/// ```text
/// c2sp.org/tlog-proof@v1
/// index 73894
/// gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
///
/// node.example/log
/// ...
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlogProof {
    extra: Option<Vec<u8>>,
    index: u64,
    path: Vec<Sha256>,
    /// A signed note with a checkpoint.
    checkpoint: Vec<u8>,
}

impl TlogProof {
    /// Puts a proof together. It is not checked whether it holds.
    ///
    /// # Errors
    /// [`ProofFileError`] if the path is too long, or the extra bytes are none or too many.
    pub fn new(
        extra: Option<Vec<u8>>,
        index: u64,
        path: Vec<Sha256>,
        checkpoint: &SignedCheckpoint,
    ) -> Result<Self, ProofFileError> {
        if extra.as_ref().is_some_and(|extra| !extra_fits(extra)) {
            return Err(ProofFileError::Extra);
        }
        if path.len() > PATH_HASHES_MAX {
            return Err(ProofFileError::Path);
        }
        let checkpoint = checkpoint.to_bytes();
        Ok(Self {
            extra,
            index,
            path,
            checkpoint,
        })
    }

    /// Reads a proof file.
    ///
    /// # Errors
    /// [`ProofFileError`]. What is read is written as the same bytes again.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProofFileError> {
        if bytes.len() > PROOF_FILE_BYTES_MAX {
            return Err(ProofFileError::Size { bytes: bytes.len() });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| ProofFileError::Text)?;
        let (head, checkpoint) = text.split_once("\n\n").ok_or(ProofFileError::Text)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(HEADER) {
            return Err(ProofFileError::Header);
        }
        let extra = lines.next_if(|line| line.starts_with("extra "));
        let extra = extra.map(read_extra).transpose()?;
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = index.and_then(decimal).ok_or(ProofFileError::Index)?;
        Checkpoint::peek(checkpoint.as_bytes())?;
        Ok(Self {
            extra,
            index,
            path: read_path(lines)?,
            checkpoint: checkpoint.as_bytes().to_vec(),
        })
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{HEADER}\n");
        if let Some(extra) = &self.extra {
            text.push_str(&format!("extra {}\n", base64(extra)));
        }
        text.push_str(&format!("index {}\n", self.index));
        for hash in &self.path {
            text.push_str(&base64(hash.as_bytes()));
            text.push('\n');
        }
        text.push('\n');
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(&self.checkpoint);
        bytes
    }

    /// Bytes that nothing vouches for, also when the proof holds.
    pub fn extra(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// Where it says the entry is.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The hashes from the leaf's sibling up.
    pub fn path(&self) -> &[Sha256] {
        &self.path
    }

    /// The signed note with the checkpoint, as it stands in the file.
    pub fn checkpoint(&self) -> &[u8] {
        &self.checkpoint
    }

    /// That this entry, a canonical receipt's bytes, is in one of the policy's logs, as a quorum saw it.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn verify(&self, leaf: &[u8], policy: &Policy) -> Result<Included, ProofError> {
        let (signed, quorum) = policy.open(&self.checkpoint)?;
        let checkpoint = signed.checkpoint();
        let (index, size) = (self.index, checkpoint.size());
        let root = root_from_path(leaf_hash(leaf), index, size, &self.path);
        if root != Some(checkpoint.root()) {
            return Err(ProofError::Path { index, size });
        }
        Ok(Included {
            origin: checkpoint.origin().clone(),
            index,
            size,
            quorum,
        })
    }
}

fn read_extra(line: &str) -> Result<Vec<u8>, ProofFileError> {
    let extra = line.strip_prefix("extra ").and_then(from_base64);
    extra
        .filter(|extra| extra_fits(extra))
        .ok_or(ProofFileError::Extra)
}

/// Without extra bytes there is no extra line, so there are not zero of them.
fn extra_fits(extra: &[u8]) -> bool {
    (1..=EXTRA_BYTES_MAX).contains(&extra.len())
}

fn read_path<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Sha256>, ProofFileError> {
    let mut path = Vec::new();
    for (line, text) in lines.enumerate() {
        if line == PATH_HASHES_MAX {
            return Err(ProofFileError::Path);
        }
        path.push(hash(text).ok_or(ProofFileError::Hash { line })?);
    }
    Ok(path)
}
