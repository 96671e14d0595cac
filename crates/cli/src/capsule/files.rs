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
    let path = inside(folder, name)?;
    if !path.exists() {
        let path = text::path(&path);
        return Err(FolderError::Missing { path }.into());
    }
    Ok(Source::File(path).read(INPUT)?)
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
    files::replace(&path, bytes, files::PUBLIC).map_err(|error| {
        let path = text::path(&path);
        FolderError::Write { path, error }.into()
    })
}

/// The file's path, if it is in the folder with all links followed. What is not there has its directory asked.
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
    let there = match path.symlink_metadata() {
        Ok(_) => path.clone(),
        Err(_) => files::directory(&path),
    };
    let missing = |_| FolderError::Missing {
        path: text::path(&path),
    };
    let root = fs::canonicalize(&folder.path).map_err(missing)?;
    let real = fs::canonicalize(&there).map_err(missing)?;
    if !real.starts_with(&root) {
        return Err(outside().into());
    }
    Ok(path)
}
