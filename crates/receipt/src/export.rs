//! Receipts for other systems' eyes: DSSE envelopes and in-toto Statements.
//!
//! Enters: a signed receipt, and for a Statement an exporter's key.
//! Leaves: JSON. Refuses: to wrap a batch receipt in DSSE, whose signature is over a tree; such a receipt is
//! embedded in a Statement instead, or signed again.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::digest::{PublicKey, RawSignature, to_hex};
use crate::key::{SecretKey, SignError};
use crate::pae::{RECEIPT_PAYLOAD, STATEMENT_PAYLOAD};
use crate::receipt::{Signature, SignedReceipt};

/// The predicate type of an exported receipt.
pub const PREDICATE_TYPE: &str = "https://tenzik.dev/receipt/v1";

/// Why a receipt was not exported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// A batch's signature is not a signature over the receipt.
    #[error("a batch receipt has no signature of its own; export it as an in-toto Statement")]
    Batch,
    /// The exporter's key did not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// The receipt as a DSSE envelope. Its payload is the receipt without `signature`, its signature the receipt's own.
///
/// # Errors
/// [`ExportError::Batch`].
pub fn to_dsse(receipt: &SignedReceipt) -> Result<Vec<u8>, ExportError> {
    let Signature::Single(signature) = receipt.signature() else {
        return Err(ExportError::Batch);
    };
    let node = receipt.receipt().node;
    Ok(envelope(
        RECEIPT_PAYLOAD,
        receipt.payload(),
        node,
        signature,
    ))
}

/// The receipt inside an in-toto Statement (version 1) inside a DSSE envelope, signed by an exporter.
///
/// The subject is the capsule's digest; the predicate is the whole receipt, signature included.
///
/// # Errors
/// [`ExportError::Sign`] if the key is no exporter key.
pub fn to_in_toto(receipt: &SignedReceipt, exporter: &SecretKey) -> Result<Vec<u8>, ExportError> {
    let statement = statement(receipt);
    let signature = exporter.sign_statement(statement.as_bytes())?;
    Ok(envelope(
        STATEMENT_PAYLOAD,
        statement.as_bytes(),
        exporter.public(),
        &signature,
    ))
}

/// A receipt's bytes are JSON that needs no escaping, so it is embedded as it stands.
fn statement(receipt: &SignedReceipt) -> String {
    let bytes = receipt.to_bytes();
    let predicate = String::from_utf8_lossy(&bytes);
    let digest = to_hex(receipt.claim().code().as_bytes());
    format!(
        concat!(
            r#"{{"_type":"https://in-toto.io/Statement/v1","predicate":{predicate},"#,
            r#""predicateType":"{predicate_type}","#,
            r#""subject":[{{"digest":{{"blake3":"{digest}"}},"name":"capsule"}}]}}"#
        ),
        predicate = predicate,
        predicate_type = PREDICATE_TYPE,
        digest = digest,
    )
}

fn envelope(
    payload_type: &str,
    payload: &[u8],
    key: PublicKey,
    signature: &RawSignature,
) -> Vec<u8> {
    format!(
        r#"{{"payload":"{}","payloadType":"{}","signatures":[{{"keyid":"{}","sig":"{}"}}]}}"#,
        STANDARD.encode(payload),
        payload_type,
        key,
        STANDARD.encode(signature.as_bytes()),
    )
    .to_string()
    .into_bytes()
}
