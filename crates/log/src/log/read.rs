//! What a log shows: checkpoints, entries, proofs.
//!
//! Enters: indexes, ids, sizes. Leaves: bytes that a stranger can check. Refuses: what is not in the tree yet.

use tenzik_receipt::{ReceiptId, Sha256, Timestamp};

use super::{Log, LogError, lock};
use crate::bundle;
use crate::checkpoint::{Origin, SignedCheckpoint};
use crate::note::VerifierKey;
use crate::proof_file::TlogProof;
use crate::storage::StorageError;
use crate::tile::TilePath;
use crate::tree::{ReadTiles, Tree, TreeError};

/// Where a receipt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the tree, at this index.
    Committed(u64),
    /// Durable, and in the tree soon, at this index.
    Pending(u64),
}

impl Log {
    /// The log's name.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The key that its checkpoints verify with.
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The newest checkpoint that was signed and recorded.
    pub fn committed(&self) -> SignedCheckpoint {
        lock(&self.heads).committed.clone()
    }

    /// The newest checkpoint that everybody may see.
    pub fn published(&self) -> Option<SignedCheckpoint> {
        lock(&self.heads).published.clone()
    }

    /// How many entries wait for their tree, and the earliest time by which an entry was promised to be in the published
    /// one and is not. An entry that waits for witnesses is in its tree, and its promise is not kept.
    pub fn pending(&self) -> (usize, Option<Timestamp>) {
        let appending = lock(&self.appending);
        (appending.pending.len(), appending.promises.earliest())
    }

    /// A tile or an entry bundle of the published tree.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, StorageError> {
        let size = self.published_size();
        // Beyond the published size there may be tiles that no checkpoint covers yet.
        let shown = TilePath::in_tree(path.kind(), path.index(), size);
        match shown {
            Some(shown) if path.width() <= shown.width() => self.storage.tile(path),
            _ => Ok(None),
        }
    }

    /// Where a receipt stands; `None` if the log has not taken it.
    ///
    /// # Errors
    /// [`StorageError`].
    pub fn find(&self, id: &ReceiptId) -> Result<Option<Place>, StorageError> {
        let pending = lock(&self.appending).places.get(id).copied();
        // Looked up after the pending ones: what leaves those is committed by then.
        match pending {
            Some(index) => Ok(Some(Place::Pending(index))),
            None => Ok(self.storage.find(id)?.map(Place::Committed)),
        }
    }

    /// A receipt that the log has taken, with its place; `None` if it has not.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn leaf(&self, id: &ReceiptId) -> Result<Option<(Place, Vec<u8>)>, TreeError> {
        {
            let appending = lock(&self.appending);
            if let Some(entry) = appending.entry(id) {
                return Ok(Some((Place::Pending(entry.index), entry.leaf.clone())));
            }
        }
        let Some(index) = self.storage.find(id)? else {
            return Ok(None);
        };
        Ok(Some((Place::Committed(index), self.entry(index)?)))
    }

    /// The canonical receipt at an index of the committed tree.
    ///
    /// # Errors
    /// [`TreeError::Range`] beyond it, and what keeps the bundle from being read.
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, TreeError> {
        let entries = self.entries(index, index.saturating_add(1))?;
        let entry = entries.into_iter().next();
        Ok(entry.expect("a range of one has one entry"))
    }

    /// The canonical receipts from `start` to `end` of the committed tree. Each bundle is read once.
    ///
    /// # Errors
    /// As for [`entry`](Self::entry).
    pub fn entries(&self, start: u64, end: u64) -> Result<Vec<Vec<u8>>, TreeError> {
        let size = lock(&self.heads).committed.checkpoint().size();
        bundle::entries(start..end, size, |path| self.storage.tile(path))
    }

    /// The proof that the entry at an index is in the published tree: a `.tlog-proof` with the published checkpoint.
    /// `None` if it is not yet.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn proof(&self, index: u64) -> Result<Option<TlogProof>, TreeError> {
        let published = self.published();
        let Some(published) = published.filter(|head| head.checkpoint().size() > index) else {
            return Ok(None);
        };
        let path = self.tree(published.checkpoint().size()).inclusion(index)?;
        let proof = TlogProof::new(None, index, path, &published);
        Ok(Some(proof.expect(
            "a path of the tree and a checkpoint of the log are within bounds",
        )))
    }

    /// The proof that the tree of `new` entries begins with that of `old`, for sizes up to the committed one.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn consistency(&self, old: u64, new: u64) -> Result<Vec<Sha256>, TreeError> {
        let size = lock(&self.heads).committed.checkpoint().size();
        if new > size {
            return Err(TreeError::Range {
                start: old,
                end: new,
                size,
            });
        }
        self.tree(new).consistency(old)
    }

    /// The root of the tree of the first `size` entries.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn root_at(&self, size: u64) -> Result<Sha256, TreeError> {
        let committed = lock(&self.heads).committed.checkpoint().size();
        self.tree(committed).root_at(size)
    }

    fn published_size(&self) -> u64 {
        let heads = lock(&self.heads);
        heads
            .published
            .as_ref()
            .map_or(0, |head| head.checkpoint().size())
    }

    fn tree(&self, size: u64) -> Tree<impl ReadTiles + '_> {
        Tree::new(size, |path: TilePath| self.storage.tile(path))
    }
}

impl From<StorageError> for LogError {
    fn from(error: StorageError) -> Self {
        Self::Tree(TreeError::Storage(error))
    }
}
