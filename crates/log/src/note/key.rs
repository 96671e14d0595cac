//! Keys that verify notes.
//!
//! Enters: a name, a type and a public key, or their text. Leaves: a [`VerifierKey`].
//! Refuses: weak keys, ids that are not the key's, types of signature that are not read here.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256 as Hasher};
use tenzik_receipt::{PublicKey, RawSignature, from_hex, to_hex};

use super::{KeyName, SignatureLine};
use crate::lines::{base64, from_base64};

/// The longest text of a key that is looked at: a post-quantum key fits, so that it is refused for its type.
const VERIFIER_KEY_BYTES_MAX: usize = 4096;

/// The first four bytes of a hash over name, type and key. It tells keys apart; it proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// The id of a key: `SHA-256(name || 0x0A || type || public key)[:4]`.
    pub fn of(name: &KeyName, signature_type: SignatureType, key: PublicKey) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(name.as_str());
        hasher.update([b'\n', signature_type.byte()]);
        hasher.update(key.as_bytes());
        let hash: [u8; 32] = hasher.finalize().into();
        Self([hash[0], hash[1], hash[2], hash[3]])
    }

    /// Takes the bytes as they stand before a signature.
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The bytes as they stand before a signature.
    pub const fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&to_hex(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a key's signatures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SignatureType {
    /// Ed25519 over a checkpoint with a time (c2sp.org/tlog-cosignature): a witness's.
    Cosignature,
    /// Ed25519 over the note's text: a log's.
    Ed25519,
}

impl SignatureType {
    /// The byte that the specification assigns.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Cosignature => 0x04,
            Self::Ed25519 => 0x01,
        }
    }

    const fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0x01 => Some(Self::Ed25519),
            0x04 => Some(Self::Cosignature),
            _ => None,
        }
    }
}

impl fmt::Display for SignatureType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cosignature => "cosignature",
            Self::Ed25519 => "ed25519",
        })
    }
}

/// A public key with its name and with what its signatures are. Never weak.
///
/// Text: `<name>+<id, 8 hex digits>+base64(type || public key)`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct VerifierKey {
    name: KeyName,
    signature_type: SignatureType,
    key: PublicKey,
    id: KeyId,
}

/// Why there is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifierKeyError {
    /// The text is not of the form.
    #[error(
        "expected a key's name, its id in 8 hex digits and its bytes in Base 64, with plus signs between"
    )]
    Form,
    /// The id is not that of name and key.
    #[error("the key's id is {wanted}, not {got}")]
    Id {
        /// The id in the text.
        got: KeyId,
        /// The id that name and key have.
        wanted: KeyId,
    },
    /// A type of signature that is not read here.
    #[error("signature type {got:#04x}, only 0x01 and 0x04 are read")]
    Type {
        /// The byte.
        got: u8,
    },
    /// The bytes are no point of the curve, or one under which anyone can sign.
    #[error("not an Ed25519 key under which only its owner can sign")]
    Weak,
}

impl VerifierKey {
    /// A key of this name.
    ///
    /// # Errors
    /// [`VerifierKeyError::Weak`].
    pub fn new(
        name: KeyName,
        signature_type: SignatureType,
        key: PublicKey,
    ) -> Result<Self, VerifierKeyError> {
        if !key.is_usable() {
            return Err(VerifierKeyError::Weak);
        }
        let id = KeyId::of(&name, signature_type, key);
        Ok(Self {
            name,
            signature_type,
            key,
            id,
        })
    }

    /// Its name.
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// Its id.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// What its signatures are.
    pub const fn signature_type(&self) -> SignatureType {
        self.signature_type
    }

    /// The key itself.
    pub const fn public(&self) -> PublicKey {
        self.key
    }

    /// Whether the line is this key's signature over a text; false for a key of cosignatures, which sign more than that.
    pub fn verifies(&self, text: &str, line: &SignatureLine) -> bool {
        let Ok(signature) = line.signature().try_into().map(RawSignature::from_bytes) else {
            return false;
        };
        self.signature_type == SignatureType::Ed25519
            && line.id() == self.id
            && *line.name() == self.name
            && self.key.verifies(text.as_bytes(), &signature)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![self.signature_type.byte()];
        bytes.extend_from_slice(self.key.as_bytes());
        write!(f, "{}+{}+{}", self.name, self.id, base64(&bytes))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for VerifierKey {
    type Err = VerifierKeyError;

    fn from_str(text: &str) -> Result<Self, VerifierKeyError> {
        let (name, got, bytes) = pieces(text).ok_or(VerifierKeyError::Form)?;
        let (byte, key) = bytes.split_first().ok_or(VerifierKeyError::Form)?;
        let signature_type =
            SignatureType::from_byte(*byte).ok_or(VerifierKeyError::Type { got: *byte })?;
        let key: [u8; 32] = key.try_into().map_err(|_| VerifierKeyError::Form)?;
        let read = Self::new(name, signature_type, PublicKey::from_bytes(key))?;
        if read.id != got {
            let wanted = read.id;
            return Err(VerifierKeyError::Id { got, wanted });
        }
        Ok(read)
    }
}

/// Name, id and bytes. A name has no plus sign, Base 64 may.
fn pieces(text: &str) -> Option<(KeyName, KeyId, Vec<u8>)> {
    if text.len() > VERIFIER_KEY_BYTES_MAX {
        return None;
    }
    let (name, rest) = text.split_once('+')?;
    let (id, bytes) = rest.split_once('+')?;
    let id = from_hex(id)?.try_into().ok()?;
    Some((KeyName::new(name).ok()?, KeyId(id), from_base64(bytes)?))
}
