//! Files of the operator's, read within a bound.
//!
//! Enters: a path. Leaves: its bytes. Refuses: files over the bound, and secrets that others than the owner may use.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::text;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system did not give it.
    #[error("{} cannot be read: {error}", text::path(path))]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Others than the owner may use it.
    #[error(
        "others than its owner may use {}: its mode has the bits {bits:03o}",
        text::path(path)
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// The bits too many.
        bits: u32,
    },
    /// It is longer than such a file can be.
    #[error("{} has more than {bytes_max} bytes", text::path(path))]
    Size {
        /// The file.
        path: PathBuf,
        /// What is allowed.
        bytes_max: u64,
    },
}

/// The bytes of a file.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, FileError> {
    let file = File::open(path).map_err(|error| failed(path, error))?;
    bounded(file, path, bytes_max)
}

/// The bytes of a file that only its owner may use. The open file is asked, so it cannot be exchanged in between.
pub(crate) fn read_secret(path: &Path, bytes_max: u64) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = File::open(path).map_err(|error| failed(path, error))?;
    let bits = open_to_others(&file).map_err(|error| failed(path, error))?;
    if bits != 0 {
        let path = path.to_owned();
        return Err(FileError::OpenToOthers { path, bits });
    }
    bounded(file, path, bytes_max).map(Zeroizing::new)
}

fn bounded(file: File, path: &Path, bytes_max: u64) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    file.take(bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(path, error))?;
    if bytes.len() as u64 > bytes_max {
        let path = path.to_owned();
        return Err(FileError::Size { path, bytes_max });
    }
    Ok(bytes)
}

fn failed(path: &Path, error: io::Error) -> FileError {
    let path = path.to_owned();
    FileError::Io { path, error }
}

/// What others than the owner may do with an open file or directory, as bits of its mode.
#[cfg(unix)]
pub(crate) fn open_to_others(file: &File) -> io::Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o077)
}

/// Where there are no modes, nothing can be told from them.
#[cfg(not(unix))]
pub(crate) fn open_to_others(_file: &File) -> io::Result<u32> {
    Ok(0)
}
