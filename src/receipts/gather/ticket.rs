//! Tickets: a caller's claim to one receipt of a batch.
//!
//! Enters: what came of the batch, once. Leaves: to each ticket its receipt, once. Refuses nobody: a batch that was not
//! signed is the same error to all.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tenzik_receipt::SignedReceipt;

use super::GatherError;

/// What came of a batch; nothing, as long as it waits. The receipts are in the order of the tickets.
#[derive(Debug, Default)]
pub(super) struct Batch(OnceLock<Result<Vec<Mutex<Option<SignedReceipt>>>, GatherError>>);

impl Batch {
    /// Says what came of it, and wakes who waits. To be called once: later words are ignored.
    pub(super) fn settle(&self, receipts: Result<Vec<Option<SignedReceipt>>, GatherError>) {
        let places = |receipts: Vec<_>| receipts.into_iter().map(Mutex::new).collect();
        let _said_before = self.0.set(receipts.map(places));
    }
}

/// A caller's place in a batch. Dropped, its receipt is signed all the same, and nobody has it.
#[derive(Debug)]
#[must_use = "the receipt is the ticket's"]
pub struct Ticket {
    batch: Arc<Batch>,
    place: usize,
}

impl Ticket {
    pub(super) const fn new(batch: Arc<Batch>, place: usize) -> Self {
        Self { batch, place }
    }

    /// Whether [`wait`](Self::wait) has nothing to wait for.
    pub fn is_ready(&self) -> bool {
        self.batch.0.get().is_some()
    }

    /// Waits until the batch is signed, and gives the receipt.
    ///
    /// # Errors
    /// [`GatherError`] if the batch could not be signed.
    pub fn wait(self) -> Result<SignedReceipt, GatherError> {
        let places = self.batch.0.wait().as_ref().map_err(Clone::clone)?;
        let mut place = places[self.place]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(place
            .take()
            .expect("a place has one ticket, which is used up here"))
    }
}
