//! Who audits peers: a few threads of their own, so that what a peer's audit waits for holds up nobody's pull.
//!
//! Enters: mirrors that were pulled. Leaves: samples that were run again. Refuses: more than [`TURN_MAX`] for one peer at a
//! time, and to begin another leaf when the node ends.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::audit::{Auditor, Subject};
use crate::federation::MirrorReader;
use crate::system;

/// Peers that are audited at once: a re-run takes a processor.
const AT_ONCE: usize = 2;
/// After so long no other leaf of the peer is begun, and the next peer has its turn: one whose blobs drip keeps the others
/// waiting no longer than this and one leaf.
const TURN_MAX: Duration = Duration::from_secs(60);

/// Threads that audit.
pub(crate) struct Auditing {
    shared: Arc<Shared>,
    /// Waited for in [`close`](Self::close). Dropping this only tells them to end: one of them may be who drops it.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    auditor: Weak<Auditor>,
}

#[derive(Default)]
struct State {
    /// The longest waiting first, each peer once.
    waiting: VecDeque<MirrorReader>,
    stopped: bool,
}

impl Auditing {
    pub(crate) fn start(auditor: &Arc<Auditor>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            auditor: Arc::downgrade(auditor),
        });
        let worker = |number| {
            let shared = Arc::clone(&shared);
            let name = format!("audit-{number}");
            thread::Builder::new()
                .name(name)
                .spawn(move || shared.work())
        };
        let threads = (0..AT_ONCE).map(worker).collect::<Result<_, _>>()?;
        Ok(Self {
            shared,
            threads: Mutex::new(threads),
        })
    }

    /// Has a mirror audited when its turn comes. It comes again with the next pull, so nothing that is left is lost.
    pub(crate) fn submit(&self, mirror: MirrorReader) {
        let mut state = self.shared.lock();
        let waits = |other: &MirrorReader| other.peer().name == mirror.peer().name;
        match state.waiting.iter().position(waits) {
            _ if state.stopped => return,
            Some(place) => state.waiting[place] = mirror,
            None => state.waiting.push_back(mirror),
        }
        self.shared.changed.notify_one();
    }

    /// Ends the threads after the leaves that they are at. Blocks.
    pub(crate) fn close(&self) {
        self.shared.stop();
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Auditing {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Shared {
    fn work(&self) {
        while let Some(mirror) = self.take() {
            let turn = panic::catch_unwind(AssertUnwindSafe(|| self.turn(&mirror)));
            if turn.is_err() {
                tracing::error!(peer = %mirror.peer().name, "its audit ended in a panic");
            }
        }
    }

    fn turn(&self, mirror: &MirrorReader) {
        let (Some(auditor), Some(held)) = (self.auditor.upgrade(), mirror.held()) else {
            return;
        };
        let until = Instant::now() + TURN_MAX;
        let goes_on = || Instant::now() < until && !self.lock().stopped;
        let subject = Subject {
            peer: mirror.peer(),
            head: &held.head,
            size: held.size,
            entry: &|index| mirror.entry(index),
        };
        let audited = system::now().map(|now| auditor.audit_while(&subject, now, &goes_on));
        match audited {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::error!(peer = %mirror.peer().name, %error, "not audited");
            }
            Err(error) => tracing::error!(%error, "not audited"),
        }
    }

    fn take(&self) -> Option<MirrorReader> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            if let Some(mirror) = state.waiting.pop_front() {
                return Some(mirror);
            }
            let waited = self.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn stop(&self) {
        let mut state = self.lock();
        state.stopped = true;
        // Whoever holds a mirror keeps its directory.
        state.waiting.clear();
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
