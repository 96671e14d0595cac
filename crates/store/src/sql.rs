//! One way to speak SQL to two databases.
//!
//! Enters: statements with `$1`, `$2`... for parameters, and [`Value`]s. Leaves: [`Row`]s.
//! Refuses: numbers of 2^63 and above, rows of another form than the caller names, a schema newer than this program.
//!
//! What the two dialects share is enough: `ON CONFLICT`, partial indexes, comparison of rows. Tables are written with
//! SQLite's names of types and given to PostgreSQL with its own; text sorts by its bytes in both.

mod schema;
mod value;

use std::sync::{Mutex, MutexGuard};

use tenzik_log::StorageError;

pub use self::schema::{Migrations, migrate};
pub use self::value::{Row, Value};

/// Which of the two databases it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// PostgreSQL.
    PostgreSql,
    /// SQLite.
    Sqlite,
}

/// What runs statements: a transaction.
pub trait Statements {
    /// Runs a statement, and says how many rows it changed.
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, SqlError>;

    /// Runs a statement that answers with rows.
    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, SqlError>;
}

/// What is done within a transaction. It is called once.
pub type Work<'a> = &'a mut dyn FnMut(&mut dyn Statements) -> Result<(), SqlError>;

/// A database. Statements are prepared once for each text, so their texts are few.
///
/// *Thread-safety*: shared between threads; writing calls wait for each other, and so do reading ones. *Errors*: after one
/// of a writing call it is not known whether it took place, unless the database said no. *Empty*: a transaction of nothing
/// does nothing.
pub trait Database: Send + Sync {
    /// Which database it is.
    fn dialect(&self) -> Dialect;

    /// Its file or server, for messages, without a password.
    fn name(&self) -> &str;

    /// Reads, beside a transaction that may be running, and sees all that was committed before.
    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, SqlError>;

    /// Does all of the work or nothing. Durable when it returns.
    fn transaction(&self, work: Work<'_>) -> Result<(), SqlError>;
}

/// Does all of the work or nothing, and gives back what it gave. Durable when it returns.
///
/// # Errors
/// The work's own, or the database's.
pub fn transact<T>(
    database: &dyn Database,
    work: impl FnOnce(&mut dyn Statements) -> Result<T, SqlError>,
) -> Result<T, SqlError> {
    let mut work = Some(work);
    let mut done = None;
    database.transaction(&mut |on| {
        if let Some(work) = work.take() {
            done = Some(work(on)?);
        }
        Ok(())
    })?;
    Ok(done.expect("a database that reports success has called the work"))
}

/// A transaction of one statement. Says how many rows it changed.
///
/// # Errors
/// The database's.
pub fn execute(database: &dyn Database, sql: &str, parameters: &[Value]) -> Result<u64, SqlError> {
    transact(database, |on| on.execute(sql, parameters))
}

/// Inserts rows of equal width, many in one statement. `into` is a table with the names of its columns.
///
/// # Errors
/// The database's, for the first of the rows that is there already among others.
pub fn insert_rows(
    on: &mut dyn Statements,
    into: &str,
    rows: Vec<Vec<Value>>,
) -> Result<(), SqlError> {
    // Few sizes, so that few statements are prepared.
    const AT_ONCE: [usize; 3] = [64, 8, 1];
    let mut rows = rows.into_iter();
    for at_once in AT_ONCE {
        while rows.len() >= at_once {
            let group: Vec<_> = rows.by_ref().take(at_once).collect();
            let width = group.first().map_or(0, Vec::len);
            let values: Vec<Value> = group.into_iter().flatten().collect();
            on.execute(&insert_sql(into, at_once, width), &values)?;
        }
    }
    Ok(())
}

fn insert_sql(into: &str, rows: usize, width: usize) -> String {
    let row = |row: usize| {
        let places: Vec<_> = (1..=width)
            .map(|column| format!("${}", row * width + column))
            .collect();
        format!("({})", places.join(","))
    };
    let rows: Vec<_> = (0..rows).map(row).collect();
    format!("INSERT INTO {into} VALUES {}", rows.join(","))
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>, SqlError> {
    // A thread that panicked within a transaction may have left it open.
    mutex.lock().map_err(|_| SqlError::Unexpected {
        what: "a thread panicked while it used the database".to_owned(),
    })
}

/// The start of a statement, for messages. Statements are the project's own and hold no values.
pub(crate) fn doing(database: &str, sql: &str) -> String {
    let start: String = sql.chars().take(60).collect();
    format!("{database}: {start}")
}

/// Why a database did not do it: the host's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlError {
    /// The database refused, or was not reached.
    #[error("{doing}: {error}")]
    Database {
        /// The database and the start of the statement.
        doing: String,
        /// What it said.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another process has it.
    #[error("the database {name} is in use by another process")]
    Locked {
        /// Its name.
        name: String,
    },
    /// A newer program has written it.
    #[error("the tables of {part} have version {version}, this program knows up to {version_max}")]
    Newer {
        /// Which tables.
        part: &'static str,
        /// Their version.
        version: u64,
        /// The newest one that is known.
        version_max: u64,
    },
    /// A number that does not fit a database's.
    #[error("{number} is above 2^63 - 1")]
    Range {
        /// The number.
        number: u64,
    },
    /// It holds what this program does not write.
    #[error("the database holds what it should not: {what}")]
    Unexpected {
        /// What was found.
        what: String,
    },
}

impl From<SqlError> for StorageError {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Locked { name } => Self::Locked { name },
            SqlError::Unexpected { what } => Self::Damaged { what },
            SqlError::Database { doing, error } => Self::Io { doing, error },
            other => Self::Io {
                doing: "using the database".to_owned(),
                error: Box::new(other),
            },
        }
    }
}
