//! The local key: what tells the entries that this user's processes wrote from all others.
//!
//! Enters: a directory. Leaves: a key, the same for all processes that use the directory.
//! Refuses: a key that others can get at, and one that was cut. It is never replaced.

use std::io::Read;
use std::path::Path;

use super::CodeDirError;
use super::directory::{failed, private_file};
use super::room::{Flush, Lock};

const FILE: &str = "code.key";
const BYTES: usize = 32;

/// How often the lock is asked for, every 2 ms: whoever has it makes the key, and has to flush it to a disk that may be slow.
const LOCK_TRIES: u32 = 2_500;

/// Random bytes that never leave the directory.
pub(super) struct LocalKey([u8; BYTES]);

impl LocalKey {
    /// The key of the directory. The first process that comes makes it.
    pub(super) fn read_or_make(directory: &Path) -> Result<Self, CodeDirError> {
        let path = directory.join(FILE);
        if let Some(key) = Self::read(&path)? {
            return Ok(key);
        }
        let lock = Lock::take(directory, LOCK_TRIES)
            .map_err(|error| failed(directory, "locked", &error))?
            .ok_or_else(|| CodeDirError::Busy {
                path: directory.to_owned(),
            })?;
        // Whoever had the lock before has made it.
        match Self::read(&path)? {
            Some(key) => Ok(key),
            None => Self::make(&path, &lock),
        }
    }

    /// A hasher that nobody without the key can have.
    pub(super) fn hasher(&self) -> blake3::Hasher {
        blake3::Hasher::new_keyed(&self.0)
    }

    fn read(path: &Path) -> Result<Option<Self>, CodeDirError> {
        let Some(file) = private_file(path)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.take(BYTES as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| failed(path, "read", &error))?;
        let key = <[u8; BYTES]>::try_from(bytes.as_slice());
        let key = key.map_err(|_| CodeDirError::KeyLength {
            path: path.to_owned(),
            bytes: bytes.len() as u64,
            wanted: BYTES as u64,
        });
        key.map(|key| Some(Self(key)))
    }

    /// It is on the disk before anything is written with it. A crash before the rename leaves no key, one after it a whole one.
    fn make(path: &Path, lock: &Lock<'_>) -> Result<Self, CodeDirError> {
        let mut key = [0; BYTES];
        getrandom::fill(&mut key).map_err(|error| failed(path, "made", &error))?;
        lock.put(FILE, &key, Flush::Yes)
            .map_err(|error| failed(path, "made", &error))?;
        Ok(Self(key))
    }
}
