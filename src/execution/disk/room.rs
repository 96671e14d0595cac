//! Files in the directory: read whole, written whole, and never more than there is room for.
//!
//! Enters: names and bytes. Leaves: files of mode 0600. Refuses: what is larger than the bound.
//!
//! Whoever writes or removes has the lock, so the bound holds for all processes together. Whoever reads has not: an entry
//! that is removed meanwhile stays readable to whoever has it open.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use super::entry::Name;

const LOCK_FILE: &str = "code.lock";
/// What is being written. There is one, because there is one lock.
const NEW_FILE: &str = "code.new";
/// The owner's alone.
const MODE: u32 = 0o600;
/// Of the bound: what is removed beyond what must be.
const SPARE_PART: u64 = 16;
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// Whether a file must outlast a loss of power.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Flush {
    Yes,
    No,
}

/// The right to write in the directory. The system takes it back when the process ends, however it ends.
pub(super) struct Lock<'a> {
    directory: &'a Path,
    /// It holds the sum of all entries' bytes.
    file: File,
}

impl<'a> Lock<'a> {
    /// Tries so many times; `None` if another had it each time. It never waits without end: the other may have been stopped.
    pub(super) fn take(directory: &'a Path, tries: u32) -> io::Result<Option<Self>> {
        let path = directory.join(LOCK_FILE);
        let mut options = OpenOptions::new();
        options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(MODE);
        let file = options.open(path)?;
        for _ in 0..tries {
            match file.try_lock() {
                Ok(()) => {
                    return Ok(Some(Self { directory, file }));
                }
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Puts a file in its place, also in place of another.
    ///
    /// A crash before the rename leaves what was there before, and a file that the next one to write removes.
    pub(super) fn put(&self, name: &str, bytes: &[u8], flush: Flush) -> io::Result<()> {
        let new = self.directory.join(NEW_FILE);
        remove(&new)?;
        let written = write_new(&new, bytes, flush)
            .and_then(|()| fs::rename(&new, self.directory.join(name)));
        if written.is_err() {
            // On a full disk half a file is in the way.
            remove(&new)?;
        }
        if flush == Flush::Yes {
            File::open(self.directory)?.sync_all()?;
        }
        written
    }

    /// Sees to it that there is room for so many bytes more, and counts them in.
    ///
    /// They are counted before they are written. A crash between the two leaves a sum that is too high, and costs the next
    /// look through the directory, which finds the true one.
    pub(super) fn make_room(&self, bytes: u64, bytes_max: u64) -> io::Result<()> {
        let room = bytes_max.checked_sub(bytes);
        let room = room.ok_or(ErrorKind::FileTooLarge)?;
        let total = match self.counted() {
            Some(total) if total <= room => total,
            _ => shrink(self.directory, room, bytes_max)?,
        };
        if total > room {
            return Err(ErrorKind::StorageFull.into());
        }
        let total = (total + bytes).to_le_bytes();
        self.file.write_all_at(&total, 0)
    }

    /// The bytes of all entries, or more. Nothing, and nought, is what nobody has counted.
    fn counted(&self) -> Option<u64> {
        let mut total = [0; size_of::<u64>()];
        self.file.read_exact_at(&mut total, 0).ok()?;
        Some(u64::from_le_bytes(total)).filter(|total| *total > 0)
    }
}

/// Counts the entries. If they do not fit the room, the oldest are removed until they do, and some more: to look through a
/// full directory takes as long as to compile a capsule.
fn shrink(directory: &Path, room: u64, bytes_max: u64) -> io::Result<u64> {
    let mut entries = entries(directory)?;
    let mut total: u64 = entries.iter().map(|entry| entry.bytes).sum();
    if total <= room {
        return Ok(total);
    }
    let room = room.saturating_sub(bytes_max / SPARE_PART);
    entries.sort_by(|one, other| (one.written, &one.path).cmp(&(other.written, &other.path)));
    for entry in entries {
        if total <= room {
            break;
        }
        if remove(&entry.path).is_ok() {
            total -= entry.bytes;
        }
    }
    Ok(total)
}

/// A file's bytes, at most so many.
pub(super) fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    // A pipe would keep its reader waiting.
    let bytes = match fs::symlink_metadata(path)? {
        found if found.is_file() && found.len() <= bytes_max => found.len(),
        _ => return Err(ErrorKind::InvalidData.into()),
    };
    let mut read = Vec::with_capacity(bytes as usize);
    File::open(path)?.take(bytes).read_to_end(&mut read)?;
    Ok(read)
}

struct Entry {
    written: SystemTime,
    bytes: u64,
    path: PathBuf,
}

/// The entries. What else is there is not ours to count or to remove.
fn entries(directory: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for file in fs::read_dir(directory)? {
        let file = file?;
        if !file.file_name().to_str().is_some_and(Name::is_file) {
            continue;
        }
        let found = file.metadata()?;
        if !found.is_file() {
            continue;
        }
        entries.push(Entry {
            written: found.modified()?,
            bytes: found.len(),
            path: file.path(),
        });
    }
    Ok(entries)
}

fn write_new(path: &Path, bytes: &[u8], flush: Flush) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(MODE).open(path)?;
    file.write_all(bytes)?;
    match flush {
        Flush::Yes => file.sync_all(),
        Flush::No => Ok(()),
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
