//! What is signed: DSSE's pre-authentication encoding (DSSE protocol v1.0.2, "Signature Definition").
//!
//! Enters: a payload type and the payload. Leaves: `DSSEv1 <len> <type> <len> <payload>`. Nothing is refused.

use alloc::vec::Vec;

use crate::canonical::push_decimal;

/// The type of a receipt's payload.
pub const RECEIPT_PAYLOAD: &str = "application/vnd.tenzik.receipt.v1+json";
/// The type of a batch root's payload.
pub const BATCH_PAYLOAD: &str = "application/vnd.tenzik.batch.v1+json";
/// The type of a request's payload.
pub const REQUEST_PAYLOAD: &str = "application/vnd.tenzik.request.v1+json";
/// The type of an in-toto Statement's payload.
pub const STATEMENT_PAYLOAD: &str = "application/vnd.in-toto+json";

/// The bytes that a signature over this payload signs.
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload_type.len() + payload.len() + PAE_HEAD_BYTES);
    push_head(payload_type, payload.len(), &mut out);
    out.extend_from_slice(payload);
    out
}

/// What stands before a payload of so many bytes, for who hashes it where it lies.
pub(crate) fn pae_head(payload_type: &str, payload_bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload_type.len() + PAE_HEAD_BYTES);
    push_head(payload_type, payload_bytes, &mut out);
    out
}

/// Room for what stands before a payload, but for its type.
const PAE_HEAD_BYTES: usize = 32;

fn push_head(payload_type: &str, payload_bytes: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b"DSSEv1 ");
    push_decimal(payload_type.len() as u64, out);
    out.push(b' ');
    out.extend_from_slice(payload_type.as_bytes());
    out.push(b' ');
    push_decimal(payload_bytes as u64, out);
    out.push(b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocols_own_example() {
        assert_eq!(
            pae("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
