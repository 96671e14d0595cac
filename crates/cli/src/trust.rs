//! Trust files on the disk: read, remembered, changed.
//!
//! Enters: a trust file's path or one key, the time. Leaves: [`Trust`] to verify with; changed files, one version up.
//! Refuses: what the receipt crate refuses of a trust file, and versions lower than were seen here before.

mod error;
mod versions;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tenzik_receipt::{
    KeyUse, PublicKey, TRUST_TYPE, Timestamp, Trust, TrustFile, TrustedKey, to_hex,
};

use crate::error::Failure;
use crate::home::Home;
use crate::settings::Settings;
use crate::source::{Source, TRUST};
use crate::{files, system, text};

pub(crate) use error::TrustStoreError;

/// What a key begins with.
const KEY_PREFIX: &str = "ed25519:";

/// A changed trust file is good for a year.
const VALID_SECONDS: u64 = 365 * 24 * 60 * 60;

/// Whom a verifier trusts, as the command line says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TrustArg {
    /// All keys of a trust file.
    File(PathBuf),
    /// One key, for receipts.
    Key(PublicKey),
}

impl TryFrom<OsString> for TrustArg {
    type Error = TrustStoreError;

    /// What begins like a key is one, or is refused: it is never looked for as a file.
    fn try_from(argument: OsString) -> Result<Self, TrustStoreError> {
        match argument
            .to_str()
            .filter(|text| text.starts_with(KEY_PREFIX))
        {
            None => Ok(Self::File(argument.into())),
            Some(text) => {
                let key = text.parse().map_err(|_| TrustStoreError::KeyForm)?;
                usable(key).map(|_| Self::Key(key))
            }
        }
    }
}

impl TrustArg {
    /// What was named, or else what is configured, or else the user's own trust file.
    pub(crate) fn or_configured(argument: Option<Self>, settings: &Settings, home: &Home) -> Self {
        argument.unwrap_or_else(|| Self::File(configured(settings, home)))
    }

    /// How it is named to the reader.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::File(path) => text::path(path),
            Self::Key(key) => key.to_string(),
        }
    }

    /// The keys, taken into use at a time. A version that was not seen before is remembered.
    pub(crate) fn load(&self, at: Timestamp, home: &Home) -> Result<Trust, Failure> {
        let path = match self {
            Self::Key(key) => {
                return Ok(usable(*key)?);
            }
            Self::File(path) => path,
        };
        let file = read(path)?;
        let _lock = lock(home)?;
        let trust = accept(path, &file, at, home)?;
        versions::remember(home, &file.name, file.version)?;
        Ok(trust)
    }
}

/// The trust file that is configured, or the user's own.
pub(crate) fn configured(settings: &Settings, home: &Home) -> PathBuf {
    settings.trust.clone().unwrap_or_else(|| home.trust_file())
}

/// Reads a trust file. It trusts nothing yet.
pub(crate) fn read(path: &Path) -> Result<TrustFile, Failure> {
    if !path.exists() {
        return Err(TrustStoreError::Missing {
            path: text::path(path),
        }
        .into());
    }
    let bytes = Source::File(path.to_owned()).read(TRUST)?;
    TrustFile::from_bytes(&bytes)
        .map_err(|error| TrustStoreError::refused(&text::path(path), error).into())
}

/// Holds a trust file against the time and the versions seen before. Nothing is remembered.
pub(crate) fn accept(
    path: &Path,
    file: &TrustFile,
    at: Timestamp,
    home: &Home,
) -> Result<Trust, TrustStoreError> {
    let seen = versions::seen(home, &file.name)?;
    file.accept(at, seen)
        .map_err(|error| TrustStoreError::refused(&text::path(path), error))
}

/// Trust in one key, if it is one that only its owner can sign with.
fn usable(key: PublicKey) -> Result<Trust, TrustStoreError> {
    Trust::in_receipts_of(key).map_err(|_| TrustStoreError::KeyWeak { key })
}

/// When a trust file says that a key was revoked. A file that cannot be read says nothing here.
pub(crate) fn revoked_at(path: &Path, key: PublicKey) -> Option<Timestamp> {
    let file = read(path).ok()?;
    file.keys.iter().find(|entry| entry.key == key)?.revoked_at
}

/// A key that is to be trusted.
pub(crate) struct Added {
    /// The key.
    pub(crate) key: PublicKey,
    /// What it may sign.
    pub(crate) key_use: KeyUse,
    /// What the user calls it.
    pub(crate) label: Option<String>,
    /// From when on it counts; without it, from the beginning, or as it was.
    pub(crate) from: Option<Timestamp>,
}

/// Adds a key, or renews one that is there; makes the file if there is none.
pub(crate) fn add(path: &Path, added: Added, home: &Home) -> Result<TrustFile, Failure> {
    let key = added.key;
    usable(key)?;
    let now = system::now()?;
    change(path, now, home, |file| {
        if let Some(entry) = file.keys.iter_mut().find(|entry| entry.key == key) {
            return renew(entry, added);
        }
        file.keys.push(TrustedKey {
            key,
            key_use: added.key_use,
            label: added.label.unwrap_or_default(),
            valid_from: added.from.unwrap_or(Timestamp::EPOCH),
            valid_until: None,
            revoked_at: None,
        });
        Ok(())
    })
}

fn renew(entry: &mut TrustedKey, added: Added) -> Result<(), TrustStoreError> {
    if entry.revoked_at.is_some() {
        return Err(TrustStoreError::Revoked { key: entry.key });
    }
    if entry.key_use != added.key_use {
        return Err(TrustStoreError::OtherUse {
            key: entry.key,
            key_use: entry.key_use,
        });
    }
    if let Some(label) = added.label {
        entry.label = label;
    }
    if let Some(from) = added.from {
        entry.valid_from = from;
    }
    Ok(())
}

/// Marks a key as one that someone else may hold.
pub(crate) fn revoke(path: &Path, key: PublicKey, home: &Home) -> Result<TrustFile, Failure> {
    read(path)?;
    let now = system::now()?;
    change(path, now, home, |file| {
        let listed = file.keys.iter_mut().find(|entry| entry.key == key);
        let entry = listed.ok_or_else(|| TrustStoreError::Unlisted {
            key,
            path: text::path(path),
        })?;
        // The first date stands: it is when the key was known to be lost.
        entry.revoked_at.get_or_insert(now);
        Ok(())
    })
}

/// Changes a trust file while nobody else does.
fn change(
    path: &Path,
    now: Timestamp,
    home: &Home,
    edit: impl FnOnce(&mut TrustFile) -> Result<(), TrustStoreError>,
) -> Result<TrustFile, Failure> {
    let _lock = lock(home)?;
    let mut file = if path.exists() {
        read(path)?
    } else {
        empty(now)?
    };
    // Never below what was seen, so that what is written is not refused the next time.
    file.version = file.version.max(versions::seen(home, &file.name)?) + 1;
    edit(&mut file)?;
    file.expires_at = now.plus_seconds(VALID_SECONDS);
    let written = files::private_directory(&files::directory(path))
        .and_then(|()| files::replace(path, &file.to_bytes(), files::PUBLIC));
    written.map_err(|error| TrustStoreError::NotWritten {
        path: text::path(path),
        error,
    })?;
    versions::remember(home, &file.name, file.version)?;
    Ok(file)
}

/// A file of its own name: versions are compared among files of one name.
fn empty(now: Timestamp) -> Result<TrustFile, Failure> {
    Ok(TrustFile {
        file_type: TRUST_TYPE.to_owned(),
        name: format!("own-{}", to_hex(&*system::random::<8>()?)),
        version: 0,
        expires_at: now,
        keys: Vec::new(),
    })
}

fn lock(home: &Home) -> Result<std::fs::File, TrustStoreError> {
    files::lock(&home.lock()).map_err(|error| TrustStoreError::NotWritten {
        path: text::path(&home.lock()),
        error,
    })
}
