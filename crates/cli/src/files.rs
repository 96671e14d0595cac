//! Writing files so that a reader finds the old one or the new one, never half of one.
//!
//! Enters: a path, bytes, a mode. Leaves: a file that is on the disk, not only in its cache.
//! Refuses: to overwrite where the caller wants a new file. A full disk leaves what was there before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

/// Readable by everyone: what a receipt is for.
pub(crate) const PUBLIC: u32 = 0o644;
/// For the owner alone.
pub(crate) const PRIVATE: u32 = 0o600;

/// Writes a file in place of what was there. A device or a pipe is written to as it is.
pub(crate) fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    // A link stays a link; what it names is replaced.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
        Ok(found) if !found.is_file() => write_through(path, bytes),
        _ => {
            let directory = directory(path);
            staged(&directory, bytes, mode)?.persist(path)?;
            sync(&directory)
        }
    }
}

/// Writes a file that must not be there yet.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let directory = directory(path);
    staged(&directory, bytes, mode)?.persist_noclobber(path)?;
    sync(&directory)
}

/// Makes a directory, and those above it, for the owner alone.
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Takes a lock that is given back when the file is dropped.
pub(crate) fn lock(path: &Path) -> io::Result<File> {
    private_directory(&directory(path))?;
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    file.lock()?;
    Ok(file)
}

/// The directory that a file is in.
pub(crate) fn directory(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(bytes)
}

fn staged(directory: &Path, bytes: &[u8], mode: u32) -> io::Result<NamedTempFile> {
    let mut file = Builder::new().prefix(".tenzik-").tempfile_in(directory)?;
    file.write_all(bytes)?;
    set_mode(file.as_file(), mode)?;
    file.as_file().sync_all()?;
    Ok(file)
}

#[cfg(unix)]
fn set_mode(file: &File, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_file: &File, _mode: u32) -> io::Result<()> {
    Ok(())
}

/// Makes a rename last through a loss of power.
#[cfg(unix)]
fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync(_directory: &Path) -> io::Result<()> {
    Ok(())
}

/// The mode bits by which others than the owner may get at an open file; 0 where there are no modes.
#[cfg(unix)]
pub(crate) fn open_to_others(file: &File) -> io::Result<u32> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o077)
}

/// The mode bits by which others than the owner may get at an open file; 0 where there are no modes.
#[cfg(not(unix))]
pub(crate) fn open_to_others(_file: &File) -> io::Result<u32> {
    Ok(0)
}

/// Makes a write beyond the process's file size limit an error like a full disk, instead of the process's end.
pub(crate) fn survive_file_size_limit() {
    #[cfg(unix)]
    {
        let seen = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        // Where it cannot be had, the limit ends the process as it would any other.
        let _ = signal_hook::flag::register(signal_hook::consts::signal::SIGXFSZ, seen);
    }
}
