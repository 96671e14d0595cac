//! Files that are there whole or not at all.
//!
//! Enters: bytes and a name in a directory. Leaves: a file that is durable under that name. Refuses: nothing of its own.
//!
//! A file is written under another name, synced, renamed, and then the directory is synced. What a crash leaves under the
//! other name is removed when the directory is opened again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

const TEMPORARY: &str = ".new";

/// A directory for this process alone.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    next: AtomicU64,
}

impl Directory {
    /// Makes the directory, with mode 0700, and removes what a crash left half written.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path)?;
        let directory = Self {
            path,
            next: AtomicU64::new(0),
        };
        for name in directory.names()? {
            if name.ends_with(TEMPORARY) {
                fs::remove_file(directory.path.join(&name))?;
            }
        }
        // A process that was killed may have renamed or removed a file and not synced that.
        sync(&directory.path)?;
        if let Some(parent) = directory.path.parent().filter(|path| path.is_dir()) {
            sync(parent)?;
        }
        Ok(directory)
    }

    /// Writes a file over whatever has its name; durable when it returns.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let temporary = self.path.join(format!("{number}{TEMPORARY}"));
        let written = self.write_as(&temporary, name, bytes);
        if written.is_err() {
            // It takes room that may be what is missing; the next opening removes it if this does not.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    fn write_as(&self, temporary: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(temporary, self.path.join(name))?;
        sync(&self.path)
    }

    /// A file's path.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A file's bytes, if it is there and not longer than this.
    pub(crate) fn read(&self, name: &str, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
        use io::Read;
        let file = match File::open(self.path(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::new();
        file.take(bytes_max.saturating_add(1))
            .read_to_end(&mut bytes)?;
        Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= bytes_max))
    }

    /// Removes a file if it is there; it is gone for good when this returns.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        sync(&self.path)
    }

    /// The names of all files. One that is no text is nobody's here, and left alone.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            names.extend(entry?.file_name().into_string());
        }
        Ok(names)
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
