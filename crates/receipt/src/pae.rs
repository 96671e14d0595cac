//! What is signed: DSSE's pre-authentication encoding (DSSE protocol v1.0.2, "Signature Definition").
//!
//! Enters: a payload type and the payload. Leaves: `DSSEv1 <len> <type> <len> <payload>`. Nothing is refused.

use alloc::string::ToString;
use alloc::vec::Vec;

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
    let mut out = Vec::with_capacity(payload_type.len() + payload.len() + 32);
    out.extend_from_slice(b"DSSEv1 ");
    out.extend_from_slice(payload_type.len().to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(payload_type.as_bytes());
    out.push(b' ');
    out.extend_from_slice(payload.len().to_string().as_bytes());
    out.push(b' ');
    out.extend_from_slice(payload);
    out
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
