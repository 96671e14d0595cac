//! Requests on threads of their own, so that whoever waits for them can look at other things meanwhile.
//!
//! Enters: what is to be done there. Leaves: what comes of it, through a channel, or why it is not waited for any more. Refuses: to
//! wait for what nobody wants, or beyond a time. What is no longer waited for ends on its own thread, within its client's time;
//! nothing of it is used.

use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tenzik::backend::{BackendError, Ended, Job};
use tenzik::router::Limit;

use super::{ASK, label};

/// How much may wait to be looked at: a node that floods waits.
pub(super) const WAITING_MAX: usize = 16;
/// How often a caller's wish to stop is looked at.
const TICK: Duration = Duration::from_millis(10);

/// What came of waiting.
pub(super) enum Waited<T> {
    /// Something came.
    Came(T),
    /// Nothing came in time.
    Late,
    /// Nothing comes any more.
    Lost,
    /// Nobody wants the job to go on.
    Unwanted(Ended),
}

/// Does something on a thread of its own, which tells what comes of it. Once nobody listens, telling fails.
///
/// # Errors
/// [`BackendError::failed`] without a thread.
pub(super) fn elsewhere<T: Send + 'static>(
    work: impl FnOnce(&SyncSender<T>) + Send + 'static,
) -> Result<Receiver<T>, BackendError> {
    let (sender, heard) = sync_channel(WAITING_MAX);
    thread::Builder::new()
        .name("remote".to_owned())
        .spawn(move || work(&sender))
        .map_err(|error| BackendError::failed(ASK, error))?;
    Ok(heard)
}

/// Waits for the next thing.
pub(super) fn wait<T>(job: &Job<'_>, heard: &Receiver<T>, until: Instant) -> Waited<T> {
    loop {
        // Looked at first: a node that floods must not keep anybody from it.
        if let Some(ended) = unwanted(job) {
            return Waited::Unwanted(ended);
        }
        match heard.recv_timeout(TICK) {
            Ok(came) => return Waited::Came(came),
            Err(RecvTimeoutError::Disconnected) => return Waited::Lost,
            Err(RecvTimeoutError::Timeout) if Instant::now() >= until => return Waited::Late,
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Waits for nothing, as long as the job is wanted.
pub(super) fn rest(job: &Job<'_>, pause: Duration) {
    let (_nobody, nothing) = sync_channel::<()>(0);
    wait(job, &nothing, Instant::now() + pause);
}

/// How a job ends that nobody wants to go on.
pub(super) fn unwanted(job: &Job<'_>) -> Option<Ended> {
    if job.control.is_cancelled() {
        let code = label("cancelled");
        return Some(Ended::Aborted { code });
    }
    let past = |deadline| Instant::now() >= deadline;
    job.deadline
        .is_some_and(past)
        .then_some(Ended::LimitReached(Limit::WallMs))
}
