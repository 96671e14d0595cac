//! A log: it takes leaves, gives each its place, and signs what it has.
//!
//! Enters: [`Leaf`]s. Leaves: places, checkpoints, proofs. Refuses: to sign when what it finds is older than what it has
//! published, and to go on after the storage failed.
//!
//! ```text
//! append ──▶ storage.append          durable: only now is it answered
//! integrate ──▶ put_tiles ──▶ sign ──▶ commit          the signature leaves the process after this
//! publish ──▶ storage.publish          with the witnesses' cosignatures
//! ```
//!
//! Opening finishes what a crash cut short: entries that were appended are pending again, tiles without a commit are
//! written again with the same bytes, a commit without a publication waits for its publication.

mod open;
mod promises;
mod read;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tenzik_receipt::{ReceiptId, SecretKey, Timestamp};

use crate::bundle::BundleError;
use crate::checkpoint::{Checkpoint, CheckpointError, Origin, SignedCheckpoint};
use crate::frontier::Frontier;
use crate::leaf::Leaf;
use crate::note::VerifierKey;
use crate::storage::{Commit, Entry, Storage, StorageError};
use crate::tree::TreeError;

use self::promises::Promises;

pub use open::OpenError;
pub use read::Place;

/// The most bytes of leaves that wait for their tree; beyond, a log says that it is full. About two seconds of the
/// fastest appends that were measured, and what a restart reads at most.
pub const PENDING_BYTES_MAX: usize = 64 << 20;

/// Where a leaf is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its index in the log.
    pub index: u64,
    /// Whether it was there before.
    pub known: bool,
}

/// Why a log did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A checkpoint is not this log's, or is older than the published one.
    #[error("this is no checkpoint to publish: {what}")]
    Checkpoint {
        /// What is wrong with it.
        what: &'static str,
    },
    /// Too much waits for its tree. Try again later; nothing was taken.
    #[error("{bytes} bytes wait for their tree, at most {PENDING_BYTES_MAX} may")]
    Full {
        /// How many bytes wait.
        bytes: usize,
    },
    /// Some of the leaves are known under other signatures: what the tree has, or will have, are other bytes than these, and
    /// no proof would hold for these. Nothing was taken.
    #[error("{} of the receipts are in the log under another signature", places.len())]
    OtherSignature {
        /// Which of the leaves, by their place in the list.
        places: Vec<usize>,
    },
    /// The log stopped, and nobody knows whether the last call took place. It must be opened anew.
    #[error("the log has stopped: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
    /// Something could not be read, such as the hashes for a proof, or a write could not begin. Nothing was taken; try again
    /// later.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// A log over a storage.
///
/// It is shared between threads. Appends and integrations run beside each other; two of one kind wait for each other.
pub struct Log {
    storage: Arc<dyn Storage>,
    origin: Origin,
    key: SecretKey,
    verifier: VerifierKey,
    /// Held by an append from beginning to end, so that the next one finds its entries.
    appends: Mutex<()>,
    /// Never held while the storage is asked: whoever only looks does not wait for a disk.
    appending: Mutex<Appending>,
    integrating: Mutex<Frontier>,
    heads: Mutex<Heads>,
    stopped: OnceLock<String>,
}

/// What is durable and not in the tree yet.
#[derive(Default)]
struct Appending {
    next: u64,
    bytes: usize,
    pending: Vec<Entry>,
    /// Those of the pending, and of what is in the tree and not published.
    promises: Promises,
    places: HashMap<ReceiptId, u64>,
}

/// Leaves with their places, before they are durable.
#[derive(Default)]
struct Batch {
    placed: Vec<Placed>,
    entries: Vec<Entry>,
    promises: Vec<Option<Timestamp>>,
    places: HashMap<ReceiptId, u64>,
    /// Those of the leaves that are known with other bytes.
    differing: Vec<usize>,
}

/// A leaf that is there already.
struct Known {
    index: u64,
    /// Whether it is there in the same bytes. A receipt's id does not cover its signature, and a leaf does.
    same: bool,
}

struct Heads {
    committed: SignedCheckpoint,
    published: Option<SignedCheckpoint>,
}

impl Log {
    /// Gives leaves their places. When it returns they are durable, and will be in the tree.
    ///
    /// One that the log holds already keeps its place.
    ///
    /// # Errors
    /// [`LogError::Full`], [`LogError::OtherSignature`] and [`LogError::Tree`], and then nothing was taken;
    /// [`LogError::Stopped`], and then nobody knows.
    pub fn append(&self, leaves: Vec<Leaf>) -> Result<Vec<Placed>, LogError> {
        let _one_at_a_time = lock(&self.appends);
        self.require_running()?;
        let (next, bytes) = {
            let appending = lock(&self.appending);
            (appending.next, appending.bytes)
        };
        let more = leaves.iter().map(|leaf| leaf.bytes.len()).sum::<usize>();
        if bytes > 0 && bytes + more > PENDING_BYTES_MAX {
            return Err(LogError::Full { bytes });
        }
        let batch = self.place(next, leaves)?;
        if !batch.differing.is_empty() {
            let places = batch.differing;
            return Err(LogError::OtherSignature { places });
        }
        // A crash before this returns: nothing was answered, and what reached the disk is pending after the restart.
        self.done(self.storage.append(&batch.entries))?;
        lock(&self.appending).take(batch.entries, batch.promises, batch.places);
        Ok(batch.placed)
    }

    /// Gives each leaf its place, and collects those that are new. `next` is the index of the first of them.
    fn place(&self, next: u64, leaves: Vec<Leaf>) -> Result<Batch, LogError> {
        let mut batch = Batch::default();
        for (place, leaf) in leaves.into_iter().enumerate() {
            let known = match batch.known(&leaf) {
                Some(known) => Some(known),
                None => self.known(&leaf)?,
            };
            match known {
                Some(Known { index, same }) => {
                    batch.differing.extend((!same).then_some(place));
                    batch.placed.push(Placed { index, known: true });
                }
                None => batch.push(next, leaf),
            }
        }
        Ok(batch)
    }

    /// A leaf that the log has already.
    fn known(&self, leaf: &Leaf) -> Result<Option<Known>, LogError> {
        let pending = {
            let appending = lock(&self.appending);
            appending
                .entry(&leaf.id)
                .map(|entry| Known::of(entry, leaf))
        };
        if pending.is_some() || !leaf.known {
            return Ok(pending);
        }
        // What is not pending here is not pending later either: nothing else appends meanwhile.
        // A read that fails leaves nothing half done: it is the caller's to try again, and the log goes on.
        let Some(index) = self.storage.find(&leaf.id)? else {
            return Ok(None);
        };
        let same = self.entry(index)? == leaf.bytes;
        Ok(Some(Known { index, same }))
    }

    /// Takes at most `entries_max` pending leaves into the tree, signs it and records it. Gives the checkpoint that is
    /// now to be cosigned and [published](Self::publish), or `None` if nothing is pending.
    ///
    /// # Errors
    /// [`LogError::Stopped`].
    pub fn integrate(&self, entries_max: usize) -> Result<Option<SignedCheckpoint>, LogError> {
        let mut frontier = lock(&self.integrating);
        self.require_running()?;
        let (entries, merge_by) = lock(&self.appending).first(entries_max);
        if entries.is_empty() {
            return Ok(None);
        }
        let mut grown = frontier.clone();
        let tiles = grown.extend(entries.iter().map(|entry| &entry.leaf));
        let tiles = self.stop_at(tiles, |error: BundleError| error.to_string())?;
        // A crash after this leaves tiles beyond the committed size; the next integration writes the same bytes, since
        // the pending entries keep their order.
        self.done(self.storage.put_tiles(&tiles))?;
        let checkpoint = Checkpoint::new(self.origin.clone(), grown.size(), grown.root());
        let signed = checkpoint.sign(&self.key);
        let signed = self.stop_at(signed, |error: CheckpointError| error.to_string())?;
        let commit = Commit {
            checkpoint: signed.to_bytes(),
            size: grown.size(),
            entries: entries
                .iter()
                .map(|entry| (entry.id, entry.index))
                .collect(),
            merge_by,
        };
        // The signature is not seen by anyone until this has returned, so there are never two for one size.
        self.done(self.storage.commit(&commit))?;
        *frontier = grown;
        // The new size is there before the entries leave the pending ones, so that they can be read at every moment.
        lock(&self.heads).committed = signed.clone();
        lock(&self.appending).drop_first(entries.len());
        Ok(Some(signed))
    }

    /// Shows a checkpoint to everybody: one that was integrated, with the witnesses' cosignatures.
    ///
    /// # Errors
    /// [`LogError::Checkpoint`] if it is not one of this log's, or older than the published one; [`LogError::Stopped`].
    pub fn publish(&self, checkpoint: &SignedCheckpoint) -> Result<(), LogError> {
        let _one_at_a_time = lock(&self.integrating);
        self.require_running()?;
        self.check_publishable(checkpoint)?;
        self.done(self.storage.publish(&checkpoint.to_bytes()))?;
        lock(&self.heads).published = Some(checkpoint.clone());
        // Only now: a promise is that everybody can see the entry.
        let size = checkpoint.checkpoint().size();
        lock(&self.appending).promises.kept_by(size);
        Ok(())
    }

    fn check_publishable(&self, checkpoint: &SignedCheckpoint) -> Result<(), LogError> {
        let heads = lock(&self.heads);
        let size = checkpoint.checkpoint().size();
        let committed = heads.committed.checkpoint();
        let published = heads.published.as_ref().map(SignedCheckpoint::checkpoint);
        let what = if checkpoint.signer() != &self.verifier {
            "it is another log's"
        } else if size > committed.size() {
            "it was not committed"
        } else if size == committed.size() && checkpoint.checkpoint() != committed {
            "the log signed another one of this size"
        } else if published.is_some_and(|published| published.size() > size) {
            "a larger one is published"
        } else {
            return Ok(());
        };
        Err(LogError::Checkpoint { what })
    }

    /// Stops the log for a reason that lies outside of it, such as a witness that has seen a larger tree than this.
    pub fn stop(&self, reason: &str) {
        // The first reason stays: the later ones come of it.
        let _ = self.stopped.set(reason.to_owned());
    }

    /// Why the log has stopped, if it has.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.get().map(String::as_str)
    }

    fn require_running(&self) -> Result<(), LogError> {
        match self.stopped() {
            Some(reason) => Err(LogError::Stopped {
                reason: reason.to_owned(),
            }),
            None => Ok(()),
        }
    }

    fn done<T>(&self, result: Result<T, StorageError>) -> Result<T, LogError> {
        match result {
            Err(error @ StorageError::Unready { .. }) => Err(error.into()),
            done => self.stop_at(done, |error| error.to_string()),
        }
    }

    fn stop_at<T, E>(
        &self,
        result: Result<T, E>,
        reason: impl FnOnce(E) -> String,
    ) -> Result<T, LogError> {
        result.map_err(|error| {
            let reason = reason(error);
            self.stop(&reason);
            LogError::Stopped { reason }
        })
    }
}

impl Known {
    fn of(entry: &Entry, leaf: &Leaf) -> Self {
        Self {
            index: entry.index,
            same: entry.leaf == leaf.bytes,
        }
    }
}

impl Batch {
    fn known(&self, leaf: &Leaf) -> Option<Known> {
        let first = self.entries.first()?.index;
        let index = self.places.get(&leaf.id)?;
        Some(Known::of(&self.entries[(index - first) as usize], leaf))
    }

    /// Adds a new leaf. `next` is the index of the first that is new.
    fn push(&mut self, next: u64, leaf: Leaf) {
        let index = next + self.entries.len() as u64;
        let known = false;
        self.placed.push(Placed { index, known });
        self.places.insert(leaf.id, index);
        self.promises.push(leaf.merge_by);
        self.entries.push(Entry {
            index,
            id: leaf.id,
            leaf: leaf.bytes,
            handed: leaf.known,
        });
    }
}

impl Appending {
    /// A pending entry.
    fn entry(&self, id: &ReceiptId) -> Option<&Entry> {
        let index = self.places.get(id)?;
        let first = self.next - self.pending.len() as u64;
        self.pending.get((index - first) as usize)
    }

    fn take(
        &mut self,
        entries: Vec<Entry>,
        promises: Vec<Option<Timestamp>>,
        places: HashMap<ReceiptId, u64>,
    ) {
        for (index, merge_by) in (self.next..).zip(promises) {
            if let Some(merge_by) = merge_by {
                self.promises.push(index, merge_by);
            }
        }
        self.next += entries.len() as u64;
        self.bytes += entries.iter().map(|entry| entry.leaf.len()).sum::<usize>();
        self.places.extend(places);
        self.pending.extend(entries);
    }

    /// The first of what is pending, and the earliest promise of all.
    fn first(&self, entries_max: usize) -> (Vec<Entry>, Option<Timestamp>) {
        let entries = self.pending.iter().take(entries_max);
        (entries.cloned().collect(), self.promises.earliest())
    }

    /// Forgets what is in the tree now. Its promises stay until it is published.
    fn drop_first(&mut self, count: usize) {
        for entry in self.pending.drain(..count) {
            self.bytes -= entry.leaf.len();
            self.places.remove(&entry.id);
        }
    }
}

/// A panic while the lock was held can only have been an allocation's: what is behind it is whole, because it is
/// changed after the storage has answered, in steps that do not fail.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
