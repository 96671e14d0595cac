//! One execution, for those who wait for it.
//!
//! Enters: how far it is. Leaves: the same, to everybody who is attached, and its answer in pieces. Refuses: to give an answer as a
//! whole: who reads slowly would keep all of it after it was let go.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tenzik::control::Control;
use tokio::sync::watch;

use crate::error::ApiError;

/// The most bytes of an answer that a reader is given at once.
const PIECE_BYTES_MAX: usize = 16 * 1_024;

/// How far an execution is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It waits for a place.
    Queued,
    /// It runs.
    Running,
    /// Nothing of it runs any more, and its receipt waits for the log.
    Logging,
    /// It is over.
    Ended,
}

/// The same, with what came of it.
enum Held {
    Queued,
    Running,
    Logging,
    /// Its last line; `None` if that is no longer kept.
    Ended(Option<Arc<[u8]>>),
}

/// One execution.
pub(crate) struct Live {
    control: Control,
    held: watch::Sender<Held>,
    began: Instant,
    waiters: Mutex<Waiters>,
}

struct Waiters {
    count: usize,
    /// When the last one left.
    left: Instant,
    /// Since when there is something to read.
    ended: Option<Instant>,
}

/// Somebody who waits for an execution, until this is dropped.
pub(crate) struct Attached {
    live: Arc<Live>,
    held: watch::Receiver<Held>,
}

impl Live {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            control: Control::default(),
            held: watch::Sender::new(Held::Queued),
            began: now,
            waiters: Mutex::new(Waiters {
                count: 0,
                left: now,
                ended: None,
            }),
        }
    }

    /// The wish to stop it.
    pub(crate) const fn control(&self) -> &Control {
        &self.control
    }

    /// Waits for it.
    ///
    /// # Errors
    /// [`ApiError`] 410 if its answer is no longer kept.
    pub(crate) fn attach(self: &Arc<Self>) -> Result<Attached, ApiError> {
        let mut waiters = self.waiters();
        let held = self.held.subscribe();
        if matches!(*held.borrow(), Held::Ended(None)) {
            return Err(ApiError::gone());
        }
        waiters.count += 1;
        drop(waiters);
        let live = Arc::clone(self);
        Ok(Attached { live, held })
    }

    pub(super) fn started(&self) {
        self.held.send_replace(Held::Running);
    }

    pub(super) fn logging(&self) {
        self.held.send_replace(Held::Logging);
    }

    pub(super) fn ended(&self, line: Arc<[u8]>) {
        self.waiters().ended = Some(Instant::now());
        self.held.send_replace(Held::Ended(Some(line)));
    }

    /// Lets its answer go, and says whether it did: nobody reads it, or, with a patience, it could be read for so long.
    pub(super) fn forget(&self, patience: Option<Duration>) -> bool {
        let waiters = self.waiters();
        let ended = waiters.ended.zip(patience);
        let was_read = ended.is_some_and(|(ended, patience)| ended.elapsed() >= patience);
        let goes = waiters.count == 0 || was_read;
        if goes {
            self.held.send_replace(Held::Ended(None));
        }
        goes
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(*self.held.borrow(), Held::Ended(_))
    }

    /// Whether nobody has waited for so long.
    pub(super) fn is_abandoned(&self, patience: Duration) -> bool {
        let waiters = self.waiters();
        waiters.count == 0 && waiters.left.elapsed() >= patience
    }

    fn waiters(&self) -> std::sync::MutexGuard<'_, Waiters> {
        // A number and two times: whole whoever panicked.
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attached {
    /// How far it is now.
    pub(crate) fn state(&mut self) -> State {
        match *self.held.borrow_and_update() {
            Held::Queued => State::Queued,
            Held::Running => State::Running,
            Held::Logging => State::Logging,
            Held::Ended(_) => State::Ended,
        }
    }

    /// The last line from a byte on, as much as is given at once; nothing behind its end. `None` if it is no longer kept.
    pub(crate) fn piece(&self, from: usize) -> Option<Bytes> {
        match &*self.held.borrow() {
            Held::Ended(Some(line)) => {
                let rest = line.get(from..).unwrap_or_default();
                let piece = &rest[..rest.len().min(PIECE_BYTES_MAX)];
                Some(Bytes::copy_from_slice(piece))
            }
            _ => None,
        }
    }

    /// Waits until it is further than it was last seen.
    pub(crate) async fn changed(&mut self) {
        // The sender lives as long as `live`.
        let _ = self.held.changed().await;
    }

    /// Since it was asked for.
    pub(crate) fn elapsed(&self) -> Duration {
        self.live.began.elapsed()
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let mut waiters = self.live.waiters();
        waiters.count -= 1;
        waiters.left = Instant::now();
    }
}
