//! Identities: BLAKE3 in derive-key mode over canonical bytes, one published context for each.
//!
//! Enters: a value with a canonical form. Leaves: its id. Nothing is refused.

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use crate::canonical::{Decode, Encode, ReadError, Reader};
use crate::digest::{Blake3, NotADigest, hex_bytes, push_hex, read_hex, write_hex};

/// The context of [`ClaimId`].
pub const CLAIM_CONTEXT: &str = "tenzik 2026-11-20 receipt v1 claim id";
/// The context of [`ReceiptId`].
pub const RECEIPT_CONTEXT: &str = "tenzik 2026-11-20 receipt v1 receipt id";
/// The context of [`RequestId`].
pub const REQUEST_CONTEXT: &str = "tenzik 2026-11-20 receipt v1 request id";

hex_bytes! {
    /// Names a claim. Text: `claim:<64 hex>`.
    ClaimId, 32, "claim:", "claim: and 64 lower-case hex digits"
}
hex_bytes! {
    /// Names a receipt, whatever signs it. Text: `receipt:<64 hex>`.
    ReceiptId, 32, "receipt:", "receipt: and 64 lower-case hex digits"
}
hex_bytes! {
    /// Names what was asked. Text: `request:<64 hex>`.
    RequestId, 32, "request:", "request: and 64 lower-case hex digits"
}

impl ClaimId {
    pub(crate) fn of(claim: &impl Encode) -> Self {
        Self::from_bytes(Blake3::derived(CLAIM_CONTEXT, &claim.to_canonical()))
    }
}

impl ReceiptId {
    /// Over the canonical receipt without its signature.
    pub(crate) fn of(body: &[u8]) -> Self {
        Self::from_bytes(Blake3::derived(RECEIPT_CONTEXT, body))
    }
}

impl RequestId {
    pub(crate) fn of(request: &impl Encode) -> Self {
        Self::from_bytes(Blake3::derived(REQUEST_CONTEXT, &request.to_canonical()))
    }
}
