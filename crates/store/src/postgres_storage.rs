//! The storage for those who run PostgreSQL.
//!
//! Enters: what a log wants kept. Leaves: the same, after any crash of this process or of a server that syncs (`fsync = on`).
//! Refuses: a schema that is in use, tiles that differ from what is there, and every write after one that failed.
//!
//! Each call is one transaction. The published checkpoint and the one that was signed last are in local files too: a database
//! that was brought back from an old backup then stands beside newer checkpoints, and the log notices.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tenzik_log::checkpoint::Checkpoint;
use tenzik_log::tile::{TileKind, TilePath};
use tenzik_log::{Commit, Entry, Storage, StorageError, Stored};
use tenzik_receipt::ReceiptId;

use crate::committed;
use crate::disk::{make_directory, publish, read_published};
use crate::gate::Gate;
use crate::postgres::PostgresDatabase;
use crate::sql::{
    Database, Migrations, Row, SqlError, Statements, Value, insert_rows, migrate, transact,
};
use crate::tiles::{cut, same};

const MIGRATIONS: Migrations = &[
    &[
        "CREATE TABLE log_pending (place INTEGER NOT NULL PRIMARY KEY, id BLOB NOT NULL, leaf BLOB NOT NULL)",
        "CREATE TABLE log_published (one INTEGER NOT NULL PRIMARY KEY, checkpoint BLOB NOT NULL)",
        "CREATE TABLE log_tiles (kind INTEGER NOT NULL, place INTEGER NOT NULL, width INTEGER NOT NULL, bytes BLOB NOT NULL, \
         PRIMARY KEY (kind, place, width))",
    ],
    // 1 if somebody handed it in.
    &["ALTER TABLE log_pending ADD COLUMN handed INTEGER NOT NULL DEFAULT 0"],
];

/// How many pending entries a statement reads.
const PENDING_AT_ONCE: u64 = 256;

/// A log in a schema of a PostgreSQL server, for this process alone until it is dropped.
pub struct PostgresStorage {
    database: Arc<PostgresDatabase>,
    /// The local file of the published checkpoint.
    checkpoint: PathBuf,
    /// Tiles that became full since a checkpoint was last published.
    outgrown: Mutex<Vec<TilePath>>,
    /// The index of the next entry, once the storage's content was asked for.
    next: Mutex<Option<u64>>,
    gate: Gate,
}

impl PostgresStorage {
    /// Connects, locks the schema and makes the tables. `config` is as [`PostgresDatabase::open`] takes it; `checkpoint` is
    /// the local file of the published checkpoint, whose folder is made if it is not there.
    ///
    /// # Errors
    /// [`StorageError::Locked`] if another process has the schema; [`StorageError::Io`].
    pub fn at(config: &str, checkpoint: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let checkpoint = checkpoint.into();
        checkpoint.parent().map_or(Ok(()), make_directory)?;
        let database = PostgresDatabase::open(config)?;
        committed::prepare(&database)?;
        migrate(&database, "log storage", MIGRATIONS)?;
        Ok(Self {
            gate: Gate::new(database.name().to_owned()),
            database: Arc::new(database),
            checkpoint,
            outgrown: Mutex::default(),
            next: Mutex::new(None),
        })
    }

    /// The database for [`Records`](crate::Records) and [`Catalog`](crate::Catalog).
    pub fn database(&self) -> Arc<dyn Database> {
        Arc::clone(&self.database) as Arc<dyn Database>
    }

    /// Does a writing call in one transaction.
    fn write(
        &self,
        work: impl FnOnce(&mut dyn Statements) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        self.gate.pass(|| self.transact(work))
    }

    /// A transaction whose work has the storage's own errors.
    fn transact(
        &self,
        work: impl FnOnce(&mut dyn Statements) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut refused = None;
        let done = transact(&*self.database, |on| {
            work(on).map_err(|error| {
                let what = error.to_string();
                refused = Some(error);
                SqlError::Unexpected { what }
            })
        });
        match refused {
            Some(error) => Err(error),
            None => Ok(done?),
        }
    }

    fn pending(&self, size: u64) -> Result<Vec<Entry>, StorageError> {
        let sql = "SELECT place, id, leaf, handed FROM log_pending WHERE place >= $1 ORDER BY place LIMIT $2";
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let next = size + entries.len() as u64;
            let parameters = [Value::integer(next)?, Value::integer(PENDING_AT_ONCE)?];
            let rows = self.database.query(sql, &parameters)?;
            let is_last = (rows.len() as u64) < PENDING_AT_ONCE;
            for (mut row, wanted) in rows.into_iter().zip(next..) {
                let entry = entry(&mut row)?;
                if entry.index != wanted {
                    return Err(gap(wanted, entry.index));
                }
                entries.push(entry);
            }
            if is_last {
                return Ok(entries);
            }
        }
    }

    /// The local file of the committed checkpoint.
    fn signed(&self) -> PathBuf {
        self.checkpoint.with_added_extension("signed")
    }

    fn stored_tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, StorageError> {
        let mut rows = self.database.query(SELECT_TILE, &key(path)?)?;
        Ok(rows.first_mut().map(|row| row.bytes(0)).transpose()?)
    }
}

impl Storage for PostgresStorage {
    fn open(&self) -> Result<Stored, StorageError> {
        let committed = committed::load(&*self.database)?;
        let size = committed.as_ref().map_or(0, |committed| committed.size);
        let merge_by = committed.as_ref().and_then(|committed| committed.merge_by);
        let pending = self.pending(size)?;
        let sql = "SELECT checkpoint FROM log_published";
        let mut rows = self.database.query(sql, &[])?;
        let published = rows.first_mut().map(|row| row.bytes(0)).transpose()?;
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(size + pending.len() as u64);
        Ok(Stored {
            committed: committed.map(|committed| committed.checkpoint),
            published: larger(read_published(&self.checkpoint)?, published),
            signed: read_published(&self.signed())?,
            pending,
            merge_by,
        })
    }

    fn append(&self, entries: &[Entry]) -> Result<(), StorageError> {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let from = next.ok_or_else(|| StorageError::Io {
            doing: format!("appending to {}", self.database.name()),
            error: "it was not opened".into(),
        })?;
        self.write(|on| {
            let rows: Result<Vec<_>, _> = (from..).zip(entries).map(pending_row).collect();
            Ok(insert_rows(
                on,
                "log_pending (place, id, leaf, handed)",
                rows?,
            )?)
        })?;
        *next = Some(from + entries.len() as u64);
        Ok(())
    }

    fn put_tiles(&self, tiles: &[(TilePath, Vec<u8>)]) -> Result<(), StorageError> {
        self.write(|on| tiles.iter().try_for_each(|tile| put_tile(on, tile)))?;
        let full = tiles
            .iter()
            .map(|(path, _)| *path)
            .filter(|path| path.is_full());
        let mut outgrown = self.outgrown.lock().unwrap_or_else(PoisonError::into_inner);
        outgrown.extend(full);
        Ok(())
    }

    fn commit(&self, commit: &Commit) -> Result<(), StorageError> {
        self.gate.pass(|| {
            self.transact(|on| {
                committed::record(on, commit)?;
                let sql = "DELETE FROM log_pending WHERE place < $1";
                on.execute(sql, &[Value::integer(commit.size)?])?;
                Ok(())
            })?;
            // The signature has not left the process. A crash here leaves the older one there, which is of the same tree.
            let signed = self.signed();
            let temporary = signed.with_added_extension("new");
            publish(&temporary, &signed, &commit.checkpoint)
        })
    }

    fn publish(&self, checkpoint: &[u8]) -> Result<(), StorageError> {
        let mut outgrown = self.outgrown.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(|on| {
            let temporary = self.checkpoint.with_added_extension("new");
            publish(&temporary, &self.checkpoint, checkpoint)?;
            // After a crash here the file is newer than the table, and the file counts.
            let sql = "INSERT INTO log_published (one, checkpoint) VALUES (1, $1) \
                ON CONFLICT (one) DO UPDATE SET checkpoint = excluded.checkpoint";
            on.execute(sql, &[Value::bytes(checkpoint)])?;
            outgrown.drain(..).try_for_each(|path| {
                let [kind, index, width] = key(path)?;
                let sql = "DELETE FROM log_tiles WHERE kind = $1 AND place = $2 AND width < $3";
                on.execute(sql, &[kind, index, width])?;
                Ok(())
            })
        })
    }

    fn tile(&self, path: TilePath) -> Result<Option<Vec<u8>>, StorageError> {
        for stored in [path, path.full()] {
            if let Some(bytes) = self.stored_tile(stored)? {
                return cut(stored, bytes, path.width()).map(Some);
            }
        }
        Ok(None)
    }

    fn find(&self, id: &ReceiptId) -> Result<Option<u64>, StorageError> {
        committed::find(|sql, parameters| self.database.query(sql, parameters), id)
    }
}

/// The published checkpoint of the file or of the table, whichever is of the larger tree: a restored database cannot take back
/// the one, nor a restored file system the other.
fn larger(file: Option<Vec<u8>>, row: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let size = |bytes: &Option<Vec<u8>>| {
        let read = Checkpoint::peek(bytes.as_ref()?);
        read.ok().map(|checkpoint| checkpoint.size())
    };
    match size(&row) > size(&file) {
        true => row,
        false => file.or(row),
    }
}

const SELECT_TILE: &str =
    "SELECT bytes FROM log_tiles WHERE kind = $1 AND place = $2 AND width = $3";

fn put_tile(
    on: &mut dyn Statements,
    (path, bytes): &(TilePath, Vec<u8>),
) -> Result<(), StorageError> {
    let [kind, index, width] = key(*path)?;
    let sql = "INSERT INTO log_tiles (kind, place, width, bytes) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let row = [kind, index, width, Value::bytes(bytes.as_slice())];
    if on.execute(sql, &row)? == 0 {
        let mut rows = on.query(SELECT_TILE, &row[..3])?;
        let stored = rows.first_mut().map(|row| row.bytes(0)).transpose()?;
        same(*path, &stored.unwrap_or_default(), bytes)?;
    }
    Ok(())
}

/// Level 0 of the hashes is 0, bundles are -1.
fn key(path: TilePath) -> Result<[Value; 3], SqlError> {
    let kind = match path.kind() {
        TileKind::Entries => -1,
        TileKind::Hashes(level) => i64::from(level),
    };
    Ok([
        Value::Integer(kind),
        Value::integer(path.index())?,
        Value::integer(u64::from(path.width()))?,
    ])
}

fn pending_row((wanted, entry): (u64, &Entry)) -> Result<Vec<Value>, StorageError> {
    if entry.index != wanted {
        return Err(gap(wanted, entry.index));
    }
    Ok(vec![
        Value::integer(entry.index)?,
        Value::bytes(*entry.id.as_bytes()),
        Value::bytes(entry.leaf.as_slice()),
        Value::Integer(entry.handed.into()),
    ])
}

fn entry(row: &mut Row) -> Result<Entry, SqlError> {
    Ok(Entry {
        index: row.integer(0)?,
        id: ReceiptId::from_bytes(row.array(1)?),
        leaf: row.bytes(2)?,
        handed: row.integer(3)? != 0,
    })
}

fn gap(wanted: u64, found: u64) -> StorageError {
    StorageError::Damaged {
        what: format!("entry {wanted} should come next, and {found} did"),
    }
}
