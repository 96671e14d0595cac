//! Places for running instances: a semaphore in front of the pool.
//!
//! Enters: callers that want to run. Leaves: a place for each, in time. Refuses nobody who can wait: where all places are taken, a
//! caller does, because a pool that is asked for one more fails instead.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// So many places.
pub(super) struct Slots {
    count: u32,
    state: Mutex<State>,
    freed: Condvar,
}

struct State {
    free: u32,
    /// Callers that wait. Where there are none, giving a place back is no system call.
    waiting: u32,
}

/// A place that is given back when dropped.
pub(super) struct Slot<'a>(&'a Slots);

impl Slots {
    pub(super) const fn new(count: u32) -> Self {
        Self {
            count,
            state: Mutex::new(State {
                free: count,
                waiting: 0,
            }),
            freed: Condvar::new(),
        }
    }

    /// How many there are.
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// A place, if one is free.
    pub(super) fn try_acquire(&self) -> Option<Slot<'_>> {
        let mut state = self.lock();
        state.free = state.free.checked_sub(1)?;
        Some(Slot(self))
    }

    /// Waits for a place.
    pub(super) fn acquire(&self) -> Slot<'_> {
        let mut state = self.lock();
        while state.free == 0 {
            state.waiting += 1;
            let woken = self.freed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            state.waiting -= 1;
        }
        state.free -= 1;
        Slot(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.free += 1;
        let wake = state.waiting > 0;
        drop(state);
        if wake {
            self.0.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    #[test]
    fn no_more_run_than_there_are_places_and_all_run_in_the_end() {
        let slots = Slots::new(3);
        let (running, most, ended) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(|| {
                    let _slot = slots.acquire();
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    most.fetch_max(now, Ordering::SeqCst);
                    thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 3);
        assert_eq!(ended.load(Ordering::SeqCst), 32);
    }
}
