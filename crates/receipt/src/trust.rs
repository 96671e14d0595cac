//! Which keys a verifier trusts, for what, and when.
//!
//! Enters: a trust file's bytes (JSON, written by people), the time, the highest version seen before.
//! Leaves: [`Trust`], which [`verify`](crate::verify()) takes. A receipt's own key never vouches for itself.
//! Refuses: members that are unknown or missing, a key that is weak or listed twice, an expired file, an older version
//! than was seen.
//!
//! ```json
//! {
//!   "type": "tenzik/trust/v1",
//!   "name": "default",
//!   "version": 1,
//!   "expires_at": "2027-11-20T00:00:00Z",
//!   "keys": [
//!     {
//!       "key": "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
//!       "use": "receipt",
//!       "label": "laptop",
//!       "valid_from": "2026-11-20T00:00:00Z",
//!       "valid_until": null,
//!       "revoked_at": null
//!     }
//!   ]
//! }
//! ```

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};

use crate::digest::PublicKey;
use crate::key::KeyUse;
use crate::time::Timestamp;

/// The largest trust file that is read: 1 MiB.
pub const TRUST_BYTES_MAX: usize = 1024 * 1024;

/// The form of trust file that this version reads and writes.
pub const TRUST_TYPE: &str = "tenzik/trust/v1";

/// Why a trust file is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// Its time is over.
    #[error("the trust file expired at {expires_at}")]
    Expired {
        /// When it did.
        expires_at: Timestamp,
    },
    /// It is not of the form.
    #[error("not a trust file: {reason}, line {line}, column {column}")]
    Form {
        /// What is wrong, by kind: foreign text is not repeated.
        reason: &'static str,
        /// Counted from 1; 0 where the whole file is meant.
        line: usize,
        /// Counted from 1; 0 where the whole file is meant.
        column: usize,
    },
    /// The bytes of a key are no point of the curve, or one of small order, for which anyone could sign.
    #[error("{key} is not an Ed25519 key")]
    Key {
        /// The key.
        key: PublicKey,
    },
    /// A key stands there more than once. Each has one use and one validity.
    #[error("{key} is listed more than once")]
    ListedTwice {
        /// The key.
        key: PublicKey,
    },
    /// A newer version was seen before.
    #[error("the trust file has version {got}, version {seen} was seen before")]
    RolledBack {
        /// Its version.
        got: u64,
        /// The highest that was seen.
        seen: u64,
    },
    /// There are too many bytes.
    #[error("the trust file has {bytes} bytes, {TRUST_BYTES_MAX} are allowed")]
    Size {
        /// How many there are.
        bytes: usize,
    },
}

/// Serialises a type by its `Display` and `FromStr`, so that a file shows what a receipt shows.
macro_rules! serde_as_text {
    ($($name:ty),*) => {$(
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                <$name>::from_str(&text).map_err(serde::de::Error::custom)
            }
        }
    )*};
}
serde_as_text!(PublicKey, Timestamp, KeyUse);

impl FromStr for KeyUse {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::from_name(name).ok_or("expected checkpoint, exporter, receipt, requester or witness")
    }
}

/// One key of a trust file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// The key.
    pub key: PublicKey,
    /// The one thing it is trusted for.
    #[serde(rename = "use")]
    pub key_use: KeyUse,
    /// What people call it.
    pub label: String,
    /// What it signed before does not count.
    pub valid_from: Timestamp,
    /// What it signed from then on does not count; `null` is no end.
    #[serde(deserialize_with = "Option::deserialize")]
    pub valid_until: Option<Timestamp>,
    /// When it was found out that someone else may hold it. Nothing it signed counts any more: the date on a receipt is
    /// the thief's choice.
    // Without this, a line that is left out would read as `null`: a key would be trusted again by deleting its revocation.
    #[serde(deserialize_with = "Option::deserialize")]
    pub revoked_at: Option<Timestamp>,
}

/// A trust file as it was written. It trusts nothing before [`accept`](Self::accept).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustFile {
    /// `tenzik/trust/v1`
    #[serde(rename = "type")]
    pub file_type: String,
    /// Which trust file it is. Versions are compared among files of one name.
    pub name: String,
    /// One more at each change.
    pub version: u64,
    /// From then on it is refused, so that a withheld update is noticed.
    pub expires_at: Timestamp,
    /// The keys.
    pub keys: Vec<TrustedKey>,
}

impl TrustFile {
    /// Reads a trust file.
    ///
    /// # Errors
    /// [`TrustError::Size`] and [`TrustError::Form`]; what the keys are worth is for [`accept`](Self::accept).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TrustError> {
        if bytes.len() > TRUST_BYTES_MAX {
            return Err(TrustError::Size { bytes: bytes.len() });
        }
        let file: Self = serde_json::from_slice(bytes).map_err(|error| TrustError::Form {
            reason: match error.classify() {
                serde_json::error::Category::Data => {
                    "a member is missing, unknown or of another form"
                }
                serde_json::error::Category::Eof => "it ends too early",
                _ => "it is not JSON",
            },
            line: error.line(),
            column: error.column(),
        })?;
        if file.file_type != TRUST_TYPE {
            return Err(TrustError::Form {
                reason: "its type is not tenzik/trust/v1",
                line: 0,
                column: 0,
            });
        }
        Ok(file)
    }

    /// The file's bytes, for people to read.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Every member serialises to text, number or null, which cannot fail.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Takes the file into use at a time, given the highest version of that name seen before (0 for none).
    ///
    /// # Errors
    /// [`TrustError`]: expired, rolled back, a key listed twice, or bytes that are no key or a weak one.
    pub fn accept(&self, at: Timestamp, seen: u64) -> Result<Trust, TrustError> {
        if at >= self.expires_at {
            return Err(TrustError::Expired {
                expires_at: self.expires_at,
            });
        }
        if self.version < seen {
            return Err(TrustError::RolledBack {
                got: self.version,
                seen,
            });
        }
        let mut keys = BTreeMap::new();
        for entry in &self.keys {
            let entry = Entry::new(entry.clone())?;
            let key = entry.trusted.key;
            if keys.insert(key, entry).is_some() {
                return Err(TrustError::ListedTwice { key });
            }
        }
        Ok(Trust { keys })
    }
}

/// The keys that a verification may rely on.
#[derive(Clone)]
pub struct Trust {
    keys: BTreeMap<PublicKey, Entry>,
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys.keys()).finish()
    }
}

#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) trusted: TrustedKey,
    /// Unpacked once: that costs a third of a signature check.
    pub(crate) verifying: VerifyingKey,
}

impl Entry {
    fn new(trusted: TrustedKey) -> Result<Self, TrustError> {
        let key = trusted.key;
        let verifying = VerifyingKey::from_bytes(key.as_bytes()).ok();
        // Anyone can sign for a key of small order; verification refuses it, so nobody should list it.
        let verifying = verifying.filter(|key| !key.is_weak());
        let verifying = verifying.ok_or(TrustError::Key { key })?;
        Ok(Self { trusted, verifying })
    }
}

impl Trust {
    /// Trusts one key for receipts, whenever it signed.
    ///
    /// # Errors
    /// [`TrustError::Key`] if the bytes are no Ed25519 key, or a weak one.
    pub fn in_receipts_of(key: PublicKey) -> Result<Self, TrustError> {
        let trusted = TrustedKey {
            key,
            key_use: KeyUse::Receipt,
            label: String::from("given by the caller"),
            valid_from: Timestamp::EPOCH,
            valid_until: None,
            revoked_at: None,
        };
        let keys = BTreeMap::from([(key, Entry::new(trusted)?)]);
        Ok(Self { keys })
    }

    pub(crate) fn find(&self, key: PublicKey) -> Option<&Entry> {
        self.keys.get(&key)
    }
}
