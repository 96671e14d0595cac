//! The journal: entries that were appended and are not in the tree yet, each durable before it is answered for.
//!
//! Enters: the entries of one append. Leaves: the same when it is opened again, in order and without a gap. Refuses: a
//! journal with a frame missing or damaged between others.
//!
//! A folder of segments, each named by the index of its first entry (20 digits). An append is one [frame](frame), written
//! by one write and one `fdatasync`. A segment is full of zeroes before it is used, so that this sync has no new length
//! and no new blocks to record; one that the tree has passed is used again, and what it still holds is told from what
//! is new by its lower indexes.
//!
//! What a crash leaves and what damage is: a crash can leave a broken frame only where the last append was, and after
//! a start the journal goes on in a new segment. So a broken frame is a crash's if nothing follows it, in its segment
//! or in a later one, whose index is higher than what was read; the journal ends there, or goes on with the next segment
//! where that one begins with the next index. Otherwise it is damage, and the journal does not open. Damage to the
//! very last frame looks like a crash and cannot be told from it.

mod frame;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tenzik_log::{Entry, StorageError};

use self::frame::{BLOCK_BYTES, Frame};
use crate::disk::{begin_error, io_error};

/// A segment's bytes, if no append needs a larger one. Tests go through many.
const SEGMENT_BYTES: usize = if cfg!(test) {
    16 * BLOCK_BYTES
} else {
    8 * 1024 * 1024
};
/// What the buffer for frames keeps between appends.
const BUFFER_BYTES_KEPT: usize = 1024 * 1024;
/// A segment that is being filled with zeroes.
const UNREADY: &str = "new";
/// A segment that waits to be used again.
const SPARE: &str = "spare";

/// An open journal.
pub(crate) struct Journal {
    directory: PathBuf,
    /// The first index of each segment, in order.
    segments: Vec<u64>,
    /// The last segment, once there was an append since the opening.
    active: Option<Active>,
    /// The next entry's index.
    next: u64,
    buffer: Vec<u8>,
}

struct Active {
    file: File,
    /// Where the next frame begins; the file stands there.
    offset: usize,
    bytes: usize,
}

impl Journal {
    /// Opens it, and gives its entries from index `size` on, which are pending.
    pub(crate) fn open(directory: &Path, size: u64) -> Result<(Self, Vec<Entry>), StorageError> {
        let _ = fs::remove_file(directory.join(UNREADY));
        let segments = segments(directory)?;
        let (next, entries) = read_all(directory, &segments, size)?;
        let mut journal = Self {
            directory: directory.to_owned(),
            segments,
            active: None,
            next,
            buffer: Vec::new(),
        };
        journal.release(size)?;
        Ok((journal, entries))
    }

    /// Keeps entries that follow those it has. They are durable when it returns.
    pub(crate) fn append(&mut self, entries: &[Entry]) -> Result<(), StorageError> {
        let Some(first) = entries.first() else {
            return Ok(());
        };
        let in_order = (self.next..)
            .zip(entries)
            .all(|(index, entry)| index == entry.index);
        if !in_order {
            return Err(damaged(format!(
                "entries from {} on do not follow those below {}",
                first.index, self.next
            )));
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        frame::write(entries, &mut buffer).ok_or_else(|| too_large(entries.len()))?;
        self.write(&buffer)?;
        self.next += entries.len() as u64;
        buffer.shrink_to(BUFFER_BYTES_KEPT);
        self.buffer = buffer;
        Ok(())
    }

    /// Forgets entries below `size`, as far as whole segments hold no others.
    pub(crate) fn release(&mut self, size: u64) -> Result<(), StorageError> {
        let ends = self.segments.iter().skip(1).copied();
        let mut passed = ends.take_while(|end| *end <= size).count();
        // The last segment ends where the journal does, and stays while it is written to.
        if passed + 1 == self.segments.len() && self.active.is_none() && self.next <= size {
            passed += 1;
            self.next = size;
        }
        for first in self.segments.drain(..passed).collect::<Vec<_>>() {
            self.retire(first)?;
        }
        Ok(())
    }

    /// A crash before this is on the disk brings a segment back, and the next opening retires it again.
    fn retire(&self, first: u64) -> Result<(), StorageError> {
        let (path, spare) = (self.path(first), self.directory.join(SPARE));
        let length = fs::metadata(&path).map_err(|error| io_error("looking at", &path, error))?;
        if length.len() == SEGMENT_BYTES as u64 && !spare.exists() {
            return fs::rename(&path, &spare).map_err(|error| io_error("renaming", &path, error));
        }
        fs::remove_file(&path).map_err(|error| io_error("removing", &path, error))
    }

    fn write(&mut self, frame: &[u8]) -> Result<(), StorageError> {
        let directory = self.directory.clone();
        let active = self.active_for(frame.len())?;
        (&active.file)
            .write_all(frame)
            .and_then(|()| active.file.sync_data())
            .map_err(|error| io_error("appending to", &directory, error))?;
        active.offset += frame.len();
        Ok(())
    }

    /// The segment that has room for a frame of so many bytes: the last one or a new one.
    fn active_for(&mut self, bytes: usize) -> Result<&mut Active, StorageError> {
        let has_room = |active: &Active| active.bytes - active.offset >= bytes;
        if !self.active.as_ref().is_some_and(has_room) {
            let path = self.path(self.next);
            // One of this name holds no whole frame, or it would have raised the index.
            self.segments.retain(|first| *first != self.next);
            // One that was made and not counted here is made again over itself: no frame is in it.
            let file = new_segment(&self.directory, &path, bytes.max(SEGMENT_BYTES))
                .map_err(|error| begin_error("making", &path, error))?;
            self.segments.push(self.next);
            self.active = Some(Active {
                file,
                offset: 0,
                bytes: bytes.max(SEGMENT_BYTES),
            });
        }
        Ok(self.active.as_mut().expect("it was there or was just made"))
    }

    fn path(&self, first: u64) -> PathBuf {
        self.directory.join(name(first))
    }
}

fn name(first: u64) -> String {
    format!("{first:020}")
}

/// Takes the spare segment or makes one. It has its name on the disk when this returns.
fn new_segment(directory: &Path, path: &Path, bytes: usize) -> io::Result<File> {
    let (spare, unready) = (directory.join(SPARE), directory.join(UNREADY));
    let open = |path: &Path| File::options().write(true).open(path);
    let (file, from) = match open(&spare) {
        Ok(file) if bytes == SEGMENT_BYTES => (file, spare),
        _ => (fill(&unready, bytes)?, unready),
    };
    fs::rename(from, path)?;
    File::open(directory)?.sync_all()?;
    Ok(file)
}

/// A file of zeroes, written for real: blocks that are only reserved cost each sync a change of the file system's own
/// records.
fn fill(path: &Path, bytes: usize) -> io::Result<File> {
    let mut file = File::create(path)?;
    let zeroes = [0; 16 * BLOCK_BYTES];
    let mut left = bytes;
    while left > 0 {
        let part = left.min(zeroes.len());
        file.write_all(&zeroes[..part])?;
        left -= part;
    }
    file.sync_all()?;
    io::Seek::rewind(&mut file)?;
    Ok(file)
}

/// The first indexes of the segments there are, in order. Files of other names are not the journal's.
fn segments(directory: &Path) -> Result<Vec<u64>, StorageError> {
    let failed = |error| io_error("listing", directory, error);
    let mut segments = Vec::new();
    for file in fs::read_dir(directory).map_err(failed)? {
        let found = file.map_err(failed)?.file_name();
        let first = found.to_str().and_then(|found| found.parse().ok());
        segments.extend(first.filter(|first| Some(name(*first).as_str()) == found.to_str()));
    }
    segments.sort_unstable();
    Ok(segments)
}

/// Reads what is not below `size`, and says which index comes next.
fn read_all(
    directory: &Path,
    segments: &[u64],
    size: u64,
) -> Result<(u64, Vec<Entry>), StorageError> {
    let ends = segments.iter().skip(1).copied().map(Some).chain([None]);
    let unpassed = segments
        .iter()
        .copied()
        .zip(ends)
        .filter(|(_, end)| end.is_none_or(|end| end > size));
    let mut entries = Vec::new();
    let mut next = None;
    for (first, end) in unpassed {
        // The first one may begin below the size, the others begin where the one before ended.
        if next.map_or(first > size, |next| next != first) {
            return Err(gap(next.unwrap_or(size), first));
        }
        let path = directory.join(name(first));
        next = Some(read_segment(&path, first, end.is_none(), &mut entries)?);
    }
    entries.retain(|entry| entry.index >= size);
    Ok((next.unwrap_or(size).max(size), entries))
}

/// Adds a segment's entries, and says which index comes next.
fn read_segment(
    path: &Path,
    first: u64,
    is_last: bool,
    entries: &mut Vec<Entry>,
) -> Result<u64, StorageError> {
    let failed = |error| io_error("reading", path, error);
    let bytes = fs::read(path).map_err(failed)?;
    let mut next = first;
    let mut rest = bytes.as_slice();
    while let Some(frame) = frame::read(rest).filter(|frame| frame.first() >= first) {
        if frame.first() != next {
            return Err(gap(next, frame.first()));
        }
        next += frame.entries.len() as u64;
        rest = rest.get(frame.bytes..).unwrap_or_default();
        entries.extend(frame.entries);
    }
    // What is not of an earlier use of the segment came after the broken frame.
    if let Some(frame) = frames(rest).find(|frame| frame.first() >= first) {
        return Err(gap(next, frame.first()));
    }
    if is_last {
        write_again(path, &bytes[..bytes.len() - rest.len()]).map_err(failed)?;
    }
    Ok(next)
}

/// Makes durable what was read. A process that was killed, or whose sync failed, may have left it in the system's memory
/// only, and after a failed sync the system takes it for written: only writing it again has it written.
fn write_again(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

/// The whole frames that begin at any block.
fn frames(bytes: &[u8]) -> impl Iterator<Item = Frame> {
    let blocks = (0..bytes.len()).step_by(BLOCK_BYTES);
    blocks.filter_map(|start| frame::read(&bytes[start..]))
}

fn gap(next: u64, found: u64) -> StorageError {
    damaged(format!(
        "the journal has no whole entry {next}, but one with index {found}"
    ))
}

fn damaged(what: String) -> StorageError {
    StorageError::Damaged { what }
}

fn too_large(entries: usize) -> StorageError {
    StorageError::Io {
        doing: format!("appending {entries} entries"),
        error: "they have more than 4 GiB".into(),
    }
}
