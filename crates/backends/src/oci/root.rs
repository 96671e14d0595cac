//! A root file system that containers share, read-only.
//!
//! Enters: a directory. Leaves: its digest. Refuses: one that lacks the places where a container's own mounts go: the runtime
//! would make them, and so change what was digested.
//!
//! The digest is BLAKE3's key derivation with the context `tenzik 2026 root file system v1` over, for each entry in the order
//! of its path's bytes: the path, a zero byte, `d`, `f`, `x` (an executable file) or `l`, the length of what follows (8 bytes,
//! big-endian), and the content of a file or the target of a link. Devices and sockets are not digested, and not usable there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tenzik_receipt::Blake3;

const CONTEXT: &str = "tenzik 2026 root file system v1";
/// Where a container's own mounts go. gVisor would make what is not there, in the root itself. Its launcher's is asked for in every
/// root, so that one serves both runtimes.
const PLACES: [&str; 5] = ["code", "dev", "proc", "tmp", ".tenzik"];

/// Why a directory is no root file system.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// It lacks a directory that containers mount something on.
    #[error("the root file system {} lacks the directory {place}", path.display())]
    Place {
        /// Where it is.
        path: PathBuf,
        /// What it lacks.
        place: &'static str,
    },
    /// Its `tmp` is not for everybody: the runtime gives a mount the mode of the directory below it, whatever is asked.
    #[error("the directory tmp of the root file system {} has mode {mode:o}; it needs 1777", path.display())]
    Mode {
        /// Where it is.
        path: PathBuf,
        /// The directory's mode.
        mode: u32,
    },
    /// It cannot be read.
    #[error("the root file system {} cannot be read: {source}", path.display())]
    Read {
        /// Where it is.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
    digest: Blake3,
}

impl Root {
    pub(super) fn read(path: &Path) -> Result<Self, RootError> {
        let unreadable = |source| RootError::Read {
            path: path.to_owned(),
            source,
        };
        let absolute = path.canonicalize().map_err(unreadable)?;
        if let Some(place) = PLACES
            .into_iter()
            .find(|place| !absolute.join(place).is_dir())
        {
            return Err(RootError::Place {
                path: absolute,
                place,
            });
        }
        let tmp = fs::metadata(absolute.join("tmp")).map_err(unreadable)?;
        let mode = tmp.permissions().mode() & 0o7777;
        if mode != 0o1777 {
            return Err(RootError::Mode {
                path: absolute,
                mode,
            });
        }
        let mut entries = BTreeMap::new();
        list(&absolute, &absolute, &mut entries).map_err(unreadable)?;
        let digest = digest(&absolute, &entries).map_err(unreadable)?;
        Ok(Self {
            path: absolute,
            digest,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) const fn digest(&self) -> Blake3 {
        self.digest
    }
}

/// Every entry below, by its path's bytes, with its kind.
fn list(root: &Path, directory: &Path, entries: &mut BTreeMap<Vec<u8>, u8>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let (path, metadata) = (entry.path(), entry.metadata()?);
        let kind = match metadata.file_type() {
            kind if kind.is_symlink() => b'l',
            kind if kind.is_dir() => b'd',
            kind if kind.is_file() && metadata.permissions().mode() & 0o111 != 0 => b'x',
            kind if kind.is_file() => b'f',
            _ => continue,
        };
        let inside = path.strip_prefix(root).map_err(io::Error::other)?;
        entries.insert(inside.as_os_str().as_bytes().to_vec(), kind);
        if kind == b'd' {
            list(root, &path, entries)?;
        }
    }
    Ok(())
}

fn digest(root: &Path, entries: &BTreeMap<Vec<u8>, u8>) -> io::Result<Blake3> {
    let mut hasher = blake3::Hasher::new_derive_key(CONTEXT);
    for (inside, kind) in entries {
        let path = root.join(std::ffi::OsStr::from_bytes(inside));
        hasher.update(inside).update(&[0, *kind]);
        match kind {
            b'd' => drop(hasher.update(&0_u64.to_be_bytes())),
            b'l' => {
                let target = fs::read_link(&path)?;
                let target = target.as_os_str().as_bytes();
                hasher
                    .update(&(target.len() as u64).to_be_bytes())
                    .update(target);
            }
            _ => {
                let file = fs::File::open(&path)?;
                hasher.update(&file.metadata()?.len().to_be_bytes());
                hasher.update_reader(file)?;
            }
        }
    }
    Ok(Blake3::from_bytes(hasher.finalize().into()))
}
