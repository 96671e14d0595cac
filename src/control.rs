//! What a caller and a run share while the run is under way: the wish to stop it, and how far it is.
//!
//! Enters: a caller's wish; what the stages tell. Leaves: [`Progress`], for whoever asks, from any thread.
//! Refuses nothing. Nothing here can be seen in a claim, but that a run which was stopped is `aborted`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::time::Instant;

/// A run's control. A clone is the same control.
///
/// Nothing is locked, and no method blocks. The figures are told one by one: two of them may be of different moments.
#[derive(Clone, Debug, Default)]
pub struct Control(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Whose wish to stop is this one's too.
    parent: Option<Control>,
    /// From when on nobody wants it to go on.
    deadline: Option<Instant>,
    cancelled: AtomicBool,
    phase: AtomicU8,
    host_calls: AtomicU32,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Phase {
    /// It waits for a worker.
    Waiting,
    /// Its capsule is checked and bound.
    Checking,
    /// Its capsule is made ready for an engine, or it waits for a place.
    Preparing,
    /// It runs.
    Running,
    /// Its receipt is made.
    Sealing,
    /// It is over.
    Over,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Where it is.
    pub phase: Phase,
    /// How many host functions it has called.
    pub host_calls: u32,
    /// Whether its caller wants it to stop.
    pub cancelled: bool,
}

impl Control {
    /// Asks the run to stop. One that has not begun never will; one that runs ends as `aborted`, at its next host call or within
    /// some milliseconds. One that is over stays as it is.
    pub fn cancel(&self) {
        self.0.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked it to stop.
    pub fn is_cancelled(&self) -> bool {
        let past = |deadline: Instant| Instant::now() >= deadline;
        self.0.cancelled.load(Ordering::Relaxed)
            || self.0.deadline.is_some_and(past)
            || self.0.parent.as_ref().is_some_and(Self::is_cancelled)
    }

    /// A control that is cancelled with this one, and at a deadline.
    pub(crate) fn until(&self, deadline: Instant) -> Self {
        Self(Arc::new(Shared {
            parent: Some(self.clone()),
            deadline: Some(deadline),
            ..Shared::default()
        }))
    }

    /// How far it is.
    pub fn progress(&self) -> Progress {
        Progress {
            phase: Phase::ALL
                .get(usize::from(self.0.phase.load(Ordering::Relaxed)))
                .copied()
                .unwrap_or(Phase::Over),
            host_calls: self.0.host_calls.load(Ordering::Relaxed),
            cancelled: self.is_cancelled(),
        }
    }

    /// Tells where the run is. A backend does that knows it better than the router, such as one that waits at another node.
    pub fn enter(&self, phase: Phase) {
        self.0.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub(crate) fn called(&self, host_calls: u32) {
        self.0.host_calls.store(host_calls, Ordering::Relaxed);
    }
}

impl Phase {
    const ALL: [Self; 6] = [
        Self::Waiting,
        Self::Checking,
        Self::Preparing,
        Self::Running,
        Self::Sealing,
        Self::Over,
    ];
}
