//! The highest version of each trust file that was seen here.
//!
//! Enters: a trust file's name and version. Leaves: the same, on the disk, so that an older file is noticed.
//! Refuses: to forget. A memory that cannot be read is an error, not an empty one.

use std::collections::BTreeMap;
use std::path::Path;

use super::TrustStoreError;
use crate::files;
use crate::home::Home;
use crate::source::{Source, TRUST};
use crate::text;

type Versions = BTreeMap<String, u64>;

/// The highest version of a name; 0 for none.
pub(super) fn seen(home: &Home, name: &str) -> Result<u64, TrustStoreError> {
    let versions = read(&home.trust_versions())?;
    Ok(versions.get(name).copied().unwrap_or(0))
}

/// Takes note of a version. The caller holds the lock.
pub(super) fn remember(home: &Home, name: &str, version: u64) -> Result<(), TrustStoreError> {
    let path = home.trust_versions();
    let mut versions = read(&path)?;
    if versions.get(name).is_some_and(|seen| *seen >= version) {
        return Ok(());
    }
    versions.insert(name.to_owned(), version);
    // Texts and numbers always serialise.
    let bytes = serde_json::to_vec_pretty(&versions).unwrap_or_default();
    files::private_directory(&files::directory(&path))
        .and_then(|()| files::replace(&path, &bytes, files::PRIVATE))
        .map_err(|error| TrustStoreError::NotWritten {
            path: text::path(&path),
            error,
        })
}

fn read(path: &Path) -> Result<Versions, TrustStoreError> {
    if !path.exists() {
        return Ok(Versions::new());
    }
    let bytes = Source::File(path.to_owned()).read(TRUST).ok();
    bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| TrustStoreError::Versions {
            path: text::path(path),
        })
}
