//! Gathering: receipts of many callers under one signature.
//!
//! Enters: outcomes, from any number of threads. Leaves: a [`Ticket`] for each, and for the ticket the signed receipt.
//! Refuses: a receipt that may not be signed, alone and at once. Nobody waits for ever: a batch that cannot be signed
//! is an error to each of its callers.
//!
//! Each caller writes and hashes its own receipt. Whoever fills the batch signs it; if nobody does in time, a thread of
//! the gatherer's does. That thread does nothing else.

mod queue;
#[cfg(test)]
mod tests;
mod ticket;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tenzik_receipt::{BATCH_MAX, PublicKey, SignError};

use super::{BATCH_COUNT, Circumstances, Sealer, Subject};
use crate::outcome::Outcome;
use queue::Queue;

pub use ticket::Ticket;

/// How many receipts share a signature, and how long one waits for the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatherConfig {
    /// The most receipts under one signature, 1 to 65,536. Default 256: a signature then costs a hundredth of itself.
    pub count_max: u32,
    /// How long the first receipt of a batch waits for further ones, in milliseconds, at least 1. Default 5.
    pub delay_ms_max: u32,
}

impl Default for GatherConfig {
    fn default() -> Self {
        Self {
            count_max: BATCH_COUNT as u32,
            delay_ms_max: 5,
        }
    }
}

/// Why there is no gatherer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatherConfigError {
    /// Nothing, or more than one signature may cover.
    #[error("1 to {BATCH_MAX} receipts can share a signature, not {got}")]
    Count {
        /// What was asked.
        got: u32,
    },
    /// A receipt that waits for nobody is a [`Sealer`]'s.
    #[error("a receipt has to wait at least 1 ms for others")]
    Delay,
    /// The system has no thread for it.
    #[error("no thread to keep the time: {kind}")]
    Thread {
        /// What the system said.
        kind: io::ErrorKind,
    },
}

/// Why a receipt that was handed in is not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GatherError {
    /// The signer panicked. None of the batch is signed.
    #[error("the signer of the batch panicked")]
    Panicked,
    /// The signer refused.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// Signs what many callers hand in, many receipts under one signature. Share one; all methods take `&self`.
///
/// Receipts that share a signature are verified each by itself, offline, without the others. Their numbers rise with
/// their places in the batch. A gatherer that is dropped signs what still waits.
///
/// A receipt carries hashes of others of its batch, against which somebody may guess at the whole of one. What has to
/// stay out of sight is run privately, or signed alone.
#[derive(Debug)]
pub struct Gatherer {
    sealer: Arc<Sealer>,
    queue: Arc<Queue>,
    /// Callers that were announced and have not handed in yet.
    on_the_way: AtomicUsize,
    /// Keeps the time. Ends when the queue is closed, and is joined then.
    timer: Option<JoinHandle<()>>,
}

impl Gatherer {
    /// Gathers for a sealer.
    ///
    /// # Errors
    /// [`GatherConfigError`]: a count or a delay that cannot be, or no thread.
    pub fn new(sealer: Sealer, config: &GatherConfig) -> Result<Self, GatherConfigError> {
        let count_max = config.count_max as usize;
        if !(1..=BATCH_MAX).contains(&count_max) {
            let got = config.count_max;
            return Err(GatherConfigError::Count { got });
        }
        if config.delay_ms_max == 0 {
            return Err(GatherConfigError::Delay);
        }
        let sealer = Arc::new(sealer);
        let signer = Arc::clone(&sealer);
        let delay_max = Duration::from_millis(config.delay_ms_max.into());
        let sign = move |prepared| signer.key.sign_prepared(prepared);
        Self::around(sealer, Queue::new(count_max, delay_max, Box::new(sign)))
    }

    fn around(sealer: Arc<Sealer>, queue: Queue) -> Result<Self, GatherConfigError> {
        let queue = Arc::new(queue);
        let kept = Arc::clone(&queue);
        let timer = thread::Builder::new()
            .name("tenzik-gather".to_owned())
            .spawn(move || kept.keep_time())
            .map_err(|error| GatherConfigError::Thread { kind: error.kind() })?;
        Ok(Self {
            sealer,
            queue,
            on_the_way: AtomicUsize::new(0),
            timer: Some(timer),
        })
    }

    /// The key that signs.
    pub fn node(&self) -> PublicKey {
        self.sealer.node()
    }

    /// Hands in a run. If this fills the batch, it is signed here; else it waits for others.
    ///
    /// # Errors
    /// [`SignError`] if the receipt would be too large, for instance by its extensions. No other is affected.
    pub fn seal(
        &self,
        outcome: &Outcome,
        circumstances: Circumstances,
    ) -> Result<Ticket, SignError> {
        self.hand_in(Subject::Ran(outcome), circumstances)
    }

    /// Signs what waits, here and now.
    pub fn flush(&self) {
        self.queue.flush(0);
    }

    pub(super) fn hand_in(
        &self,
        subject: Subject<'_>,
        circumstances: Circumstances,
    ) -> Result<Ticket, SignError> {
        let prepared = self.sealer.prepare(subject, circumstances)?;
        Ok(self.queue.hand_in(prepared))
    }

    pub(super) fn sealer(&self) -> Arc<Sealer> {
        Arc::clone(&self.sealer)
    }

    /// A caller will hand in, or leave.
    pub(super) fn enter(&self) {
        self.on_the_way.fetch_add(1, Ordering::Relaxed);
    }

    /// It has. Once no more are on their way than wait, all that wait are signed: whoever runs long keeps nobody.
    pub(super) fn leave(&self) {
        // Acquires what the others handed in before they left.
        let on_the_way = self.on_the_way.fetch_sub(1, Ordering::AcqRel) - 1;
        self.queue.flush(on_the_way);
    }
}

impl Drop for Gatherer {
    fn drop(&mut self) {
        self.queue.close();
        if let Some(timer) = self.timer.take() {
            // It catches what a signer throws, so there is nothing to be told here.
            let _ended = timer.join();
        }
    }
}
