//! Digests, keys and signatures as they stand in a receipt: a prefix and lower-case hex.
//!
//! Enters: raw bytes, or text such as `blake3:<64 hex>`.
//! Leaves: one type for each kind, so that none can stand where another belongs.
//! Refuses: upper-case digits, other lengths, other prefixes.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use sha2::Digest as _;

use crate::canonical::{Decode, Encode, ReadError, Reader};

/// A text that is not the prefix and digits of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub struct NotADigest {
    /// The form that is read.
    pub expected: &'static str,
}

/// Defines a byte array whose text is a prefix and lower-case hex.
macro_rules! hex_bytes {
    ($(#[$meta:meta])* $name:ident, $len:literal, $prefix:literal, $expected:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl $name {
            /// What stands before the digits.
            pub const PREFIX: &'static str = $prefix;

            /// Takes raw bytes.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                write_hex(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotADigest;

            fn from_str(text: &str) -> Result<Self, NotADigest> {
                text.strip_prefix($prefix)
                    .and_then(|digits| read_hex(digits.as_bytes()))
                    .map(Self)
                    .ok_or(NotADigest { expected: $expected })
            }
        }

        impl Encode for $name {
            fn encode(&self, out: &mut Vec<u8>) {
                out.push(b'"');
                out.extend_from_slice($prefix.as_bytes());
                push_hex(&self.0, out);
                out.push(b'"');
            }
        }

        impl Decode for $name {
            fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
                let refused = reader.unexpected($expected);
                if !(reader.eat("\"") && reader.eat($prefix)) {
                    return Err(refused);
                }
                let bytes = read_hex(reader.take(2 * $len)).ok_or_else(|| refused.clone())?;
                if !reader.eat("\"") {
                    return Err(refused);
                }
                Ok(Self(bytes))
            }
        }
    };
}
pub(crate) use hex_bytes;

hex_bytes! {
    /// BLAKE3 over exact bytes; `b3sum` of the same bytes prints the digits. Text: `blake3:<64 hex>`.
    Blake3, 32, "blake3:", "blake3: and 64 lower-case hex digits"
}
hex_bytes! {
    /// A keyed BLAKE3 commitment of a private run. Text: `blake3-keyed:<64 hex>`.
    Keyed, 32, "blake3-keyed:", "blake3-keyed: and 64 lower-case hex digits"
}
hex_bytes! {
    /// SHA-256: a transcript's Merkle root or an image's digest. Text: `sha256:<64 hex>`.
    Sha256, 32, "sha256:", "sha256: and 64 lower-case hex digits"
}
hex_bytes! {
    /// An Ed25519 public key. It names a key; it does not vouch for it. Text: `ed25519:<64 hex>`.
    PublicKey, 32, "ed25519:", "ed25519: and 64 lower-case hex digits"
}
hex_bytes! {
    /// An Ed25519 signature (RFC 8032). Text: `ed25519:<128 hex>`.
    RawSignature, 64, "ed25519:", "ed25519: and 128 lower-case hex digits"
}
hex_bytes! {
    /// The seed of a run's random bytes: a ChaCha20 key. Text: 64 hex digits.
    Seed, 32, "", "64 lower-case hex digits"
}
hex_bytes! {
    /// 128 random bits, new at each start of a node. Text: 32 hex digits.
    Epoch, 16, "", "32 lower-case hex digits"
}

impl Blake3 {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The derive-key digest of these bytes under a published context.
    pub(crate) fn derived(context: &str, bytes: &[u8]) -> [u8; 32] {
        blake3::derive_key(context, bytes)
    }
}

impl Sha256 {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(sha2::Sha256::digest(bytes).into())
    }
}

impl PublicKey {
    /// Whether this key made the signature over exactly these bytes: RFC 8032, strictly. Nothing verifies under a weak
    /// key or one that is no point of the curve.
    pub fn verifies(&self, message: &[u8], signature: &RawSignature) -> bool {
        let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
        ed25519_dalek::VerifyingKey::from_bytes(&self.0)
            .is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }

    /// Whether something can be signed with it that verifies: a point of the curve, and not of small order.
    pub fn is_usable(&self) -> bool {
        ed25519_dalek::VerifyingKey::from_bytes(&self.0).is_ok_and(|key| !key.is_weak())
    }
}

/// The bytes as lower-case hex digits.
pub fn to_hex(bytes: &[u8]) -> String {
    let mut digits = Vec::with_capacity(2 * bytes.len());
    push_hex(bytes, &mut digits);
    // Digits are ASCII, so this conversion has nothing to refuse.
    String::from_utf8(digits).unwrap_or_default()
}

/// The bytes that lower-case hex digits stand for; `None` for anything else.
pub fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|pair| read_pair(*pair)).collect()
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Appends the digits. Room is made once, and each digit is computed: a table would be looked up byte for byte.
pub(crate) fn push_hex(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + 2 * bytes.len(), 0);
    let (pairs, _) = out[start..].as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
}

/// The hex digit of a number below 16.
const fn digit(nibble: u8) -> u8 {
    nibble + if nibble < 10 { b'0' } else { b'a' - 10 }
}

pub(crate) fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(&to_hex(bytes))
}

pub(crate) fn read_hex<const LEN: usize>(digits: &[u8]) -> Option<[u8; LEN]> {
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != LEN || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; LEN];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = read_pair(*pair)?;
    }
    Some(bytes)
}

const fn read_pair(pair: [u8; 2]) -> Option<u8> {
    let high = NIBBLES[pair[0] as usize];
    let low = NIBBLES[pair[1] as usize];
    if high > 15 || low > 15 {
        return None;
    }
    Some(high << 4 | low)
}

/// What each byte stands for as a hex digit; 255 for those that are none, upper case included.
const NIBBLES: [u8; 256] = {
    let mut table = [255; 256];
    let mut nibble = 0;
    while nibble < 16 {
        table[DIGITS[nibble as usize] as usize] = nibble;
        nibble += 1;
    }
    table
};
