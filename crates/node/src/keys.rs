//! The node's own keys: one for receipts, and one each for the log's checkpoints and for witnessing, if it does these.
//!
//! Enters: the paths of key files as `tenzik key gen` writes them. Leaves: [`Keys`]. Refuses: files that others may read, that
//! were cut or changed, keys for another use, and one key in two roles.

use std::path::{Path, PathBuf};

use tenzik_receipt::{KeyUse, ReadError, SecretKey};

use crate::config::KeysConfig;
use crate::files::{self, FileError};
use crate::text;

/// The most bytes of a key file: several times what one has.
const BYTES_MAX: u64 = 4_096;

/// Why a key is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// It was cut, changed, or never was a key file.
    #[error("the key file {} was cut short or changed: {error}", text::path(path))]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: ReadError,
    },
    /// One key has two uses.
    #[error("the {first} key and the {second} key are the same; each use has a key of its own")]
    Shared {
        /// One use.
        first: KeyUse,
        /// The other.
        second: KeyUse,
    },
    /// The key is for something else.
    #[error(
        "the key in {} is for the use {got}; here the use {wanted} is needed",
        text::path(path)
    )]
    Use {
        /// The file.
        path: PathBuf,
        /// The key's use.
        got: KeyUse,
        /// The use that was needed.
        wanted: KeyUse,
    },
}

/// The node's keys.
#[derive(Debug)]
pub struct Keys {
    /// Signs receipts.
    pub receipt: SecretKey,
    /// Signs the log's checkpoints. Absent: the node keeps no log.
    pub checkpoint: Option<SecretKey>,
    /// Cosigns other logs' checkpoints. Absent: the node is no witness.
    pub witness: Option<SecretKey>,
}

impl Keys {
    /// Reads the key files.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn read(config: &KeysConfig) -> Result<Self, KeyError> {
        let optional = |path: &Option<PathBuf>, wanted| {
            path.as_deref()
                .map(|path| read_for(path, wanted))
                .transpose()
        };
        let keys = Self {
            receipt: read_for(&config.receipt, KeyUse::Receipt)?,
            checkpoint: optional(&config.checkpoint, KeyUse::Checkpoint)?,
            witness: optional(&config.witness, KeyUse::Witness)?,
        };
        keys.check()?;
        Ok(keys)
    }

    /// The bytes of a key may have been written into two files; a signature for one use must not stand for another.
    fn check(&self) -> Result<(), KeyError> {
        let keys: Vec<_> = [
            Some(&self.receipt),
            self.checkpoint.as_ref(),
            self.witness.as_ref(),
        ]
        .into_iter()
        .flatten()
        .collect();
        for (index, first) in keys.iter().enumerate() {
            for second in &keys[index + 1..] {
                if first.public() == second.public() {
                    let (first, second) = (first.key_use(), second.key_use());
                    return Err(KeyError::Shared { first, second });
                }
            }
        }
        Ok(())
    }
}

fn read_for(path: &Path, wanted: KeyUse) -> Result<SecretKey, KeyError> {
    let bytes = files::read_secret(path, BYTES_MAX)?;
    let key = SecretKey::from_file(&bytes).map_err(|error| KeyError::Form {
        path: path.to_owned(),
        error,
    })?;
    let got = key.key_use();
    if got == wanted {
        return Ok(key);
    }
    let path = path.to_owned();
    Err(KeyError::Use { path, got, wanted })
}
