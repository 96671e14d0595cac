//! Workers that wait for another call of the same kind.
//!
//! Enters: a worker with its key. Leaves: the same worker, to the same key alone. Refuses: more than a bound of them, and to
//! keep one longer than it may wait.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tenzik::router::RunLimits;
use tenzik_receipt::{Blake3, Label, Profile};

use super::worker::Worker;

/// Everything in which two calls must be the same to have the same worker. What a host grants is the same for all of a backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) tenant: Option<Label>,
    pub(super) code: Blake3,
    pub(super) entrypoint: String,
    pub(super) language: Label,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) limits: RunLimits,
    pub(super) profile: Profile,
    /// The runtime's own digest: one that was replaced runs nothing more.
    pub(super) runtime: Blake3,
    pub(super) tools: bool,
}

/// Workers that wait, the longest-waiting first.
#[derive(Clone)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    workers_max: usize,
    idle_max: Duration,
}

#[derive(Default)]
struct Shared {
    idle: Mutex<Idle>,
    changed: Condvar,
}

#[derive(Default)]
struct Idle {
    workers: Vec<(Key, Worker, Instant)>,
    /// Whether a thread looks after those that waited too long.
    looked_after: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool {
    pub(super) fn new(workers_max: usize, idle_max: Duration) -> Self {
        Self {
            shared: Arc::default(),
            workers_max,
            idle_max,
        }
    }

    /// A worker of this key that may be used, running again.
    pub(super) fn take(&self, key: &Key) -> Option<Worker> {
        loop {
            let (mut worker, since) = {
                let mut idle = self.shared.lock();
                // The one that waited least: the others may go.
                let index = idle.workers.iter().rposition(|(known, ..)| known == key)?;
                let (_, worker, since) = idle.workers.remove(index);
                (worker, since)
            };
            // One that is of no use is ended here, with no lock held.
            if since.elapsed() <= self.idle_max && worker.wake() {
                return Some(worker);
            }
        }
    }

    /// Keeps a worker that rests.
    pub(super) fn put(&self, key: Key, worker: Worker) {
        let mut surplus = Vec::new();
        let mut idle = self.shared.lock();
        idle.workers.push((key, worker, Instant::now()));
        while idle.workers.len() > self.workers_max {
            surplus.push(idle.workers.remove(0));
        }
        if !idle.workers.is_empty() && !idle.looked_after {
            let (shared, idle_max) = (Arc::clone(&self.shared), self.idle_max);
            let name = "javascript pool".to_owned();
            // Without it they are kept until the backend goes, or somebody asks for one.
            idle.looked_after = std::thread::Builder::new()
                .name(name)
                .spawn(move || look_after(&shared, idle_max))
                .is_ok();
        }
        drop(idle);
    }

    /// Ends all of them.
    pub(super) fn clear(&self) {
        let ended = std::mem::take(&mut self.shared.lock().workers);
        self.shared.changed.notify_all();
        drop(ended);
    }
}

/// Ends those that waited too long, until there is none.
fn look_after(shared: &Shared, idle_max: Duration) {
    let mut idle = shared.lock();
    loop {
        let Some((_, _, since)) = idle.workers.first() else {
            idle.looked_after = false;
            return;
        };
        let waited = since.elapsed();
        if waited > idle_max {
            let late = idle.workers.remove(0);
            drop(idle);
            drop(late);
            idle = shared.lock();
        } else {
            let left = idle_max - waited + Duration::from_millis(1);
            let waited = shared.changed.wait_timeout(idle, left);
            idle = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
