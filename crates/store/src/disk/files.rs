//! Files that are there whole or not at all: tiles, entry bundles, the published checkpoint.
//!
//! Enters: bytes and where they go. Leaves: files that are durable. Refuses: a tile that is there with other bytes, a
//! checkpoint file that is too large for one.
//!
//! A file is written under another name, synced, renamed, and then its folder is synced. So whatever has its final
//! name is whole and was on the disk before it had it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use tenzik_log::StorageError;
use tenzik_log::tile::TilePath;

use crate::tiles::{cut, same};

/// The most bytes of a checkpoint that is read back: a note of a hundred cosignatures has a tenth of it.
const CHECKPOINT_BYTES_MAX: u64 = 256 * 1024;

/// How many files are written before the first of them is synced, and open at once. An integration has thousands, and the
/// process has other uses for its descriptors.
const OPEN_MAX: usize = 64;

/// How many folders are remembered; a log's tiles grow in a few at a time.
const SETTLED_MAX: usize = 64;

/// The tiles' folder.
pub(super) struct Tiles {
    public: PathBuf,
    temporary: PathBuf,
    /// Tiles that became full since a checkpoint was last published. Their partial forms are of use until the next one is.
    outgrown: Vec<TilePath>,
    /// Folders whose own names are on the disk, so that the folders above need no sync.
    settled: BTreeSet<PathBuf>,
}

impl Tiles {
    pub(super) fn open(directory: &Path) -> Result<Self, StorageError> {
        let (public, temporary) = (directory.join("log"), directory.join("temporary"));
        empty(&temporary).map_err(|error| io_error("emptying", &temporary, error))?;
        // A process that was killed may have renamed a checkpoint and not synced that.
        sync_directory(&public)?;
        Ok(Self {
            public,
            temporary,
            outgrown: Vec::new(),
            settled: BTreeSet::new(),
        })
    }

    /// Keeps tiles: all are written and synced, then all get their names. Until then nothing is changed that counts.
    pub(super) fn put(&mut self, tiles: &[(TilePath, Vec<u8>)]) -> Result<(), StorageError> {
        let mut changed = BTreeSet::new();
        let mut written = Vec::new();
        for (place, tiles) in tiles.chunks(OPEN_MAX).enumerate() {
            written.extend(self.write_all(place * OPEN_MAX, tiles, &mut changed)?);
        }
        for (temporary, target) in &written {
            rename(temporary, target)?;
        }
        changed.iter().try_for_each(|path| sync_directory(path))?;
        self.settle(tiles);
        let full = tiles
            .iter()
            .map(|(path, _)| *path)
            .filter(|path| path.is_full());
        self.outgrown.extend(full);
        Ok(())
    }

    /// Writes those that are not there under other names, numbered from `first`, and syncs them. Gives both names of each.
    fn write_all(
        &self,
        first: usize,
        tiles: &[(TilePath, Vec<u8>)],
        changed: &mut BTreeSet<PathBuf>,
    ) -> Result<Vec<(PathBuf, PathBuf)>, StorageError> {
        let mut open = Vec::new();
        for (place, (path, bytes)) in (first..).zip(tiles) {
            let target = self.public.join(path.to_string());
            self.make_parents(&target, changed)?;
            match read_if_there(&target)? {
                // A killed process may not have synced its name.
                Some(stored) => same(*path, &stored, bytes)?,
                None => {
                    let temporary = self.temporary.join(place.to_string());
                    open.push((write(&temporary, bytes)?, temporary, target));
                }
            }
        }
        let sync_one = |(file, temporary, target): (File, PathBuf, PathBuf)| {
            sync(&file, &temporary)?;
            Ok((temporary, target))
        };
        open.into_iter().map(sync_one).collect()
    }

    /// Removes the partial forms of tiles that are full now and were published so. After a crash before this they stay, and
    /// do no harm.
    pub(super) fn remove_outgrown(&mut self) -> Result<(), StorageError> {
        for path in self.outgrown.drain(..) {
            let partial = self.public.join(format!("{path}.p"));
            match fs::remove_dir_all(&partial) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(io_error("removing", &partial, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes the folders above a file, and adds those that must be synced for the file to be found. One that is there may be
    /// what a killed process made and did not sync.
    fn make_parents(
        &self,
        target: &Path,
        changed: &mut BTreeSet<PathBuf>,
    ) -> Result<(), StorageError> {
        let parent = target.parent().unwrap_or(&self.public);
        changed.insert(parent.to_owned());
        for directory in parent.ancestors() {
            if directory == self.public || self.settled.contains(directory) {
                break;
            }
            changed.extend(directory.parent().map(Path::to_owned));
        }
        fs::create_dir_all(parent).map_err(|error| io_error("making", parent, error))
    }

    fn settle(&mut self, tiles: &[(TilePath, Vec<u8>)]) {
        if self.settled.len() > SETTLED_MAX {
            self.settled.clear();
        }
        for (path, _) in tiles {
            let target = self.public.join(path.to_string());
            self.settled.extend(target.parent().map(Path::to_owned));
        }
    }
}

/// The tile, from its own file or from that of the full one.
pub(super) fn read_tile(public: &Path, path: TilePath) -> Result<Option<Vec<u8>>, StorageError> {
    for stored in [path, path.full()] {
        if let Some(bytes) = read_if_there(&public.join(stored.to_string()))? {
            return cut(stored, bytes, path.width()).map(Some);
        }
    }
    Ok(None)
}

/// Replaces a checkpoint file. `temporary` is in the same file system.
pub(crate) fn publish(
    temporary: &Path,
    target: &Path,
    checkpoint: &[u8],
) -> Result<(), StorageError> {
    let file = write(temporary, checkpoint)?;
    sync(&file, temporary)?;
    rename(temporary, target)?;
    target.parent().map_or(Ok(()), sync_directory)
}

/// A checkpoint file's bytes, if there is one.
pub(crate) fn read_published(path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
    let read = File::open(path).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(CHECKPOINT_BYTES_MAX + 1)
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    match read {
        Ok(bytes) if bytes.len() as u64 > CHECKPOINT_BYTES_MAX => Err(StorageError::Damaged {
            what: format!("{} is no checkpoint: too large", path.display()),
        }),
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(io_error("reading", path, error)),
    }
}

/// Makes a folder with those above it. When this returns, the disk has it, with all that were made.
pub(crate) fn make_directory(path: &Path) -> Result<(), StorageError> {
    let above = |path: &Path| path.parent().map_or(PathBuf::new(), Path::to_owned);
    // The folder's own name is synced also if it is there: a killed process may have made it.
    let made = path.ancestors().skip(1).take_while(|path| !path.exists());
    let changed: Vec<_> = [path].into_iter().chain(made).map(above).collect();
    fs::create_dir_all(path).map_err(|error| io_error("making", path, error))?;
    sync_directory(path)?;
    changed.iter().try_for_each(|path| sync_directory(path))
}

pub(crate) fn io_error(doing: &str, path: &Path, error: io::Error) -> StorageError {
    StorageError::Io {
        doing: format!("{doing} {}", path.display()),
        error: Box::new(error),
    }
}

/// An error before anything was changed. Too many open files pass by themselves; whatever else it is does not.
pub(crate) fn begin_error(doing: &str, path: &Path, error: io::Error) -> StorageError {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    match error.raw_os_error() {
        Some(ENFILE | EMFILE) => StorageError::Unready {
            doing: format!("{doing} {}", path.display()),
            error: Box::new(error),
        },
        _ => io_error(doing, path, error),
    }
}

fn empty(directory: &Path) -> io::Result<()> {
    for file in fs::read_dir(directory)? {
        fs::remove_file(file?.path())?;
    }
    Ok(())
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(begin_error("reading", path, error)),
    }
}

/// Writes a file under the name that it has until it is whole.
fn write(path: &Path, bytes: &[u8]) -> Result<File, StorageError> {
    let mut file = File::create(path).map_err(|error| begin_error("making", path, error))?;
    let written = file.write_all(bytes);
    written.map_err(|error| io_error("writing", path, error))?;
    Ok(file)
}

fn sync(file: &File, path: &Path) -> Result<(), StorageError> {
    file.sync_all()
        .map_err(|error| io_error("syncing", path, error))
}

fn rename(from: &Path, to: &Path) -> Result<(), StorageError> {
    fs::rename(from, to).map_err(|error| io_error("renaming to", to, error))
}

fn sync_directory(path: &Path) -> Result<(), StorageError> {
    // What is above a relative path of one part is where the process is.
    let path = match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    };
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(|error| io_error("syncing", path, error))
}
