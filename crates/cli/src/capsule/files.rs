//! The files that a description names, none of them outside of its folder.
//!
//! Enters: paths from a description. Leaves: bytes, written files. Refuses: paths that lead out of the folder, by `..`, from the
//! root or through a link, and files that are too long.

use std::fs;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use super::{Folder, FolderError};
use crate::error::Failure;
use crate::source::{INPUT, Source};
use crate::{files, text};

/// A file's bytes.
pub(super) fn read(folder: &Folder, name: &Path) -> Result<Vec<u8>, Failure> {
    read_if_there(folder, name)?.ok_or_else(|| {
        let path = text::path(&folder.path.join(name));
        FolderError::Missing { path }.into()
    })
}

/// A file's bytes, if it is there.
pub(super) fn read_if_there(folder: &Folder, name: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let path = inside(folder, name)?;
    match path.exists() {
        true => Ok(Some(Source::File(path).read(INPUT)?)),
        false => Ok(None),
    }
}

/// A file's path without links and `.`.
pub(super) fn place(folder: &Folder, name: &Path) -> Result<PathBuf, Failure> {
    let path = inside(folder, name)?;
    Ok(fs::canonicalize(&path).unwrap_or_else(|_| path.components().collect()))
}

/// What is in a gzip file.
pub(super) fn unpack(folder: &Folder, name: &Path) -> Result<Vec<u8>, Failure> {
    let packed = read(folder, name)?;
    let failed = |problem: String| FolderError::Packed {
        path: text::path(name),
        problem,
    };
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&packed[..])
        .take(INPUT.bytes_max + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > INPUT.bytes_max {
        return Err(failed("it is too long".to_owned()).into());
    }
    Ok(bytes)
}

/// Writes a file in place of what was there.
pub(super) fn write(folder: &Folder, name: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let path = inside(folder, name)?;
    fs::create_dir_all(files::directory(&path))
        .and_then(|()| files::replace(&path, bytes, files::PUBLIC))
        .map_err(|error| {
            let path = text::path(&path);
            FolderError::Write { path, error }.into()
        })
}

/// The file's path, if it is in the folder with all links followed. What is not there has the nearest directory asked that is.
fn inside(folder: &Folder, name: &Path) -> Result<PathBuf, Failure> {
    let outside = || FolderError::Outside {
        path: text::path(name),
    };
    let plain = |part: Component<'_>| matches!(part, Component::Normal(_) | Component::CurDir);
    if !name.components().all(plain) {
        return Err(outside().into());
    }
    let path = folder.path.join(name);
    // A link that leads nowhere is no file, and would be written through.
    let mut places = path.ancestors();
    let there = places.find(|place| place.symlink_metadata().is_ok());
    let there = there.unwrap_or(&folder.path);
    let missing = |_| FolderError::Missing {
        path: text::path(&path),
    };
    let root = fs::canonicalize(&folder.path).map_err(missing)?;
    let real = fs::canonicalize(there).map_err(missing)?;
    if !real.starts_with(&root) {
        return Err(outside().into());
    }
    Ok(path)
}
