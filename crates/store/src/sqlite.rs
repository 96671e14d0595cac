//! SQLite as a [`Database`].
//!
//! Enters: a file's path. Leaves: one connection that writes and one that reads beside it. Refuses: nothing of its own.
//!
//! A transaction is on the disk when it returns (`synchronous=FULL` in WAL mode: the log is synced at each commit). Each
//! connection caches at most 1 MiB.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, ToSql, TransactionBehavior};

use crate::sql::{Database, Dialect, Row, SqlError, Statements, Value, Work, doing, lock};

/// How long a statement waits for another process, such as a backup.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// Pages that a connection keeps, in KiB.
const CACHE_KIB: i64 = 1_024;
/// What the write-ahead log is cut to once it was copied back.
const WAL_BYTES_KEPT: i64 = 4 * 1024 * 1024;
/// Statements that a connection keeps.
const PREPARED_MAX: usize = 64;

/// An open file of SQLite's. Making it is not exclusive: the storage beside it holds the lock.
pub struct SqliteDatabase {
    name: String,
    writer: Mutex<Connection>,
    reader: Mutex<Connection>,
}

impl SqliteDatabase {
    /// Opens the file, and makes it if it is not there.
    ///
    /// # Errors
    /// [`SqlError::Database`]; also if another process, such as a backup, keeps reading what a crash may have left unsynced.
    pub fn open(file: &Path) -> Result<Self, SqlError> {
        let name = file.display().to_string();
        let open = || {
            let writer = connect(file)?;
            copy_back(&writer)?;
            Ok((writer, connect_reader(file)?))
        };
        let (writer, reader) = open().map_err(|error| failed(&name, "open", error))?;
        Ok(Self {
            name,
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
        })
    }
}

/// A connection of its own that only reads, for short questions that must not wait for the long ones of
/// [`Database::query`].
pub(crate) struct SqliteReader {
    name: String,
    connection: Mutex<Connection>,
}

impl SqliteReader {
    /// Opens a file that [`SqliteDatabase::open`] has opened.
    pub(crate) fn open(file: &Path) -> Result<Self, SqlError> {
        let name = file.display().to_string();
        let connection = connect_reader(file).map_err(|error| failed(&name, "open", error))?;
        Ok(Self {
            name,
            connection: Mutex::new(connection),
        })
    }

    /// Reads, and sees all that was committed before.
    pub(crate) fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, SqlError> {
        let connection = lock(&self.connection)?;
        query(&connection, sql, parameters).map_err(|error| failed(&self.name, sql, error))
    }
}

fn connect_reader(file: &Path) -> rusqlite::Result<Connection> {
    let reader = connect(file)?;
    reader.pragma_update(None, "query_only", true)?;
    Ok(reader)
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY_WAIT)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_MAX);
    Ok(connection)
}

/// Syncs what is in the write-ahead log and copies it back. A process that was killed may have left a transaction there
/// that is read and was never synced; nothing may be built on it before it is.
fn copy_back(connection: &Connection) -> rusqlite::Result<()> {
    // The answer's first column says whether a lock was in the way; then it is no error, and nothing need be copied.
    let busy: i64 =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    match busy {
        0 => Ok(()),
        _ => Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            Some("another process reads the file: what a crash left in its log cannot be copied back".to_owned()),
        )),
    }
}

impl Database for SqliteDatabase {
    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, SqlError> {
        let reader = lock(&self.reader)?;
        query(&reader, sql, parameters).map_err(|error| failed(&self.name, sql, error))
    }

    fn transaction(&self, work: Work<'_>) -> Result<(), SqlError> {
        let mut writer = lock(&self.writer)?;
        let transaction = writer
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| failed(&self.name, "begin", error))?;
        // Dropped without a commit, it is rolled back.
        work(&mut Open {
            name: &self.name,
            connection: &transaction,
        })?;
        transaction
            .commit()
            .map_err(|error| failed(&self.name, "commit", error))
    }
}

/// A transaction that is open.
struct Open<'a> {
    name: &'a str,
    connection: &'a Connection,
}

impl Statements for Open<'_> {
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, SqlError> {
        let run = || -> rusqlite::Result<usize> {
            let mut statement = self.connection.prepare_cached(sql)?;
            bind(&mut statement, parameters)?;
            statement.raw_execute()
        };
        run()
            .map(|changed| changed as u64)
            .map_err(|error| failed(self.name, sql, error))
    }

    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, SqlError> {
        query(self.connection, sql, parameters).map_err(|error| failed(self.name, sql, error))
    }
}

fn query(connection: &Connection, sql: &str, parameters: &[Value]) -> rusqlite::Result<Vec<Row>> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, parameters)?;
    let columns = statement.column_count();
    let mut rows = statement.raw_query();
    let mut read = Vec::new();
    while let Some(row) = rows.next()? {
        let values: rusqlite::Result<Vec<_>> = (0..columns)
            .map(|column| row.get_ref(column).map(value))
            .collect();
        read.push(Row(values?));
    }
    Ok(read)
}

/// Binds by name: to SQLite `$2` is a name like any other, numbered by where it first stands.
fn bind(statement: &mut CachedStatement<'_>, parameters: &[Value]) -> rusqlite::Result<()> {
    for place in 1..=statement.parameter_count() {
        let value = statement
            .parameter_name(place)
            .and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok())
            .and_then(|number| parameters.get(number.checked_sub(1)?))
            .ok_or(rusqlite::Error::InvalidParameterCount(
                parameters.len(),
                place,
            ))?;
        statement.raw_bind_parameter(place, value)?;
    }
    Ok(())
}

impl ToSql for Value {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// No table here has real numbers, and text that is not UTF-8 was not written here: either comes out as bytes, which
/// the reader of the row refuses.
fn value(read: ValueRef<'_>) -> Value {
    match read {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Bytes(number.to_be_bytes().to_vec()),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::Text(text.to_owned()),
            Err(_) => Value::Bytes(text.to_vec()),
        },
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    }
}

fn failed(name: &str, sql: &str, error: rusqlite::Error) -> SqlError {
    SqlError::Database {
        doing: doing(name, sql),
        error: Box::new(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader of an old state keeps the write-ahead log from being cut, and SQLite calls that no error.
    #[test]
    fn what_cannot_be_copied_back_is_not_built_on() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("node.db");
        let crashed = connect(&file).expect("a connection");
        let write = |sql| crashed.execute_batch(sql).expect("written");
        write("CREATE TABLE t (one INTEGER); INSERT INTO t VALUES (1)");
        let backup = connect(&file).expect("a connection");
        backup.execute_batch("BEGIN").expect("begun");
        let count = |connection: &Connection| -> i64 {
            let rows = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0));
            rows.expect("a number")
        };
        assert_eq!(count(&backup), 1);
        write("INSERT INTO t VALUES (2)");
        let opening = connect(&file).expect("a connection");
        opening.busy_timeout(Duration::ZERO).expect("set");
        copy_back(&opening).expect_err("the other one still reads");
        backup.execute_batch("COMMIT").expect("ended");
        copy_back(&opening).expect("nobody is in the way");
        assert_eq!(count(&opening), 2);
    }
}
