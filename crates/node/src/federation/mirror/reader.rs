//! Reads a mirror while it is pulled.
//!
//! Enters: indexes. Leaves: canonical receipts, and how far the mirror is. Refuses: indexes that are not held.

use std::sync::{Arc, Mutex, PoisonError};

use tenzik_log::checkpoint::SignedCheckpoint;
use tenzik_log::tree::TreeError;
use tenzik_log::{Storage, bundle};

use crate::federation::peers::Peer;

/// How far a mirror is.
#[derive(Clone, Debug)]
pub struct Held {
    /// The newest checkpoint of the log that counted.
    pub head: SignedCheckpoint,
    /// How many entries are held, all of them in the tree of `head`.
    pub size: u64,
}

/// What a mirror holds, for those who do not pull it. A clone reads the same.
#[derive(Clone)]
pub struct MirrorReader {
    pub(super) peer: Arc<Peer>,
    pub(super) storage: Arc<dyn Storage>,
    pub(super) held: Arc<Mutex<Option<Held>>>,
}

impl MirrorReader {
    /// Whose log it is.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// How far the mirror is now; `None` before the first pull.
    pub fn held(&self) -> Option<Held> {
        self.lock().clone()
    }

    /// How many entries are held now.
    pub fn size(&self) -> u64 {
        self.lock().as_ref().map_or(0, |held| held.size)
    }

    /// The canonical receipt at an index that is held.
    ///
    /// # Errors
    /// [`TreeError`].
    pub fn entry(&self, index: u64) -> Result<Vec<u8>, TreeError> {
        let mut size = self.size();
        loop {
            let range = index..index.saturating_add(1);
            let read = bundle::entries(range, size, |path| self.storage.tile(path));
            match (read, self.size()) {
                // A bundle that was not full goes away when the mirror grows: it is looked for where it is now.
                (Err(_), grown) if grown != size => size = grown,
                (read, _) => {
                    let entry = read?.into_iter().next();
                    return Ok(entry.expect("a range of one has one entry"));
                }
            }
        }
    }

    pub(super) fn set(&self, held: Held) {
        *self.lock() = Some(held);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
