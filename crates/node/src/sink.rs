//! What a run takes from the other parts of a node, and what it gives them.
//!
//! Enters: receipts on their way to their callers, digests of capsules. Leaves: a place in a log, capsules' bytes.
//! Refuses: what the part behind each trait refuses; then the caller gets no receipt.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tenzik_receipt::{Blake3, LogPromise, SignedReceipt, Timestamp};

use crate::auth::Caller;

/// A future that can be sent to another thread, behind a pointer.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why a receipt was not taken: the node's fault, never the caller's. The words are for the operator; the caller is told only that
/// there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SinkError {
    /// It is not taken, or whether it is can be known after a restart at the earliest. To ask again is of no use.
    #[error("{why}")]
    Ever {
        /// Why.
        why: String,
    },
    /// Nothing was taken now. The same may be taken later.
    #[error("{why}")]
    Now {
        /// Why.
        why: String,
    },
}

/// Where a receipt stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Its index in the log, counted from 0.
    pub index: u64,
}

/// Where receipts go before their callers get them.
///
/// It sees the receipts of callers with the role `run` only, and of those only the keyed ones and those whose request opted in,
/// unless the node's log is private: then all of them.
///
/// *Order*: [`promise`](Self::promise) before the run, [`accept`](Self::accept) after it is signed. *Cancellation*: a caller that
/// goes away drops the future of `accept` at any await; the receipt is then taken or not, and nobody has it.
/// *Retry*: `accept` of the same receipt after [`SinkError::Now`], for a program, which does not run again. For a capsule none.
pub trait ReceiptSink: Send + Sync {
    /// What the receipt will promise. It is signed with the receipt, and binds the node once the caller has it.
    ///
    /// # Errors
    /// [`SinkError`] while nothing can be taken; then nothing is run. Must not block.
    fn promise(&self, now: Timestamp) -> Result<LogPromise, SinkError>;

    /// Takes a receipt. It is durable when this returns, and only then the caller is answered.
    ///
    /// # Errors
    /// [`SinkError`]; the caller gets no answer, and does not know the receipt.
    fn accept<'a>(&'a self, receipt: &'a SignedReceipt)
    -> BoxFuture<'a, Result<Placed, SinkError>>;
}

/// Capsules that the node holds.
pub trait CapsuleSource: Send + Sync {
    /// The bytes with this digest, if the caller may use them. `None` for those that are not here and those that are not for this
    /// caller: nobody can tell the two apart.
    fn capsule<'a>(
        &'a self,
        digest: Blake3,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Option<Arc<[u8]>>, SinkError>>;
}
