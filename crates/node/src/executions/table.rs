//! Which executions there were.
//!
//! Enters: keys with the digests of their requests. Leaves: the execution of a key. Refuses: two requests under one key,
//! more keys than a bound.
//!
//! A key may be cancelled before its request is here: what is told first may come last. It is then known as one that is over, and a
//! request that comes under it finds that. Each caller has so many of these and no more; they are forgotten when no request that
//! was sent before can be taken any more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tenzik_receipt::{Blake3, Timestamp};

use super::live::Live;
use crate::error::ApiError;

/// The most keys that are known at one time; each takes some 300 bytes.
const KEYS_MAX: usize = 262_144;

/// The most keys of one caller that are cancelled before their requests are here: a caller that is well has few, each for as long
/// as a request is on its way.
const UNSENT_MAX: u32 = 1_024;

/// Whose execution it is, and which of theirs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// The caller's name.
    pub(crate) caller: Arc<str>,
    /// The caller's own id for it.
    pub(crate) id: [u8; 32],
}

struct Entry {
    /// Of the request; there is none where it was cancelled before it was here.
    body: Option<Blake3>,
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
#[derive(Default)]
pub(super) struct Table {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    entries: HashMap<Key, Entry>,
    /// How many of a caller's have no request.
    unsent: HashMap<Arc<str>, u32>,
    swept_at: Option<Timestamp>,
}

impl Table {
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
            return match entry.body.is_none_or(|known| known == body) {
                true => Ok(Found::Known(Arc::clone(&entry.live))),
                false => Err(ApiError::conflict(
                    "id_taken",
                    "another request has this id",
                    "give each request an id of its own: 32 random bytes",
                )),
            };
        }
        inner.check_room()?;
        let admitted = admit()?;
        Ok(Found::New(
            inner.insert(key, Some(body), forget_at),
            admitted,
        ))
    }

    /// Cancels the execution of a key; one that is not here yet is over with this line when it comes, until `forget_at`.
    ///
    /// # Errors
    /// [`ApiError`] 429 where the caller has cancelled too many that never came, 503 for no room.
    pub(super) fn cancel(
        &self,
        key: &Key,
        forget_at: Timestamp,
        now: Timestamp,
        line: Arc<[u8]>,
    ) -> Result<Arc<Live>, ApiError> {
        let mut inner = self.lock();
        inner.sweep(now);
        if let Some(entry) = inner.entries.get(key) {
            entry.live.control().cancel();
            return Ok(Arc::clone(&entry.live));
        }
        inner.check_room()?;
        let unsent = inner.unsent.entry(Arc::clone(&key.caller)).or_default();
        if *unsent >= UNSENT_MAX {
            return Err(ApiError::share());
        }
        *unsent += 1;
        let live = inner.insert(key, None, forget_at);
        live.ended(line);
        Ok(live)
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Live>> {
        let inner = self.lock();
        inner.entries.get(key).map(|entry| Arc::clone(&entry.live))
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
                let Self {
                    entries, unsent, ..
                } = self;
                entries.retain(|key, entry| {
                    let stays = entry.forget_at > now || !entry.live.is_over();
                    if !stays && entry.body.is_none() {
                        one_less(unsent, &key.caller);
                    }
                    stays
                });
                now
            }
        }
    }

    fn check_room(&self) -> Result<(), ApiError> {
        match self.entries.len() < KEYS_MAX {
            true => Ok(()),
            false => Err(ApiError::busy()),
        }
    }

    fn insert(&mut self, key: &Key, body: Option<Blake3>, forget_at: Timestamp) -> Arc<Live> {
        let live = Arc::new(Live::new());
        let entry = Entry {
            body,
            forget_at,
            live: Arc::clone(&live),
        };
        self.entries.insert(key.clone(), entry);
        live
    }
}

/// Callers of which nothing is counted do not stand in the table.
fn one_less(unsent: &mut HashMap<Arc<str>, u32>, caller: &Arc<str>) {
    if let Some(count) = unsent.get_mut(caller) {
        *count -= 1;
        if *count == 0 {
            unsent.remove(caller);
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
        let table = Table::default();
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
        live.ended((*b"end").into());
        assert!(matches!(enter(2, 20, 11), Ok(Found::New(..))));
        assert!(table.get(&key(1)).is_none());
        assert!(enter(1, 10, 9).is_err(), "it ran already");
    }

    #[test]
    fn a_caller_that_cancels_what_never_comes_fills_its_own_share_until_that_is_forgotten() {
        let table = Table::default();
        let key = |caller: &str, number: u32| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&number.to_be_bytes());
            let caller = caller.into();
            Key { caller, id }
        };
        let cancel = |caller, number, now| {
            let key = key(caller, number);
            table.cancel(&key, at(now + 100), at(now), (*b"end").into())
        };
        let taken = (0..2 * UNSENT_MAX).filter(|number| cancel("a", *number, 5).is_ok());
        assert_eq!(taken.count(), UNSENT_MAX as usize);
        assert_eq!(table.lock().entries.len(), UNSENT_MAX as usize);
        assert!(cancel("a", 0, 5).is_ok(), "one that is known takes no more");
        assert!(cancel("b", 0, 5).is_ok(), "others have their own");
        let enter = |caller, number, now| {
            let key = key(caller, number);
            table.enter(&key, Blake3::of(b""), at(200), at(now), || Ok(()))
        };
        let Ok(Found::Known(live)) = enter("a", 0, 6) else {
            panic!("it is over");
        };
        assert!(live.is_over());
        assert!(matches!(enter("b", 1, 6), Ok(Found::New(..))));
        assert!(cancel("a", UNSENT_MAX, 104).is_err());
        assert!(cancel("a", UNSENT_MAX, 105).is_ok(), "all was forgotten");
        let inner = table.lock();
        assert_eq!((inner.entries.len(), inner.unsent.len()), (2, 1));
    }
}
