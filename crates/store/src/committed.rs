//! The tables that both storages have alike: the committed checkpoint, and which receipt has which index.
//!
//! Enters: a [`Commit`]. Leaves: the newest checkpoint, and indexes. Refuses: a receipt that has an index already.

use tenzik_log::{Commit, StorageError};
use tenzik_receipt::{ReceiptId, Timestamp};

use crate::sql::{Database, Migrations, Row, SqlError, Statements, Value, insert_rows, migrate};

const MIGRATIONS: Migrations = &[
    &[
        "CREATE TABLE log_committed (one INTEGER NOT NULL PRIMARY KEY, size INTEGER NOT NULL, checkpoint BLOB NOT NULL)",
        "CREATE TABLE log_ids (id BLOB NOT NULL PRIMARY KEY, place INTEGER NOT NULL)",
    ],
    // In seconds since 1970; null where nothing is promised.
    &["ALTER TABLE log_committed ADD COLUMN merge_by INTEGER"],
];

/// A checkpoint with its size, and the earliest promise that was open then.
pub(crate) struct Committed {
    pub(crate) size: u64,
    pub(crate) checkpoint: Vec<u8>,
    pub(crate) merge_by: Option<Timestamp>,
}

/// Makes the tables.
pub(crate) fn prepare(database: &dyn Database) -> Result<(), SqlError> {
    migrate(database, "log", MIGRATIONS)
}

/// The newest committed checkpoint.
pub(crate) fn load(database: &dyn Database) -> Result<Option<Committed>, SqlError> {
    let sql = "SELECT size, checkpoint, merge_by FROM log_committed";
    let mut rows = database.query(sql, &[])?;
    let committed = |row: &mut Row| {
        Ok(Committed {
            size: row.integer(0)?,
            checkpoint: row.bytes(1)?,
            merge_by: row.integer_if_any(2)?.map(time).transpose()?,
        })
    };
    rows.first_mut().map(committed).transpose()
}

fn time(seconds: u64) -> Result<Timestamp, SqlError> {
    Timestamp::from_unix_seconds(seconds).map_err(|_| SqlError::Unexpected {
        what: format!("{seconds} seconds since 1970 are no time"),
    })
}

/// Writes checkpoint and ids, within a transaction.
pub(crate) fn record(on: &mut dyn Statements, commit: &Commit) -> Result<(), SqlError> {
    let sql = "INSERT INTO log_committed (one, size, checkpoint, merge_by) VALUES (1, $1, $2, $3) \
        ON CONFLICT (one) DO UPDATE SET size = excluded.size, checkpoint = excluded.checkpoint, \
        merge_by = excluded.merge_by";
    let checkpoint = Value::bytes(commit.checkpoint.as_slice());
    let merge_by = match commit.merge_by {
        Some(merge_by) => Value::integer(merge_by.unix_seconds())?,
        None => Value::Null,
    };
    on.execute(sql, &[Value::integer(commit.size)?, checkpoint, merge_by])?;
    let mut entries = commit.entries.clone();
    // In the order of the table's tree, so that neighbours share the pages they touch.
    entries.sort_unstable();
    let rows: Result<Vec<_>, _> = entries
        .into_iter()
        .map(|(id, index)| Ok(vec![Value::bytes(*id.as_bytes()), Value::integer(index)?]))
        .collect();
    insert_rows(on, "log_ids (id, place)", rows?)
}

/// The index of a committed receipt. `query` asks the database.
pub(crate) fn find(
    query: impl FnOnce(&str, &[Value]) -> Result<Vec<Row>, SqlError>,
    id: &ReceiptId,
) -> Result<Option<u64>, StorageError> {
    let sql = "SELECT place FROM log_ids WHERE id = $1";
    let mut rows = query(sql, &[Value::bytes(*id.as_bytes())])?;
    let index = rows.first_mut().map(|row| row.integer(0)).transpose()?;
    Ok(index)
}
