//! Why a trust file is not used or not changed.
//!
//! Enters: the receipt crate's refusal, or what was found on the disk. Leaves: message and remedy. Refuses nothing.

use std::borrow::Cow;
use std::io;

use tenzik_receipt::{KeyUse, PublicKey, TrustError};

use crate::error::{Exit, Explain};

/// Why a trust file is not used or not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustStoreError {
    /// An argument begins like a key and is none.
    #[error("the key is not of the form: `ed25519:` and 64 lower-case hex digits")]
    KeyForm,
    /// The key is one for which anyone could sign.
    #[error(
        "{key} is no key that can be trusted: it is no point of Ed25519, or one for which anyone can sign"
    )]
    KeyWeak {
        /// The key.
        key: PublicKey,
    },
    /// There is none.
    #[error("there is no trust file {path}, so no key is trusted")]
    Missing {
        /// Where it would be.
        path: String,
    },
    /// It, or what is remembered of it, was not written.
    #[error("{path} cannot be written: {error}")]
    NotWritten {
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The key is there for something else.
    #[error("{key} is trusted for the use {key_use}, and a key has one use")]
    OtherUse {
        /// The key.
        key: PublicKey,
        /// What it is trusted for.
        key_use: KeyUse,
    },
    /// It is of another form, expired or rolled back.
    #[error("{place}: {error}")]
    Refused {
        /// The file or argument.
        place: String,
        /// What is wrong.
        error: TrustError,
    },
    /// The key was revoked.
    #[error("{key} was revoked")]
    Revoked {
        /// The key.
        key: PublicKey,
    },
    /// The key is not in the file.
    #[error("{key} is not in {path}")]
    Unlisted {
        /// The key.
        key: PublicKey,
        /// The file.
        path: String,
    },
    /// What was remembered of earlier versions cannot be read.
    #[error("{path}, where the versions of trust files are remembered, cannot be read")]
    Versions {
        /// The file.
        path: String,
    },
}

impl TrustStoreError {
    /// What the receipt crate refuses.
    pub(super) fn refused(place: &str, error: TrustError) -> Self {
        Self::Refused {
            place: place.to_owned(),
            error,
        }
    }
}

impl Explain for TrustStoreError {
    fn exit(&self) -> Exit {
        match self {
            Self::Missing { .. }
            | Self::Refused {
                error: TrustError::Expired { .. } | TrustError::RolledBack { .. },
                ..
            }
            | Self::Versions { .. } => Exit::CannotTell,
            Self::KeyForm | Self::KeyWeak { .. } => Exit::Usage,
            Self::OtherUse { .. } | Self::Revoked { .. } => Exit::Denied,
            Self::Unlisted { .. } => Exit::NotFound,
            _ => Exit::Other,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::KeyForm => "usage",
            Self::KeyWeak { .. } => "key_weak",
            Self::Missing { .. } => "trust_missing",
            Self::NotWritten { .. } => "trust_not_written",
            Self::OtherUse { .. } => "key_use",
            Self::Refused { error, .. } => match error {
                TrustError::Expired { .. } => "trust_expired",
                TrustError::RolledBack { .. } => "trust_rolled_back",
                _ => "trust_form",
            },
            Self::Revoked { .. } => "key_revoked",
            Self::Unlisted { .. } => "key_not_listed",
            Self::Versions { .. } => "trust_versions",
        }
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Missing { .. } => {
                "name the signer with --trust FILE or --trust ed25519:…, or begin with `tenzik init`"
            }
            Self::KeyForm | Self::KeyWeak { .. } => {
                "take the key from its owner whole; `tenzik key show` prints it"
            }
            Self::NotWritten { .. } => "make room, or name a place where you may write",
            Self::OtherUse { .. } => "make another key for the other use",
            Self::Refused { error, .. } => match error {
                TrustError::Expired { .. } => {
                    "get the current file from its publisher; `tenzik key trust KEY` renews your own"
                }
                TrustError::RolledBack { .. } => {
                    "get the current file; an older one may still trust a key that was revoked since"
                }
                _ => "get the file again from its publisher, or mend what the message names",
            },
            Self::Revoked { .. } => "a revoked key stays revoked: have its owner make another",
            Self::Unlisted { .. } => "look for the key in the trust file, or name another with --trust",
            Self::Versions { .. } => {
                "mend the file; removing it forgets which versions were seen"
            }
        }
        .into()
    }
}
