//! One execution, for those who wait for it.
//!
//! Enters: how far it is. Leaves: the same, to everybody who is attached. Refuses nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tenzik::control::Control;
use tokio::sync::watch;

use crate::error::ApiError;

/// How far an execution is.
#[derive(Clone, Debug)]
pub(crate) enum State {
    /// It waits for a place.
    Queued,
    /// It runs.
    Running,
    /// It is over, with its last line; `None` if that is no longer kept.
    Ended(Option<Arc<[u8]>>),
}

/// One execution.
pub(crate) struct Live {
    control: Control,
    state: watch::Sender<State>,
    began: Instant,
    waiters: Mutex<Waiters>,
}

struct Waiters {
    count: usize,
    /// When the last one left.
    left: Instant,
}

/// Somebody who waits for an execution, until this is dropped.
pub(crate) struct Attached {
    live: Arc<Live>,
    state: watch::Receiver<State>,
}

impl Live {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            control: Control::default(),
            state: watch::Sender::new(State::Queued),
            began: now,
            waiters: Mutex::new(Waiters {
                count: 0,
                left: now,
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
        let state = self.state.subscribe();
        if matches!(*state.borrow(), State::Ended(None)) {
            return Err(ApiError::gone());
        }
        waiters.count += 1;
        drop(waiters);
        let live = Arc::clone(self);
        Ok(Attached { live, state })
    }

    pub(super) fn started(&self) {
        self.state.send_replace(State::Running);
    }

    pub(super) fn ended(&self, line: Arc<[u8]>) {
        self.state.send_replace(State::Ended(Some(line)));
    }

    /// Lets its answer go, unless somebody waits for it, and says whether it did.
    pub(super) fn forget(&self) -> bool {
        let waiters = self.waiters();
        if waiters.count == 0 {
            self.state.send_replace(State::Ended(None));
        }
        waiters.count == 0
    }

    pub(super) fn is_over(&self) -> bool {
        matches!(*self.state.borrow(), State::Ended(_))
    }

    /// Whether nobody has waited for so long.
    pub(super) fn is_abandoned(&self, patience: Duration) -> bool {
        let waiters = self.waiters();
        waiters.count == 0 && waiters.left.elapsed() >= patience
    }

    fn waiters(&self) -> std::sync::MutexGuard<'_, Waiters> {
        // A number and a time: whole whoever panicked.
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attached {
    /// How far it is now.
    pub(crate) fn state(&mut self) -> State {
        self.state.borrow_and_update().clone()
    }

    /// Waits until it is further than it was last seen.
    pub(crate) async fn changed(&mut self) {
        // The sender lives as long as `live`.
        let _ = self.state.changed().await;
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
