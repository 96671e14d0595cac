//! Digests of executables, made once for each that stays the same.
//!
//! Enters: a path. Leaves: BLAKE3 of the file. A file that was replaced is read again: its identity, length and time of change
//! are compared.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tenzik_receipt::Blake3;

type Identity = (u64, u64, u64, i64, i64);

/// What was read, by identity.
#[derive(Debug, Default)]
pub(crate) struct Digests(Mutex<HashMap<Identity, Blake3>>);

impl Digests {
    /// The digest of a file.
    pub(crate) fn of(&self, path: &Path) -> io::Result<Blake3> {
        let file = File::open(path)?;
        let found = file.metadata()?;
        let identity = (
            found.dev(),
            found.ino(),
            found.len(),
            found.ctime(),
            found.ctime_nsec(),
        );
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(digest) = known.get(&identity) {
            return Ok(*digest);
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file)?;
        let digest = Blake3::from_bytes(hasher.finalize().into());
        known.insert(identity, digest);
        Ok(digest)
    }
}

/// The file that a command's name stands for, as the system would find it.
pub(crate) fn executable(name: &str, path: &str) -> Option<PathBuf> {
    located(name, path)?.canonicalize().ok()
}

/// The same by the name that it has there: some programs go by their name.
pub(crate) fn located(name: &str, path: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|named| named.is_file());
    }
    path.split(':')
        .map(|directory| Path::new(directory).join(name))
        .find(|candidate| candidate.is_file())
}
