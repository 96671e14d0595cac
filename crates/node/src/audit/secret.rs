//! The secret of this node's samples, in a file that only its owner can read.
//!
//! Enters: a path. Leaves: [`SampleSecret`], made of random bytes the first time. Refuses: a file that others may read, or of
//! another length: a sample that can be foreseen audits nothing.

use std::path::Path;

use tenzik_log::sampling::SampleSecret;

use super::AuditError;
use crate::durable::Directory;
use crate::{files, system};

const NAME: &str = "sample-secret";

/// Reads the secret, or makes it.
pub(super) fn open(directory: &Directory) -> Result<SampleSecret, AuditError> {
    let path = directory.path(NAME);
    if !path.try_exists()? {
        // Mode 0600, and whole before it has its name: a crash leaves no half of a secret.
        directory.write(NAME, system::random::<32>()?.as_slice())?;
    }
    read(&path)
}

fn read(path: &Path) -> Result<SampleSecret, AuditError> {
    let bytes = files::read_secret(path, 32)?;
    let bytes = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| AuditError::Secret)?;
    Ok(SampleSecret::from_bytes(bytes))
}
