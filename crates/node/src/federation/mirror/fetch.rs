//! A peer's log across the network.
//!
//! Enters: indexes. Leaves: checkpoints, tiles, entries, unverified. Refuses: answers longer than what was asked for can be.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tenzik_log::StorageError;
use tenzik_log::bundle::{self, ENTRY_BYTES_MAX};
use tenzik_log::tile::{TILE_WIDTH, TileKind, TilePath};

use super::PullError;
use crate::federation::client::{Client, ClientError};

/// The most bytes of a checkpoint.
const CHECKPOINT_BYTES_MAX: u64 = tenzik_log::note::NOTE_BYTES_MAX as u64;

/// A peer's log, as it answers.
pub struct Source {
    client: Client,
    url: String,
    token: Option<String>,
    received: AtomicU64,
    until: Option<Instant>,
}

/// What went over the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of bodies that were received.
    pub received_bytes: u64,
}

impl Source {
    /// The log at a URL, shown this token if there is one.
    pub const fn new(client: Client, url: String, token: Option<String>) -> Self {
        Self {
            client,
            url,
            token,
            received: AtomicU64::new(0),
            until: None,
        }
    }

    /// Nothing is asked after this moment, as if the peer did not answer any more.
    #[must_use]
    pub const fn until(mut self, moment: Instant) -> Self {
        self.until = Some(moment);
        self
    }

    /// What has come in so far.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            received_bytes: self.received.load(Ordering::Relaxed),
        }
    }

    /// The checkpoint.
    ///
    /// # Errors
    /// [`PullError::Client`] and [`PullError::Missing`].
    pub fn checkpoint(&self) -> Result<Vec<u8>, PullError> {
        let path = "checkpoint";
        let bytes = self.get(path, 0, CHECKPOINT_BYTES_MAX)?;
        bytes.ok_or_else(|| PullError::Missing {
            path: path.to_owned(),
        })
    }

    /// A tile of hashes, for proofs.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, StorageError> {
        let bytes_max = 32 * TILE_WIDTH;
        let bytes = self.get_tile(path, 0, bytes_max);
        bytes.map_err(|error| StorageError::Io {
            doing: format!("fetching {path}"),
            error: Box::new(error),
        })
    }

    /// The entries from `start` to `end` of a log of `size`. Of the bundle in which the first lies, `skip` bytes are here
    /// already and are not fetched: those before `start`.
    ///
    /// # Errors
    /// [`PullError::Client`], [`PullError::Missing`] and [`PullError::Entries`].
    pub fn entries(
        &self,
        start: u64,
        end: u64,
        size: u64,
        skip: usize,
    ) -> Result<Vec<Vec<u8>>, PullError> {
        let mut entries = Vec::new();
        let mut next = start;
        let mut taken = 0;
        let mut skip = skip as u64;
        while next < end {
            let path = TilePath::in_tree(TileKind::Entries, next / TILE_WIDTH, size);
            let path = path.expect("an entry below the size is in a bundle");
            let width = path.index() * TILE_WIDTH + u64::from(path.width()) - next;
            let bytes_max = width * (2 + ENTRY_BYTES_MAX as u64);
            let bytes = self.get_tile(path, skip, bytes_max)?;
            let bytes = bytes.ok_or_else(|| PullError::Missing {
                path: path.to_string(),
            })?;
            let read = bundle::read(&bytes, width as usize);
            let read = read.map_err(|error| PullError::Entries {
                start: next,
                what: error.to_string(),
            })?;
            // A step may end within a bundle.
            let wanted = (end - next).min(width) as usize;
            entries.extend(read[..wanted].iter().map(|entry| entry.to_vec()));
            next += wanted as u64;
            skip = 0;
            taken += bytes.len();
            if taken >= super::STEP_BYTES {
                break;
            }
        }
        Ok(entries)
    }

    /// A partial tile may be gone when the full one is there: that one begins with the same bytes.
    fn get_tile(
        &self,
        path: TilePath,
        from: u64,
        bytes_max: u64,
    ) -> Result<Option<Vec<u8>>, PullError> {
        let bytes = self.get(&path.to_string(), from, bytes_max)?;
        if bytes.is_some() || path.is_full() {
            return Ok(bytes);
        }
        let full_max = TILE_WIDTH * (2 + ENTRY_BYTES_MAX as u64);
        let Some(full) = self.get(&path.full().to_string(), from, full_max)? else {
            return Ok(None);
        };
        Ok(cut(full, path, from))
    }

    fn get(&self, path: &str, from: u64, bytes_max: u64) -> Result<Option<Vec<u8>>, PullError> {
        if self.until.is_some_and(|until| until <= Instant::now()) {
            return Err(ClientError::Timeout.into());
        }
        let url = format!("{}/{path}", self.url);
        let bytes = self
            .client
            .get(&url, self.token.as_deref(), from, bytes_max)?;
        let received = bytes.as_ref().map_or(0, Vec::len) as u64;
        self.received.fetch_add(received, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// The beginning of a full tile that a narrower one has. For a bundle that was not fetched from its beginning nobody can
/// say where the narrower one ends, so the caller asks anew at its next pull.
fn cut(full: Vec<u8>, path: TilePath, from: u64) -> Option<Vec<u8>> {
    match path.kind() {
        TileKind::Hashes(_) => full
            .get(..32 * usize::from(path.width()))
            .map(<[u8]>::to_vec),
        TileKind::Entries if from == 0 => {
            let entries = bundle::read(&full, TILE_WIDTH as usize).ok()?;
            let mut bytes = Vec::new();
            for entry in &entries[..usize::from(path.width())] {
                bundle::push(&mut bytes, entry).ok()?;
            }
            Some(bytes)
        }
        TileKind::Entries => None,
    }
}
