//! The requester's own word: what it asked, of whom, and for whom.
//!
//! Enters: a request's id, audience and node. Leaves: the bytes that the requester signs. Refuses nothing;
//! [`verify`](crate::verify()) holds the signature against the receipt.
//!
//! Without it, a node chose seed and clock itself and could have tried many.

use crate::canonical::object;
use crate::digest::PublicKey;
use crate::id::RequestId;
use crate::receipt::{Audience, Receipt};

object! {
    /// What a requester signs, as canonical JSON under DSSE's encoding.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub RequestStatement {
        /// Challenge, expiry and name of the verifier.
        "audience" => audience: Option<Audience>,
        /// The node that is asked.
        "node" => node: PublicKey,
        /// What is asked.
        "request_id" => request_id: RequestId,
    }
}

impl RequestStatement {
    /// The statement that would have led to this receipt.
    pub fn of(receipt: &Receipt) -> Self {
        Self {
            audience: receipt.audience.clone(),
            node: receipt.node,
            request_id: receipt.claim.request_id(),
        }
    }
}
