//! Compiled code on the disk, so that what was compiled once is loaded by the next process.
//!
//! Enters: a directory of the user's own; modules that an engine of this process has compiled. Leaves: modules.
//! Refuses: at set-up, a directory or a key that others can get at. Later, without a word, every entry that was not written
//! with the local key for just this module and engine: it is compiled anew, and the new entry takes the old one's place.
//!
//! Nothing here fails a run. Readers take no lock: an entry comes into being by a rename, and is whole or not there. A
//! process that ends half-way leaves at most a file that the next writer removes.
//!
//! - `directory.rs` looks who can get at what, `error.rs` says so;
//! - `key.rs` is the local key, `entry.rs` the form of an entry and the only `unsafe` code there is;
//! - `room.rs` writes, and holds the bound.

mod directory;
mod entry;
mod error;
mod key;
mod room;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::{Engine, Module};

pub use directory::check as check_code_dir;
pub use error::CodeDirError;

use entry::{Authentic, Name};
use key::LocalKey;
use room::Lock;

/// How often a writer asks for the lock, every 2 ms, until it leaves the code unwritten: the run may wait for it.
const LOCK_TRIES: u32 = 50;

/// A directory of compiled code.
pub(super) struct Disk {
    directory: PathBuf,
    key: LocalKey,
    bytes_max: u64,
}

impl Disk {
    /// Takes a directory into use; makes it and its key if they are not there.
    pub(super) fn open(directory: &Path, bytes_max: u64) -> Result<Self, CodeDirError> {
        directory::prepare(directory)?;
        Ok(Self {
            key: LocalKey::read_or_make(directory)?,
            directory: directory.to_owned(),
            bytes_max,
        })
    }

    fn find(&self, name: &Name, engine: &Engine) -> Option<Module> {
        let path = self.directory.join(name.file());
        let entry = room::read(&path, self.bytes_max).ok()?;
        let code = Authentic::open(&entry, name, &self.key)?;
        // wasmtime looks at its version and settings once more. Should it refuse, there is no entry.
        code.load(engine).ok()
    }

    /// What cannot be written is compiled again some day.
    fn keep(&self, name: &Name, module: &Module) -> Option<()> {
        let entry = entry::seal(module, name, &self.key).ok()?;
        let lock = Lock::take(&self.directory, LOCK_TRIES).ok()??;
        lock.make_room(entry.len() as u64, self.bytes_max).ok()?;
        // Not flushed to the disk: a loss of power may tear it, and then it is not authentic.
        lock.put(&name.file(), &entry, room::Flush::No).ok()
    }
}

/// The part of a directory that is one engine's.
pub(super) struct Shelf {
    disk: Arc<Disk>,
    /// Of the engine: all that the code depends on beside the module.
    fingerprint: blake3::Hash,
}

impl Shelf {
    pub(super) const fn new(disk: Arc<Disk>, fingerprint: blake3::Hash) -> Self {
        Self { disk, fingerprint }
    }

    /// What the engine has made of a module, if that is kept.
    pub(super) fn find(&self, engine: &Engine, module: &[u8]) -> Option<Module> {
        let name = Name::of(&self.fingerprint, module);
        self.disk.find(&name, engine)
    }

    /// Keeps what the engine has made of a module.
    pub(super) fn keep(&self, module: &[u8], compiled: &Module) {
        let name = Name::of(&self.fingerprint, module);
        let _ = self.disk.keep(&name, compiled);
    }
}

#[cfg(test)]
mod tests;
