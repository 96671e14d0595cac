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
use crate::tree::{Tree, TreeError};

/// Why a log is not opened. It signs nothing then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The database is older than what the log has published or signed for its witnesses: it is a backup, or another log's.
    #[error(
        "the log's records end at {committed} entries, but a checkpoint of {published} was published or signed"
    )]
    Behind {
        /// The size that the records have.
        committed: u64,
        /// The size that was published or signed.
        published: u64,
    },
    /// A checkpoint that the storage holds is not one of this log's.
    #[error("the stored checkpoint is not this log's: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// A checkpoint that was published or signed is not of the tree that the records have.
    #[error(
        "the stored checkpoint of {size} entries has another root than the records have at this size"
    )]
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
    /// The tree at the published size cannot be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
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
        let signed = read(stored.signed)?;
        let shown = [published.as_ref(), signed.as_ref()];
        let shown: Vec<_> = shown.into_iter().flatten().collect();
        for head in &shown {
            check_head(committed.as_ref(), head.checkpoint())?;
        }
        let committed = match committed {
            Some(committed) => committed,
            None => begin(&*storage, &key, origin.clone())?,
        };
        let frontier = frontier(&*storage, committed.checkpoint())?;
        for head in shown {
            check_prefix(&*storage, committed.checkpoint(), head.checkpoint())?;
        }
        let size = committed.checkpoint().size();
        let published_size = published.as_ref().map_or(0, |it| it.checkpoint().size());
        // What is published has kept its promises, also if a crash came before that was noted.
        let merge_by = stored.merge_by.filter(|_| published_size < size);
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

/// That what was shown is not ahead of the records, nor another tree of their size.
fn check_head(committed: Option<&SignedCheckpoint>, shown: &Checkpoint) -> Result<(), OpenError> {
    let committed = committed.map(SignedCheckpoint::checkpoint);
    let size = committed.map_or(0, Checkpoint::size);
    match committed {
        Some(committed) if shown.size() == size && committed.root() != shown.root() => {
            Err(OpenError::Diverged { size })
        }
        Some(_) if shown.size() <= size => Ok(()),
        _ => Err(OpenError::Behind {
            committed: size,
            published: shown.size(),
        }),
    }
}

/// That the tree of the records begins with what was shown: an old copy that went on for a while is larger, and another
/// tree.
fn check_prefix(
    storage: &dyn Storage,
    committed: &Checkpoint,
    shown: &Checkpoint,
) -> Result<(), OpenError> {
    let size = shown.size();
    let mut tree = Tree::new(committed.size(), |path: TilePath| storage.tile(path));
    match tree.root_at(size)? == shown.root() {
        true => Ok(()),
        false => Err(OpenError::Diverged { size }),
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
