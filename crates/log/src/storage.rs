//! What a log needs of a place to keep it.
//!
//! Enters: entries in their order, tiles, checkpoints. Leaves: the same, after any crash.
//! Refuses: nothing of its own; [`Log`](crate::Log) calls it in the right order.

use tenzik_receipt::{ReceiptId, Timestamp};

use crate::tile::TilePath;

/// An entry with its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Counted from 0.
    pub index: u64,
    /// Whose leaf it is; no two entries of a log have the same.
    pub id: ReceiptId,
    /// The canonical receipt.
    pub leaf: Vec<u8>,
    /// Whether somebody handed it in. Its promise may have been over before it came, so it is not this log's to keep.
    pub handed: bool,
}

/// What a storage holds when it is opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The newest checkpoint that was [committed](Storage::commit), with the log's signature; `None` in a new log.
    pub committed: Option<Vec<u8>>,
    /// The newest checkpoint that was [published](Storage::publish), kept apart from the former, so that an old copy of
    /// the one beside a new copy of the other is noticed.
    pub published: Option<Vec<u8>>,
    /// The newest checkpoint that was committed, kept apart from the records like the published one. It may be one commit
    /// older after a crash. `None` if there is none, or if a program before this one did not keep it.
    pub signed: Option<Vec<u8>>,
    /// The entries that were appended and are not below the committed size, in order, without a gap.
    pub pending: Vec<Entry>,
    /// What was [committed](Commit::merge_by) last.
    pub merge_by: Option<Timestamp>,
}

/// A tree's step from one committed size to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The checkpoint with the log's signature.
    pub checkpoint: Vec<u8>,
    /// Its size.
    pub size: u64,
    /// The entries that came in, in order.
    pub entries: Vec<(ReceiptId, u64)>,
    /// The earliest promise of all entries that are not published, those that came in too; `None` if there is none. They
    /// leave the pending ones with this commit, and their promises are kept only by a publication.
    pub merge_by: Option<Timestamp>,
}

/// Where the log is kept.
///
/// *Thread-safety*: shared between threads. [`append`](Self::append) never runs twice at once, and neither do two of the
/// other writing calls; but `append` runs beside those, and reads run beside everything. *Cancellation*: none, each call returns. *Errors*: after an error of a writing call nobody knows
/// whether it took place, unless it is [`StorageError::Unready`]; the log stops, and the storage is opened anew. *Retry*: none. *Ownership*: one process at a
/// time has a storage open; a second one is refused at opening. *Order*: a write that has returned survives a crash
/// whenever a later one does. *Empty*: empty lists are allowed and do nothing.
pub trait Storage: Send + Sync {
    /// What is there. Called once, before anything else.
    fn open(&self) -> Result<Stored, StorageError>;

    /// Keeps entries that follow those it has. They are durable when it returns.
    fn append(&self, entries: &[Entry]) -> Result<(), StorageError>;

    /// Keeps tiles and entry bundles. They are durable when it returns. One that is there already has the same bytes.
    fn put_tiles(&self, tiles: &[(TilePath, Vec<u8>)]) -> Result<(), StorageError>;

    /// Records checkpoint and entries, all of it or nothing, durable when it returns. From here on the log has signed
    /// this checkpoint, and no entry below its size is pending. Then the checkpoint is kept [apart](Stored::signed).
    fn commit(&self, commit: &Commit) -> Result<(), StorageError>;

    /// Replaces the published checkpoint, with cosignatures if there are any. Durable when it returns.
    fn publish(&self, checkpoint: &[u8]) -> Result<(), StorageError>;

    /// A tile or bundle of exactly this width, or `None`. One that is full now is given for each lesser width too,
    /// cut to it.
    fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, StorageError>;

    /// The index of a committed entry.
    fn find(&self, id: &ReceiptId) -> Result<Option<u64>, StorageError>;
}

/// Why a storage did not do it: the host's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// What it holds contradicts itself.
    #[error("the storage is damaged: {what}")]
    Damaged {
        /// What was found.
        what: String,
    },
    /// The system or the database refused.
    #[error("{doing}: {error}")]
    Io {
        /// What was being done, with the file's or table's name.
        doing: String,
        /// What it said.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process has it open.
    #[error("the storage {name} is open in another process")]
    Locked {
        /// The directory or database.
        name: String,
    },
    /// A writing call could not begin, and nothing was changed: the process has too many files open. It may be made again.
    #[error("{doing}: {error}; nothing was changed")]
    Unready {
        /// What was being done.
        doing: String,
        /// What the system said.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
}
