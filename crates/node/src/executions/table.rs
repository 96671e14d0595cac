//! Which executions there were.
//!
//! Enters: keys with the digests of their requests, answers. Leaves: the execution of a key. Refuses: two requests under one key,
//! more keys than a bound.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenzik_receipt::{Blake3, Timestamp};

use super::live::Live;
use crate::error::ApiError;

/// The most keys that are known at one time; each takes some 300 bytes.
const KEYS_MAX: usize = 262_144;

/// Whose execution it is, and which of theirs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The caller's name.
    pub(crate) caller: Arc<str>,
    /// The caller's own id for it.
    pub(crate) id: [u8; 32],
}

struct Entry {
    body: Blake3,
    /// Its request is not taken any more from then on.
    forget_at: Timestamp,
    live: Arc<Live>,
}

/// What is under a key.
pub(super) enum Found<P> {
    Known(Arc<Live>),
    New(Arc<Live>, P),
}

/// All executions of a boot.
pub(super) struct Table {
    inner: Mutex<Inner>,
    kept_bytes_max: u64,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<Key, Entry>,
    /// Those whose answers are kept, the oldest first.
    kept: VecDeque<(Arc<Live>, u64)>,
    kept_bytes: u64,
    swept_at: Option<Timestamp>,
}

impl Table {
    pub(super) fn new(kept_bytes_max: u64) -> Self {
        Self {
            inner: Mutex::default(),
            kept_bytes_max,
        }
    }

    /// The execution of a key; a new one if `admit` lets it in.
    ///
    /// # Errors
    /// [`ApiError`] 409 for another request under the key, 503 for no room, and what `admit` says.
    pub(super) fn enter<P>(
        &self,
        key: &Key,
        body: Blake3,
        forget_at: Timestamp,
        now: Timestamp,
        admit: impl FnOnce() -> Result<P, ApiError>,
    ) -> Result<Found<P>, ApiError> {
        let mut inner = self.lock();
        let latest = inner.sweep(now);
        // By the latest time that was ever seen: what was forgotten is not begun again when a clock goes back.
        if forget_at <= latest {
            return Err(ApiError::expired());
        }
        if let Some(entry) = inner.entries.get(key) {
            return match entry.body == body {
                true => Ok(Found::Known(Arc::clone(&entry.live))),
                false => Err(ApiError::conflict(
                    "id_taken",
                    "another request has this id",
                    "give each request an id of its own: 32 random bytes",
                )),
            };
        }
        if inner.entries.len() >= KEYS_MAX {
            return Err(ApiError::busy());
        }
        let admitted = admit()?;
        let live = Arc::new(Live::new());
        let entry = Entry {
            body,
            forget_at,
            live: Arc::clone(&live),
        };
        inner.entries.insert(key.clone(), entry);
        Ok(Found::New(live, admitted))
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Live>> {
        let inner = self.lock();
        inner.entries.get(key).map(|entry| Arc::clone(&entry.live))
    }

    /// Keeps an answer, and lets the oldest go that there is no room for and that nobody waits for.
    pub(super) fn end(&self, live: &Arc<Live>, line: Arc<[u8]>) {
        let bytes = line.len() as u64;
        let mut inner = self.lock();
        live.ended(line);
        inner.kept.push_back((Arc::clone(live), bytes));
        inner.kept_bytes += bytes;
        while inner.kept_bytes > self.kept_bytes_max {
            let unwanted = inner.kept.iter().position(|(live, _)| live.forget());
            let Some((_, bytes)) = unwanted.and_then(|index| inner.kept.remove(index)) else {
                break;
            };
            inner.kept_bytes -= bytes;
        }
    }

    /// Asks everything to stop.
    pub(super) fn cancel_all(&self) {
        for entry in self.lock().entries.values() {
            entry.live.control().cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // No method leaves it between two states but by running out of memory, which ends the process.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Forgets what has expired, once for each second, and gives the latest time that was seen.
    fn sweep(&mut self, now: Timestamp) -> Timestamp {
        match self.swept_at {
            Some(swept) if swept >= now => swept,
            _ => {
                self.swept_at = Some(now);
                self.entries
                    .retain(|_, entry| entry.forget_at > now || !entry.live.is_over());
                now
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds).expect("a time")
    }

    #[test]
    fn a_clock_that_goes_back_brings_nothing_back() {
        let table = Table::new(0);
        let key = |id: u8| Key {
            caller: "a".into(),
            id: [id; 32],
        };
        let body = Blake3::of(b"");
        let enter =
            |id, forget_at, now| table.enter(&key(id), body, at(forget_at), at(now), || Ok(()));
        let Ok(Found::New(live, ())) = enter(1, 10, 5) else {
            panic!("it is new");
        };
        assert!(matches!(enter(1, 10, 6), Ok(Found::Known(_))));
        table.end(&live, (*b"end").into());
        assert!(matches!(enter(2, 20, 11), Ok(Found::New(..))));
        assert!(table.get(&key(1)).is_none());
        assert!(enter(1, 10, 9).is_err(), "it ran already");
    }
}
