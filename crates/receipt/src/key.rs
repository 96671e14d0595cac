//! Secret keys: what they may be used for, how they are kept, what they sign by itself. For batches see `batch.rs`.
//!
//! Enters: 32 random bytes of the caller's, or a key file's bytes.
//! Leaves: signatures. Refuses: signing for another use than the key's, and key files that were cut or changed.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use ed25519_dalek::Signer as _;
use zeroize::Zeroizing;

use crate::canonical::{Decode, Encode, Int, ReadError, Reader, names, object};
use crate::digest::{PublicKey, RawSignature, push_hex, read_hex};
use crate::pae::{RECEIPT_PAYLOAD, REQUEST_PAYLOAD, STATEMENT_PAYLOAD, pae};
use crate::receipt::{
    BATCH_MAX, RECEIPT_BYTES_MAX, Receipt, RequestSignature, Signature, SignedReceipt,
};
use crate::request::RequestStatement;
use crate::time::Timestamp;

names! {
    /// The one thing that a key may sign.
    KeyUse, "checkpoint, exporter, receipt, requester or witness" {
        /// A log's checkpoints.
        Checkpoint = "checkpoint",
        /// Receipts as they leave for other systems.
        Exporter = "exporter",
        /// Receipts.
        Receipt = "receipt",
        /// Requests.
        Requester = "requester",
        /// Another log's checkpoints.
        Witness = "witness",
    }
}

/// Why nothing was signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// There is nothing to sign, or too much for one signature.
    #[error("a batch has 1 to {BATCH_MAX} receipts, not {size}")]
    BatchSize {
        /// How many there are.
        size: usize,
    },
    /// The receipt breaks a rule of its own form.
    #[error(transparent)]
    Form(#[from] ReadError),
    /// The receipt names another node.
    #[error("the receipt names {named}, the key is {key}")]
    Node {
        /// The key that would sign.
        key: PublicKey,
        /// The key that the receipt names.
        named: PublicKey,
    },
    /// The receipt would be too large to be read.
    #[error("the receipt would have {bytes} bytes, {RECEIPT_BYTES_MAX} are allowed")]
    Size {
        /// How many it would have.
        bytes: usize,
    },
    /// The key is for something else.
    #[error("the key is for use as {got}, this takes one for use as {wanted}")]
    Use {
        /// The key's use.
        got: KeyUse,
        /// The use that was needed.
        wanted: KeyUse,
    },
}

/// An Ed25519 secret key with its one use. Erased from memory when dropped.
pub struct SecretKey {
    inner: ed25519_dalek::SigningKey,
    key_use: KeyUse,
    created_at: Timestamp,
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey")
            .field("public", &self.public())
            .field("use", &self.key_use)
            .finish_non_exhaustive()
    }
}

impl SecretKey {
    /// Makes a key of 32 random bytes. They are the key: the caller erases its copy.
    pub fn from_seed(seed: &[u8; 32], key_use: KeyUse, created_at: Timestamp) -> Self {
        Self {
            inner: ed25519_dalek::SigningKey::from_bytes(seed),
            key_use,
            created_at,
        }
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.inner.verifying_key().to_bytes())
    }

    /// What the key may sign.
    pub const fn key_use(&self) -> KeyUse {
        self.key_use
    }

    /// When the key was made.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Signs one receipt.
    ///
    /// # Errors
    /// [`SignError`]: the key is no receipt key, or the receipt names another node, contradicts itself or is too large.
    pub fn sign_receipt(&self, receipt: Receipt) -> Result<SignedReceipt, SignError> {
        let payload = self.payload(&receipt)?;
        let signature = self.sign(RECEIPT_PAYLOAD, &payload);
        Ok(SignedReceipt::new(
            Box::new(receipt),
            payload,
            Signature::Single(signature),
        ))
    }

    /// Signs a request as its requester.
    ///
    /// # Errors
    /// [`SignError::Use`] if this is no requester key.
    pub fn sign_request(
        &self,
        statement: &RequestStatement,
    ) -> Result<RequestSignature, SignError> {
        self.require(KeyUse::Requester)?;
        Ok(RequestSignature {
            requester: self.public(),
            signature: self.sign(REQUEST_PAYLOAD, &statement.to_canonical()),
        })
    }

    /// Signs an in-toto Statement as an exporter.
    ///
    /// # Errors
    /// [`SignError::Use`] if this is no exporter key.
    pub fn sign_statement(&self, statement: &[u8]) -> Result<RawSignature, SignError> {
        self.require(KeyUse::Exporter)?;
        Ok(self.sign(STATEMENT_PAYLOAD, statement))
    }

    /// Signs the text of a checkpoint: a signed note's, its last newline included.
    ///
    /// # Errors
    /// [`SignError::Use`] if this is no checkpoint key.
    pub fn sign_checkpoint(&self, text: &str) -> Result<RawSignature, SignError> {
        self.require(KeyUse::Checkpoint)?;
        Ok(self.sign_plain(text.as_bytes()))
    }

    /// Signs a witness's statement about a checkpoint, as c2sp.org/tlog-cosignature has it for Ed25519.
    ///
    /// # Errors
    /// [`SignError::Use`] if this is no witness key.
    pub fn sign_cosignature(&self, message: &str) -> Result<RawSignature, SignError> {
        self.require(KeyUse::Witness)?;
        Ok(self.sign_plain(message.as_bytes()))
    }

    /// What is signed of a receipt, if this key may sign it.
    pub(crate) fn payload(&self, receipt: &Receipt) -> Result<Vec<u8>, SignError> {
        self.require_own(receipt.node)?;
        receipt.check()?;
        // Room for the receipt of a small capsule, and for its signature in a batch.
        let mut payload = Vec::with_capacity(2560);
        receipt.encode(&mut payload);
        // The longest signature is a batch's, with a path of 16.
        let bytes = payload.len() + 1600;
        if bytes > RECEIPT_BYTES_MAX {
            return Err(SignError::Size { bytes });
        }
        Ok(payload)
    }

    /// That this is the receipt key of the node that a receipt names.
    pub(crate) fn require_own(&self, named: PublicKey) -> Result<(), SignError> {
        self.require(KeyUse::Receipt)?;
        let key = self.public();
        if named == key {
            return Ok(());
        }
        Err(SignError::Node { key, named })
    }

    fn require(&self, wanted: KeyUse) -> Result<(), SignError> {
        if self.key_use == wanted {
            return Ok(());
        }
        Err(SignError::Use {
            got: self.key_use,
            wanted,
        })
    }

    pub(crate) fn sign(&self, payload_type: &str, payload: &[u8]) -> RawSignature {
        self.sign_plain(&pae(payload_type, payload))
    }

    fn sign_plain(&self, message: &[u8]) -> RawSignature {
        RawSignature::from_bytes(self.inner.sign(message).to_bytes())
    }

    /// The key file's bytes: one line of canonical JSON. They hold the secret.
    pub fn to_file(&self) -> Zeroizing<Vec<u8>> {
        let file = KeyFile {
            created_at: self.created_at,
            key_use: self.key_use,
            public: self.public(),
            secret: SecretHalf(Zeroizing::new(self.inner.to_bytes())),
            version: Int::from(1),
        };
        let mut out = Zeroizing::new(Vec::with_capacity(512));
        file.encode(&mut out);
        out
    }

    /// Reads a key file's bytes; a newline at the end is allowed.
    ///
    /// # Errors
    /// [`ReadError`]: cut, changed, or of a later version. The public half must be that of the secret half.
    pub fn from_file(bytes: &[u8]) -> Result<Self, ReadError> {
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let file = KeyFile::from_canonical(line)?;
        crate::claim::require(file.version == Int::from(1), "the key file's version is 1")?;
        let key = Self::from_seed(&file.secret.0, file.key_use, file.created_at);
        crate::claim::require(
            key.public() == file.public,
            "the key file's public half belongs to its secret half",
        )?;
        Ok(key)
    }
}

object! {
    /// A key at rest.
    KeyFile {
        "created_at" => created_at: Timestamp,
        "public" => public: PublicKey,
        "secret" => secret: SecretHalf,
        "use" => key_use: KeyUse,
        "version" => version: Int,
    }
}

/// The secret half as 64 hex digits. Erased when dropped, unlike the digests, which it looks like.
struct SecretHalf(Zeroizing<[u8; 32]>);

impl Encode for SecretHalf {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'"');
        push_hex(self.0.as_slice(), out);
        out.push(b'"');
    }
}

impl Decode for SecretHalf {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        let refused = reader.unexpected("64 lower-case hex digits");
        let digits = reader.text()?;
        let secret = read_hex(digits.as_bytes()).map(Zeroizing::new);
        secret.map(Self).ok_or(refused)
    }
}
