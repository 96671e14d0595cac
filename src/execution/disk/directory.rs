//! Who can get at the directory and the key.
//!
//! Enters: paths. Leaves: a directory of mode 0700, an open file. Refuses: what is a link, belongs to somebody else, or is
//! open to others.
//!
//! Whoever owns a directory above can put another in its place. That gives him no key of this user's, so he can keep
//! entries from being found, and no more.

use std::fmt::Display;
use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use super::CodeDirError;

/// The owner's alone.
const MODE: u32 = 0o700;
/// What nobody else may do.
const OTHERS: u32 = 0o077;

/// Whether a directory is there and may be used for compiled code. Nothing is made or changed.
///
/// # Errors
/// [`CodeDirError`] if it may not be used; one that is not there yet may.
pub fn check(path: &Path) -> Result<bool, CodeDirError> {
    if !path.is_absolute() {
        return Err(CodeDirError::Relative {
            path: path.to_owned(),
        });
    }
    let Some(found) = found(path)? else {
        return Ok(false);
    };
    if !found.is_dir() {
        return Err(CodeDirError::Kind {
            path: path.to_owned(),
            wanted: "directory",
        });
    }
    own_alone(path, &found)?;
    Ok(true)
}

/// Makes the directory, and those above it, if they are not there.
pub(super) fn prepare(path: &Path) -> Result<(), CodeDirError> {
    if check(path)? {
        return Ok(());
    }
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(MODE);
    builder
        .create(path)
        .map_err(|error| failed(path, "made", &error))?;
    // Another process may have been faster, or somebody else.
    check(path).map(drop)
}

/// Opens a file that nobody else can get at; `None` if there is none. The open file is asked, so it cannot be exchanged in
/// between.
pub(super) fn private_file(path: &Path) -> Result<Option<File>, CodeDirError> {
    let Some(found) = found(path)? else {
        return Ok(None);
    };
    if !found.is_file() {
        return Err(CodeDirError::Kind {
            path: path.to_owned(),
            wanted: "file",
        });
    }
    let unread = |error| failed(path, "read", &error);
    let file = File::open(path).map_err(unread)?;
    own_alone(path, &file.metadata().map_err(unread)?)?;
    Ok(Some(file))
}

pub(super) fn failed(path: &Path, done: &'static str, error: &dyn Display) -> CodeDirError {
    CodeDirError::Io {
        path: path.to_owned(),
        done,
        reason: error.to_string(),
    }
}

/// What stands at the path itself, not where a link there leads.
fn found(path: &Path) -> Result<Option<Metadata>, CodeDirError> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, "read", &error)),
    }
}

fn own_alone(path: &Path, found: &Metadata) -> Result<(), CodeDirError> {
    let (path, owner) = (path.to_owned(), found.uid());
    let own = own_uid().map_err(|error| failed(&path, "checked", &error))?;
    if owner != own {
        return Err(CodeDirError::NotYours { path, owner, own });
    }
    match found.permissions().mode() & OTHERS {
        0 => Ok(()),
        bits => Err(CodeDirError::OpenToOthers { path, bits }),
    }
}

/// Whose files this process makes, as a pipe made just now has it: the standard library has no other way to ask.
fn own_uid() -> io::Result<u32> {
    let (pipe, _) = io::pipe()?;
    Ok(File::from(OwnedFd::from(pipe)).metadata()?.uid())
}
