//! The queue of receipts that wait for a signature.
//!
//! Enters: prepared receipts, and how they are signed. Leaves: tickets, and batches settled by whoever filled them, by
//! [`flush`](Queue::flush), or by the thread that keeps the time.
//! Refuses: to sign under its lock, or to let a panic of the signer leave anyone waiting.

use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tenzik_receipt::{PreparedReceipt, SignError, SignedReceipt};

use super::GatherError;
use super::ticket::{Batch, Ticket};

/// Signs a batch in its order.
pub(super) type Sign =
    Box<dyn Fn(Vec<PreparedReceipt>) -> Result<Vec<SignedReceipt>, SignError> + Send + Sync>;

pub(super) struct Queue {
    state: Mutex<State>,
    /// Tells the thread that keeps the time that there is time to keep, or that it is over.
    changed: Condvar,
    count_max: usize,
    delay_max: Duration,
    sign: Sign,
}

#[derive(Default)]
struct State {
    waiting: Waiting,
    /// The thread that keeps the time sleeps until it is told.
    timer_sleeps: bool,
    closed: bool,
}

/// A batch that is not full. The receipts are in the order of their tickets.
#[derive(Default)]
struct Waiting {
    batch: Arc<Batch>,
    receipts: Vec<PreparedReceipt>,
    /// When the first one came.
    since: Option<Instant>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("count_max", &self.count_max)
            .field("delay_max", &self.delay_max)
            .finish_non_exhaustive()
    }
}

impl Queue {
    pub(super) fn new(count_max: usize, delay_max: Duration, sign: Sign) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            count_max,
            delay_max,
            sign,
        }
    }

    /// Takes a receipt in. Signs the batch if it is full now.
    pub(super) fn hand_in(&self, receipt: PreparedReceipt) -> Ticket {
        let mut state = self.lock();
        let place = state.waiting.receipts.len();
        let ticket = Ticket::new(Arc::clone(&state.waiting.batch), place);
        state.waiting.receipts.push(receipt);
        if place + 1 >= self.count_max {
            let full = mem::take(&mut state.waiting);
            drop(state);
            self.settle(full);
        } else if place == 0 {
            state.waiting.since = Some(Instant::now());
            self.wake_timer(state);
        }
        ticket
    }

    /// Signs what waits, if it is at least so many.
    pub(super) fn flush(&self, count_min: usize) {
        let mut state = self.lock();
        if state.waiting.receipts.len() < count_min.max(1) {
            return;
        }
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        self.settle(waiting);
    }

    /// Signs what waits and ends [`keep_time`](Self::keep_time).
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        self.wake_timer(state);
        self.flush(0);
    }

    /// Signs each batch whose time has come, until the queue is closed.
    pub(super) fn keep_time(&self) {
        let mut state = self.lock();
        while !state.closed {
            let due = state.waiting.since.map(|since| since + self.delay_max);
            let left = due.map(|due| due.saturating_duration_since(Instant::now()));
            state = match left {
                Some(Duration::ZERO) => {
                    let waiting = mem::take(&mut state.waiting);
                    drop(state);
                    self.settle(waiting);
                    self.lock()
                }
                // While batches fill in time, it wakes once for each delay and not for each batch.
                Some(left) => self.sleep_for(state, left),
                None => self.sleep(state),
            };
        }
    }

    fn sleep_for<'a>(&self, state: MutexGuard<'a, State>, left: Duration) -> MutexGuard<'a, State> {
        let woken = self.changed.wait_timeout(state, left);
        woken.unwrap_or_else(PoisonError::into_inner).0
    }

    fn sleep<'a>(&self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        state.timer_sleeps = true;
        let woken = self.changed.wait(state);
        woken.unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_timer(&self, mut state: MutexGuard<'_, State>) {
        let wake = mem::take(&mut state.timer_sleeps) || state.closed;
        drop(state);
        if wake {
            self.changed.notify_one();
        }
    }

    /// Signs a batch and tells each of its callers.
    fn settle(&self, waiting: Waiting) {
        let Waiting {
            batch, receipts, ..
        } = waiting;
        if receipts.is_empty() {
            return;
        }
        // What the signer may have left half-done is its own affair: it is asked no more for this batch.
        let signed = catch_unwind(AssertUnwindSafe(|| self.sign_by_number(receipts)));
        batch.settle(match signed {
            Ok(signed) => signed.map_err(GatherError::Sign),
            Err(_) => Err(GatherError::Panicked),
        });
    }

    /// Signs in the order of the receipts' numbers, and gives the receipts in that of the tickets.
    ///
    /// A number is drawn before its receipt is written, so with several callers they may come a little out of order.
    fn sign_by_number(
        &self,
        receipts: Vec<PreparedReceipt>,
    ) -> Result<Vec<Option<SignedReceipt>>, SignError> {
        let mut by_number: Vec<_> = receipts.into_iter().enumerate().collect();
        by_number.sort_by_key(|(_, receipt)| receipt.nonce().seq);
        let (places, receipts): (Vec<_>, Vec<_>) = by_number.into_iter().unzip();
        let mut by_place: Vec<_> = places.iter().map(|_| None).collect();
        for (place, signed) in places.into_iter().zip((self.sign)(receipts)?) {
            by_place[place] = Some(signed);
        }
        Ok(by_place)
    }

    /// Nothing panics under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
