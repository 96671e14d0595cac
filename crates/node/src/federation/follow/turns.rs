//! Whose turn it is: each peer has one at a time, the longest due first.
//!
//! Enters: when a peer's next turn is. Leaves: peers whose turn has come. Refuses nothing.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The turns of some peers, known by their number.
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// When each is due; `None` while it has its turn.
    due: Vec<Option<Instant>>,
    /// Those that are to have another turn right after the one that they have.
    again: Vec<bool>,
    stopped: bool,
}

impl Turns {
    /// All are due now.
    pub(super) fn new(count: usize) -> Self {
        Self {
            state: Mutex::new(State {
                due: vec![Some(Instant::now()); count],
                again: vec![false; count],
                stopped: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// Waits for a turn; `None` when all is stopped.
    pub(super) fn take(&self) -> Option<usize> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            let due = state.due.iter().enumerate();
            let first = due.filter_map(|(at, due)| Some(((*due)?, at))).min();
            let now = Instant::now();
            state = match first {
                Some((due, at)) if due <= now => {
                    state.due[at] = None;
                    return Some(at);
                }
                Some((due, _)) => {
                    let waited = self.changed.wait_timeout(state, due - now);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// A turn is over; the next one is after this wait.
    pub(super) fn give_back(&self, at: usize, wait: Duration) {
        let mut state = self.lock();
        let wait = match std::mem::take(&mut state.again[at]) {
            true => Duration::ZERO,
            false => wait,
        };
        state.due[at] = Some(Instant::now() + wait);
        self.changed.notify_all();
    }

    /// The turn comes now, or right after the one that is being had.
    pub(super) fn now(&self, at: usize) {
        let mut state = self.lock();
        match &mut state.due[at] {
            Some(due) => *due = Instant::now(),
            None => state.again[at] = true,
        }
        self.changed.notify_all();
    }

    /// No more turns.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Whether there are to be no more.
    pub(super) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_one_turn_at_a_time_and_the_others_go_on() {
        let turns = Turns::new(2);
        let mut both = [turns.take(), turns.take()];
        both.sort();
        assert_eq!(both, [Some(0), Some(1)]);
        // A sign that comes during a turn is not lost.
        turns.now(0);
        turns.give_back(0, Duration::from_secs(3_600));
        assert_eq!(turns.take(), Some(0));
        turns.give_back(1, Duration::from_secs(3_600));
        turns.now(1);
        assert_eq!(turns.take(), Some(1));
        turns.stop();
        assert_eq!(turns.take(), None);
    }
}
