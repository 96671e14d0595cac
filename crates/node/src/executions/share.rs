//! What one caller may have of what programs take.
//!
//! Enters: the names of callers. Leaves: [`Share`], the same for all that a caller has under way. Refuses: nothing here; a share
//! that is used up refuses where something is taken of it.
//!
//! Whoever waits for a place has one of its own share first. So each caller stands in the queue for the node's places with no more
//! than its share, however many of its executions wait: the next caller waits behind those, and not behind all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::kept::Bytes;
use crate::config::ExecutionsConfig;
use crate::error::ApiError;
use crate::server::{Room, room};

/// What a caller has, or the node: no more than so many and so much of each.
pub(crate) struct Share {
    /// Executions that run.
    pub(super) places: Arc<Semaphore>,
    /// Those that run and those that wait.
    pub(super) admitted: Arc<Semaphore>,
    /// Room for bodies, in KiB.
    pub(super) bodies: Arc<Semaphore>,
    /// Bytes of answers that are kept.
    pub(super) kept: Bytes,
    /// Whoever waits for space for an answer waits in turn.
    pub(super) turn: tokio::sync::Mutex<()>,
}

/// One of the node's, and one of a caller's.
pub(super) type Both = (OwnedSemaphorePermit, OwnedSemaphorePermit);

/// The node's share, which is all of it, and those of callers that have something under way.
pub(super) struct Shares {
    config: ExecutionsConfig,
    pub(super) node: Share,
    callers: Mutex<HashMap<Arc<str>, Arc<Share>>>,
}

impl Share {
    fn new(config: &ExecutionsConfig, of: impl Fn(u64, u64) -> u64) -> Self {
        let count = |all: u32| {
            // It is no more than what it is of.
            Arc::new(Semaphore::new(of(all.into(), 1) as usize))
        };
        let at_once = config.at_once.get();
        // Room is counted in KiB.
        let one = u64::from(config.body_bytes_max).next_multiple_of(1_024);
        Self {
            places: count(at_once),
            admitted: count(at_once + config.waiting_max),
            bodies: room(of(config.bodies_bytes_max, one)),
            kept: Bytes::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }
}

impl Shares {
    pub(super) fn new(config: &ExecutionsConfig) -> Self {
        Self {
            node: Share::new(config, |all, _| all),
            callers: Mutex::default(),
            config: config.clone(),
        }
    }

    /// The share of a caller. Whoever takes something of it keeps it as long: a new one would be whole again.
    pub(super) fn of(&self, caller: &Arc<str>) -> Arc<Share> {
        let mut callers = self.lock();
        if let Some(share) = callers.get(caller) {
            return Arc::clone(share);
        }
        callers.retain(|_, share| Arc::strong_count(share) > 1);
        let of = |all, least| self.config.share_of(all, least);
        let share = Arc::new(Share::new(&self.config, of));
        callers.insert(Arc::clone(caller), Arc::clone(&share));
        share
    }

    /// Lets one more in: 503 where the node has all that it may, else 429 where the caller has its share.
    pub(super) fn admit(&self, share: &Share) -> Result<Both, ApiError> {
        let one = |of: &Arc<Semaphore>| Arc::clone(of).try_acquire_owned();
        let nodes = one(&self.node.admitted).map_err(|_| ApiError::busy())?;
        let own = one(&share.admitted).map_err(|_| ApiError::share())?;
        Ok((nodes, own))
    }

    /// Waits for a place; `None` where the node gives none any more.
    pub(super) async fn place(&self, share: &Share) -> Option<Both> {
        let own = Arc::clone(&share.places).acquire_owned().await.ok()?;
        let nodes = Arc::clone(&self.node.places).acquire_owned().await.ok()?;
        Some((nodes, own))
    }

    /// Room for a body, none of it taken yet.
    pub(super) fn room(&self, share: &Share) -> Room {
        Room::of(&self.node.bodies, ApiError::busy).and(&share.bodies, ApiError::share)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Share>>> {
        // Entries come and go whole.
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares() -> Shares {
        let text = "backends = [\"sandbox\"]\nat_once = 3\nwaiting_max = 1\n";
        Shares::new(&toml::from_str(text).expect("a section"))
    }

    #[test]
    fn a_share_is_one_thing_while_something_of_it_is_taken_and_then_forgotten() {
        let shares = shares();
        let (first, second): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let share = shares.of(&first);
        let held = [shares.admit(&share), shares.admit(&share)];
        assert!(held.iter().all(Result::is_ok));
        let again = shares.of(&first);
        let refused = shares.admit(&again).err();
        assert_eq!(refused.map(|error| error.status().as_u16()), Some(429));
        let other = shares.of(&second);
        let others = [shares.admit(&other), shares.admit(&other)];
        assert!(others.iter().all(Result::is_ok));
        let third = shares.of(&"c".into());
        let refused = shares.admit(&third).err();
        assert_eq!(refused.map(|error| error.status().as_u16()), Some(503));
        drop((held, share, again, third));
        drop(shares.of(&"d".into()));
        assert_eq!(shares.lock().len(), 2, "the second caller and the last");
    }
}
