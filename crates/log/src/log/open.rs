//! Opening a log: is what the storage holds one log, this one, and not older than what was shown to others?
//!
//! Enters: a storage, the log's key and origin. Leaves: a [`Log`]. Refuses: a copy that is behind its own publication,
//! another key's log, and tiles that do not lead to the root that was signed.

use std::sync::{Arc, Mutex, OnceLock};

use tenzik_receipt::{KeyUse, SecretKey, SignedReceipt, Timestamp};

use super::{Appending, Heads, Log};
use crate::checkpoint::{Checkpoint, CheckpointError, Origin, SignedCheckpoint};
use crate::frontier::{Frontier, FrontierError};
use crate::note::{SignatureType, VerifierKey, VerifierKeyError};
use crate::storage::{Commit, Entry, Storage, StorageError};
use crate::tile::TilePath;

/// Why a log is not opened. It signs nothing then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The database is older than what the log has published: it is a backup, or another log's.
    #[error(
        "the log's records end at {committed} entries, but a checkpoint of {published} was published"
    )]
    Behind {
        /// The size that the records have.
        committed: u64,
        /// The size that was published.
        published: u64,
    },
    /// A checkpoint that the storage holds is not one of this log's.
    #[error("the stored checkpoint is not this log's: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// Records and publication have the same size and another root.
    #[error("two checkpoints of {size} entries with different roots are stored")]
    Diverged {
        /// The size.
        size: u64,
    },
    /// Tiles or pending entries are not those of the log.
    #[error(transparent)]
    Frontier(#[from] FrontierError),
    /// Pending entries do not follow the tree.
    #[error("entry {got} is pending where {wanted} should be")]
    Gap {
        /// The index that is there.
        got: u64,
        /// The index that should be there.
        wanted: u64,
    },
    /// The key is for something else, or weak.
    #[error("the log's key: {0}")]
    Key(#[from] VerifierKeyError),
    /// The tiles lead to another root than the one that was signed.
    #[error("the tiles of {size} entries do not lead to the root that was signed")]
    Root {
        /// The size.
        size: u64,
    },
    /// The storage cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The key is for another use.
    #[error("a log is signed with a checkpoint key, this one is for use as {got}")]
    Use {
        /// The key's use.
        got: KeyUse,
    },
}

impl Log {
    /// Opens a log, and begins it if the storage is empty.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        storage: Arc<dyn Storage>,
        key: SecretKey,
        origin: Origin,
    ) -> Result<Self, OpenError> {
        if key.key_use() != KeyUse::Checkpoint {
            return Err(OpenError::Use { got: key.key_use() });
        }
        let verifier =
            VerifierKey::new(origin.name().clone(), SignatureType::Ed25519, key.public())?;
        let stored = storage.open()?;
        let read = |bytes: Option<Vec<u8>>| {
            bytes
                .map(|bytes| SignedCheckpoint::open(&bytes, &verifier))
                .transpose()
        };
        let (committed, published) = (read(stored.committed)?, read(stored.published)?);
        check_heads(committed.as_ref(), published.as_ref())?;
        let committed = match committed {
            Some(committed) => committed,
            None => begin(&*storage, &key, origin.clone())?,
        };
        let frontier = frontier(&*storage, committed.checkpoint())?;
        let size = committed.checkpoint().size();
        let shown = published.as_ref().map_or(0, |it| it.checkpoint().size());
        // What is published has kept its promises, also if a crash came before that was noted.
        let merge_by = stored.merge_by.filter(|_| shown < size);
        let appending = appending(size, merge_by, stored.pending)?;
        Ok(Self {
            storage,
            origin,
            key,
            verifier,
            appends: Mutex::default(),
            appending: Mutex::new(appending),
            integrating: Mutex::new(frontier),
            heads: Mutex::new(Heads {
                committed,
                published,
            }),
            stopped: OnceLock::new(),
        })
    }
}

/// That what was published is not ahead of the records.
fn check_heads(
    committed: Option<&SignedCheckpoint>,
    published: Option<&SignedCheckpoint>,
) -> Result<(), OpenError> {
    let Some(published) = published.map(SignedCheckpoint::checkpoint) else {
        return Ok(());
    };
    let committed = committed.map(SignedCheckpoint::checkpoint);
    let size = committed.map_or(0, Checkpoint::size);
    if committed.is_none() || published.size() > size {
        return Err(OpenError::Behind {
            committed: size,
            published: published.size(),
        });
    }
    match committed {
        Some(committed) if published.size() == size && committed.root() != published.root() => {
            Err(OpenError::Diverged { size })
        }
        _ => Ok(()),
    }
}

/// The first checkpoint, of no entries.
fn begin(
    storage: &dyn Storage,
    key: &SecretKey,
    origin: Origin,
) -> Result<SignedCheckpoint, OpenError> {
    let signed = Checkpoint::new(origin, 0, Frontier::new().root()).sign(key)?;
    storage.commit(&Commit {
        checkpoint: signed.to_bytes(),
        size: 0,
        entries: Vec::new(),
        merge_by: None,
    })?;
    Ok(signed)
}

fn frontier(storage: &dyn Storage, committed: &Checkpoint) -> Result<Frontier, OpenError> {
    let size = committed.size();
    let frontier = Frontier::read(size, &mut |path: TilePath| storage.tile(path))?;
    if frontier.root() != committed.root() {
        return Err(OpenError::Root { size });
    }
    Ok(frontier)
}

/// `merge_by` is the earliest promise of what is in the tree and not published.
fn appending(
    size: u64,
    merge_by: Option<Timestamp>,
    pending: Vec<Entry>,
) -> Result<Appending, OpenError> {
    for (wanted, entry) in (size..).zip(&pending) {
        if entry.index != wanted {
            return Err(OpenError::Gap {
                got: entry.index,
                wanted,
            });
        }
    }
    let mut appending = Appending {
        next: size,
        ..Appending::default()
    };
    if let Some(merge_by) = merge_by {
        appending.promises.push(size.saturating_sub(1), merge_by);
    }
    let promises = pending.iter().map(promised).collect();
    let places = pending
        .iter()
        .map(|entry| (entry.id, entry.index))
        .collect();
    appending.take(pending, promises, places);
    Ok(appending)
}

/// When a pending entry must be published. What cannot be read was promised nothing that we know of.
fn promised(entry: &Entry) -> Option<Timestamp> {
    if entry.handed {
        return None;
    }
    let receipt = SignedReceipt::from_bytes(&entry.leaf).ok()?;
    Some(receipt.receipt().log.as_ref()?.merge_by)
}
