//! How many connections each address has.
//!
//! Enters: the address of a connection. Leaves: a [`Place`], given back when dropped. Refuses: one more than an address may have.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::quota::Who;

/// The connections of each address that has any. It is as small as the number of connections.
pub(super) struct Places {
    open: Mutex<HashMap<Who, u32>>,
    each_max: u32,
}

/// A connection of an address.
pub(super) struct Place {
    places: Arc<Places>,
    who: Who,
}

impl Places {
    pub(super) fn new(each_max: u32) -> Arc<Self> {
        Arc::new(Self {
            open: Mutex::new(HashMap::new()),
            each_max,
        })
    }

    /// A place for an address, or for the IPv6 /64 that it is in; `None` if these have all that they may.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let who = Who::address(address);
        let mut open = self.lock();
        let count = open.entry(who.clone()).or_default();
        // An entry that is new has room: the bound is at least 1.
        if *count >= self.each_max {
            return None;
        }
        *count += 1;
        let places = Arc::clone(self);
        Some(Place { places, who })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Who, u32>> {
        // Nothing between taking and giving back the lock can panic halfway.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.places.lock();
        if let Some(count) = open.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_given_back_can_be_taken_and_nothing_is_remembered() {
        let places = Places::new(2);
        let (first, second) = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
        let held = [places.take(first), places.take(first)];
        assert!(held.iter().all(Option::is_some));
        assert!(places.take(first).is_none());
        assert!(places.take(second).is_some());
        drop(held);
        assert!(places.take(first).is_some());
        assert!(places.lock().is_empty());
    }
}
