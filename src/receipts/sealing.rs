//! How a pipeline signs: each receipt by itself, or with others.
//!
//! Enters: a [`Sealer`] or a [`Gatherer`]; then each caller, and in the end what its receipt is about.
//! Leaves: the receipt. Refuses: what the signer refuses.

use std::sync::Arc;

use tenzik_receipt::SignedReceipt;

use super::{Circumstances, GatherError, Gatherer, Sealer, Subject};

/// How a pipeline signs: each receipt by itself, made of a [`Sealer`], or those of callers that run at the same time
/// together, made of a [`Gatherer`].
#[derive(Debug)]
pub struct Sealing {
    sealer: Arc<Sealer>,
    gatherer: Option<Gatherer>,
}

impl From<Sealer> for Sealing {
    fn from(sealer: Sealer) -> Self {
        Self {
            sealer: Arc::new(sealer),
            gatherer: None,
        }
    }
}

impl From<Gatherer> for Sealing {
    fn from(gatherer: Gatherer) -> Self {
        Self {
            sealer: gatherer.sealer(),
            gatherer: Some(gatherer),
        }
    }
}

impl Sealing {
    /// Who writes and numbers the receipts, however they are signed.
    pub(crate) fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Announces a caller that will want a receipt, so that others may wait for it.
    pub(crate) fn enter(&self) -> Turn<'_> {
        if let Some(gatherer) = &self.gatherer {
            gatherer.enter();
        }
        Turn(self)
    }
}

/// A caller on its way to a receipt. Dropped, it is no longer waited for.
pub(crate) struct Turn<'a>(&'a Sealing);

impl Turn<'_> {
    /// Signs what the receipt is about, and waits until that is done.
    pub(crate) fn seal(
        self,
        subject: Subject<'_>,
        circumstances: Circumstances,
    ) -> Result<SignedReceipt, GatherError> {
        let Some(gatherer) = &self.0.gatherer else {
            return Ok(self.0.sealer.sign(subject, circumstances)?);
        };
        let ticket = gatherer.hand_in(subject, circumstances)?;
        // Before the wait: it may be that nobody else is to be waited for.
        drop(self);
        ticket.wait()
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(gatherer) = &self.0.gatherer {
            gatherer.leave();
        }
    }
}
