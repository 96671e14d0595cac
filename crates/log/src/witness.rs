//! What a witness does: cosign a log's checkpoints as long as each is consistent with the last (c2sp.org/tlog-witness).
//!
//! Enters: the body of an `add-checkpoint` request, the keys of known logs, the latest checkpoint of that log.
//! Leaves: an [`Advance`] to be made durable before anything is signed, or a [`Refused`] with its status code.
//! Refuses: what the specification has refused, with its codes, and every other spelling of a request.

mod request;
mod response;
#[cfg(test)]
mod tests;

use tenzik_receipt::Sha256;

pub use request::{ADD_CHECKPOINT_BYTES_MAX, AddCheckpoint, AddCheckpointError, PROOF_HASHES_MAX};
pub use response::{read_cosignatures, read_latest_size, write_cosignatures};

use crate::checkpoint::{CheckpointError, Origin, SignedCheckpoint};
use crate::note::VerifierKey;
use crate::tree::verify_consistency;

/// The content type of the answer to a request whose old size is not the latest.
pub const LATEST_SIZE_TYPE: &str = "text/x.tlog.size";

/// The latest checkpoint of a log that a witness cosigned, or is about to cosign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The tree's size.
    pub size: u64,
    /// The tree's root.
    pub root: Sha256,
}

impl Seen {
    /// What a witness knows of a log that it never cosigned: the tree without leaves.
    fn nothing() -> Self {
        Self {
            size: 0,
            root: Sha256::of(b""),
        }
    }
}

/// A checkpoint that may be cosigned once `new` has taken the place of `old`, durably.
///
/// Both must be one step: if the stored state is no longer `old`, another request came between, and this one must be
/// decided anew. A cosignature that leaves before `new` is durable can be contradicted after a crash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advance {
    /// The checkpoint.
    pub checkpoint: SignedCheckpoint,
    /// What must be stored still; `None` if nothing was.
    pub old: Option<Seen>,
    /// What is to be stored.
    pub new: Seen,
}

/// Why a witness does not cosign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The old size is above that of the checkpoint.
    #[error("the old size {old} is above the checkpoint's {size}")]
    Backwards {
        /// The request's old size.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
    /// Another root at the size that was cosigned. It is evidence against the log.
    #[error("another root than the one cosigned at size {size}")]
    Conflict {
        /// The size.
        size: u64,
    },
    /// The request is not of the form.
    #[error(transparent)]
    Form(#[from] AddCheckpointError),
    /// The proof does not lead from the latest checkpoint to this one. It may be evidence against the log.
    #[error("the proof does not lead from size {old} to size {size}")]
    Inconsistent {
        /// The latest size.
        old: u64,
        /// The checkpoint's.
        size: u64,
    },
    /// The old size is not that of the latest checkpoint.
    #[error("the old size {old} is not the latest, {latest}")]
    NotLatest {
        /// The request's old size.
        old: u64,
        /// The latest cosigned size.
        latest: u64,
    },
    /// None of the log's keys signed it, or a line of one of them does not verify or stands twice.
    #[error(transparent)]
    NotSigned(CheckpointError),
    /// Not a log that is witnessed here.
    #[error("the log is not known here")]
    UnknownOrigin,
}

impl Refused {
    /// The status code of the answer.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Backwards { .. } | Self::Form(_) => 400,
            Self::NotSigned(_) => 403,
            Self::UnknownOrigin => 404,
            Self::Conflict { .. } | Self::NotLatest { .. } => 409,
            Self::Inconsistent { .. } => 422,
        }
    }

    /// The latest size, which the answer says in a body of type [`LATEST_SIZE_TYPE`]: decimal and a newline. `None` if
    /// the answer has another body.
    pub const fn latest_size(&self) -> Option<u64> {
        match self {
            Self::NotLatest { latest, .. } => Some(*latest),
            _ => None,
        }
    }
}

/// Decides on a request, in the specification's order.
///
/// `known` gives the keys of a log, `None` if it is not witnessed. `latest` is what is stored for the origin of
/// `request.checkpoint()`, `None` if it was never cosigned.
///
/// # Errors
/// [`Refused`].
pub fn decide<'k>(
    request: &AddCheckpoint,
    known: impl Fn(&Origin) -> Option<&'k [VerifierKey]>,
    latest: Option<&Seen>,
) -> Result<Advance, Refused> {
    let keys = known(request.checkpoint().origin()).ok_or(Refused::UnknownOrigin)?;
    let checkpoint =
        SignedCheckpoint::open_any(request.note(), keys).map_err(Refused::NotSigned)?;
    let new = Seen {
        size: checkpoint.checkpoint().size(),
        root: checkpoint.checkpoint().root(),
    };
    let (old, size) = (request.old_size(), new.size);
    if old > size {
        return Err(Refused::Backwards { old, size });
    }
    let last = latest.copied().unwrap_or_else(Seen::nothing);
    if old != last.size {
        let latest = last.size;
        return Err(Refused::NotLatest { old, latest });
    }
    if last.size == size && last.root != new.root {
        return Err(Refused::Conflict { size });
    }
    let (from, to) = ((last.size, &last.root), (new.size, &new.root));
    if verify_consistency(from, to, request.proof()).is_err() {
        return Err(Refused::Inconsistent { old, size });
    }
    Ok(Advance {
        checkpoint,
        old: latest.copied(),
        new,
    })
}
