//! The embedded storage: a folder, which no other program is needed for.
//!
//! Enters: what a log wants kept. Leaves: the same, after any crash. Refuses: a folder that is open already, tiles that differ
//! from what is there, and every write after one that failed.
//!
//! | in the folder | what |
//! |---|---|
//! | `lock` | locked while the storage is open |
//! | `journal/` | entries that were appended and not committed, see [`journal`](crate::journal) |
//! | `node.db` | SQLite: the committed checkpoint, which receipt has which index, [`Records`](crate::Records), [`Catalog`](crate::Catalog) |
//! | `signed` | the committed checkpoint again, so that an older `node.db` beside it is noticed |
//! | `log/checkpoint` | the published checkpoint |
//! | `log/tile/` | tiles and entry bundles |
//! | `temporary/` | files on their way to `log/`; emptied at opening |
//!
//! `log/` has the paths of c2sp.org/tlog-tiles and nothing that is not public: a server of static files may serve it as
//! it is. Nothing is scanned at opening but the journal, whose length does not depend on the log's.

mod files;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tenzik_log::tile::TilePath;
use tenzik_log::{Commit, Entry, Storage, StorageError, Stored};
use tenzik_receipt::ReceiptId;

use self::files::Tiles;
pub(crate) use self::files::{begin_error, io_error, make_directory, publish, read_published};
use crate::committed;
use crate::gate::Gate;
use crate::journal::Journal;
use crate::sql::{Database, transact};
use crate::sqlite::{SqliteDatabase, SqliteReader};

/// A folder with a log in it, for this process alone until it is dropped.
///
/// Its appends may run beside its other writing calls, which wait for each other.
pub struct DiskStorage {
    directory: PathBuf,
    database: Arc<SqliteDatabase>,
    /// Where the log looks up receipts: an append must not wait for a search of the catalog.
    ids: SqliteReader,
    tiles: Mutex<Tiles>,
    /// `None` until the storage's content was asked for.
    journal: Mutex<Option<Journal>>,
    gate: Gate,
    /// Unlocked by the system when it is closed, however the process ends.
    _lock: File,
}

impl DiskStorage {
    /// Locks the folder, and makes what is missing of it.
    ///
    /// # Errors
    /// [`StorageError::Locked`] if another storage has it; [`StorageError::Io`].
    pub fn at(directory: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let directory = directory.into();
        for part in ["journal", "log", "temporary"] {
            make_directory(&directory.join(part))?;
        }
        let lock = lock(&directory)?;
        let file = directory.join("node.db");
        let database = SqliteDatabase::open(&file)?;
        committed::prepare(&database)?;
        let ids = SqliteReader::open(&file)?;
        let tiles = Tiles::open(&directory)?;
        Ok(Self {
            gate: Gate::new(directory.display().to_string()),
            directory,
            database: Arc::new(database),
            ids,
            tiles: Mutex::new(tiles),
            journal: Mutex::new(None),
            _lock: lock,
        })
    }

    /// The database for [`Records`](crate::Records) and [`Catalog`](crate::Catalog). What is done with it has no part in
    /// the log's order of writes.
    pub fn database(&self) -> Arc<dyn Database> {
        Arc::clone(&self.database) as Arc<dyn Database>
    }

    /// What a server of static files may serve.
    pub fn public_directory(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn journal<T>(
        &self,
        work: impl FnOnce(&mut Journal) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        // A thread that panicked within the journal may have left half of a frame.
        let mut journal = self.journal.lock().map_err(|_| unusable("a panic"))?;
        work(journal.as_mut().ok_or_else(|| unusable("no opening"))?)
    }
}

impl Storage for DiskStorage {
    fn open(&self) -> Result<Stored, StorageError> {
        let committed = committed::load(&*self.database)?;
        let size = committed.as_ref().map_or(0, |committed| committed.size);
        let merge_by = committed.as_ref().and_then(|committed| committed.merge_by);
        let (journal, pending) = Journal::open(&self.directory.join("journal"), size)?;
        *self.journal.lock().unwrap_or_else(PoisonError::into_inner) = Some(journal);
        Ok(Stored {
            committed: committed.map(|committed| committed.checkpoint),
            published: read_published(&self.directory.join("log/checkpoint"))?,
            signed: read_published(&self.directory.join("signed"))?,
            pending,
            merge_by,
        })
    }

    fn append(&self, entries: &[Entry]) -> Result<(), StorageError> {
        self.gate
            .pass(|| self.journal(|journal| journal.append(entries)))
    }

    fn put_tiles(&self, tiles: &[(TilePath, Vec<u8>)]) -> Result<(), StorageError> {
        let mut kept = self.tiles.lock().unwrap_or_else(PoisonError::into_inner);
        self.gate.pass(|| kept.put(tiles))
    }

    fn commit(&self, commit: &Commit) -> Result<(), StorageError> {
        self.gate.pass(|| {
            transact(&*self.database, |on| committed::record(on, commit))?;
            // The signature has not left the process. A crash here leaves the older one there, which is of the same tree.
            publish(
                &self.directory.join("temporary/signed"),
                &self.directory.join("signed"),
                &commit.checkpoint,
            )?;
            // A crash here leaves segments that the next opening removes.
            self.journal(|journal| journal.release(commit.size))
        })
    }

    fn publish(&self, checkpoint: &[u8]) -> Result<(), StorageError> {
        let mut kept = self.tiles.lock().unwrap_or_else(PoisonError::into_inner);
        self.gate.pass(|| {
            let temporary = self.directory.join("temporary/checkpoint");
            publish(
                &temporary,
                &self.directory.join("log/checkpoint"),
                checkpoint,
            )?;
            kept.remove_outgrown()
        })
    }

    fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, StorageError> {
        files::read_tile(&self.directory.join("log"), path)
    }

    fn find(&self, id: &ReceiptId) -> Result<Option<u64>, StorageError> {
        committed::find(|sql, parameters| self.ids.query(sql, parameters), id)
    }
}

fn lock(directory: &Path) -> Result<File, StorageError> {
    let path = directory.join("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| io_error("opening", &path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::Locked {
            name: directory.display().to_string(),
        }),
        Err(TryLockError::Error(error)) => Err(io_error("locking", &path, error)),
    }
}

fn unusable(why: &str) -> StorageError {
    StorageError::Io {
        doing: "using the journal".to_owned(),
        error: format!("there was {why}").into(),
    }
}
