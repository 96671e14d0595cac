//! The node's own small documents, by kind and key.
//!
//! Enters: a kind, a key, bytes. Leaves: the bytes. Refuses: kinds, keys and documents above their bounds.
//!
//! What the bytes mean is the caller's to say. A document is replaced as a whole; [`Records::put_if`] replaces it only if it
//! is what the caller last read, which is what two threads that decide by it need.

use std::sync::Arc;

use crate::sql::{Database, Migrations, Row, SqlError, Value, execute, migrate};

/// The most bytes of a kind.
pub const KIND_BYTES_MAX: usize = 64;
/// The most bytes of a key: an origin or an address with something before it.
pub const KEY_BYTES_MAX: usize = 1_024;
/// The most bytes of a document.
pub const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;
/// The most documents in one answer of [`Records::list`].
pub const LIST_MAX: usize = 1_000;

const MIGRATIONS: Migrations = &[&[
    "CREATE TABLE records (kind TEXT NOT NULL, name TEXT NOT NULL, document BLOB NOT NULL, PRIMARY KEY (kind, name))",
]];

/// The documents of a database. Each writing call is durable when it returns.
#[derive(Clone)]
pub struct Records {
    database: Arc<dyn Database>,
}

/// Why a document was not written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordsError {
    /// The database's fault.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// Something is too long, or holds a byte that is 0.
    #[error(
        "the {part} has {bytes} bytes, up to {bytes_max} are allowed, and in a text none that is 0"
    )]
    Refused {
        /// `kind`, `key` or `document`.
        part: &'static str,
        /// Its bytes.
        bytes: usize,
        /// The most there may be.
        bytes_max: usize,
    },
}

impl Records {
    /// Makes the table if it is not there.
    ///
    /// # Errors
    /// [`SqlError::Newer`], or the database's.
    pub fn new(database: Arc<dyn Database>) -> Result<Self, SqlError> {
        migrate(&*database, "records", MIGRATIONS)?;
        Ok(Self { database })
    }

    /// The document, if there is one.
    ///
    /// # Errors
    /// [`RecordsError`].
    pub fn get(&self, kind: &str, key: &str) -> Result<Option<Vec<u8>>, RecordsError> {
        let sql = "SELECT document FROM records WHERE kind = $1 AND name = $2";
        let mut rows = self.database.query(sql, &names(kind, key)?)?;
        Ok(rows.first_mut().map(|row| row.bytes(0)).transpose()?)
    }

    /// Writes a document over whatever was there.
    ///
    /// # Errors
    /// [`RecordsError`].
    pub fn put(&self, kind: &str, key: &str, document: &[u8]) -> Result<(), RecordsError> {
        let sql = "INSERT INTO records (kind, name, document) VALUES ($1, $2, $3) \
            ON CONFLICT (kind, name) DO UPDATE SET document = excluded.document";
        let [kind, key] = names(kind, key)?;
        execute(&*self.database, sql, &[kind, key, written(document)?])?;
        Ok(())
    }

    /// Writes a document if what is there is `expected`, where `None` stands for nothing, and says whether it did. All
    /// or nothing, also against other threads.
    ///
    /// # Errors
    /// [`RecordsError`].
    pub fn put_if(
        &self,
        kind: &str,
        key: &str,
        expected: Option<&[u8]>,
        document: &[u8],
    ) -> Result<bool, RecordsError> {
        let [kind, key] = names(kind, key)?;
        let mut parameters = vec![kind, key, written(document)?];
        let sql = match expected {
            None => {
                "INSERT INTO records (kind, name, document) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
            }
            Some(expected) => {
                parameters.push(Value::bytes(expected));
                "UPDATE records SET document = $3 WHERE kind = $1 AND name = $2 AND document = $4"
            }
        };
        Ok(execute(&*self.database, sql, &parameters)? == 1)
    }

    /// Removes a document, and says whether there was one.
    ///
    /// # Errors
    /// [`RecordsError`].
    pub fn delete(&self, kind: &str, key: &str) -> Result<bool, RecordsError> {
        let sql = "DELETE FROM records WHERE kind = $1 AND name = $2";
        Ok(execute(&*self.database, sql, &names(kind, key)?)? == 1)
    }

    /// Keys and documents of a kind, by key in the order of bytes, after `after` (`""` for all), at most `limit` and
    /// [`LIST_MAX`].
    ///
    /// # Errors
    /// [`RecordsError`].
    pub fn list(
        &self,
        kind: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<(String, Vec<u8>)>, RecordsError> {
        let sql = "SELECT name, document FROM records WHERE kind = $1 AND name > $2 ORDER BY name LIMIT $3";
        let [kind, after] = names(kind, after)?;
        let limit = Value::integer(limit.min(LIST_MAX) as u64)?;
        let rows = self.database.query(sql, &[kind, after, limit])?;
        let read = |mut row: Row| Ok((row.text(0)?, row.bytes(1)?));
        rows.into_iter().map(read).collect()
    }
}

fn names(kind: &str, key: &str) -> Result<[Value; 2], RecordsError> {
    let name = |part, text: &str, bytes_max| {
        // PostgreSQL's text has no byte 0.
        if text.contains('\0') {
            return Err(refused(part, text.len(), bytes_max));
        }
        bounded(part, text.len(), bytes_max).map(|()| Value::text(text))
    };
    Ok([
        name("kind", kind, KIND_BYTES_MAX)?,
        name("key", key, KEY_BYTES_MAX)?,
    ])
}

fn written(document: &[u8]) -> Result<Value, RecordsError> {
    bounded("document", document.len(), DOCUMENT_BYTES_MAX)?;
    Ok(Value::bytes(document))
}

fn bounded(part: &'static str, bytes: usize, bytes_max: usize) -> Result<(), RecordsError> {
    if bytes <= bytes_max {
        return Ok(());
    }
    Err(refused(part, bytes, bytes_max))
}

const fn refused(part: &'static str, bytes: usize, bytes_max: usize) -> RecordsError {
    RecordsError::Refused {
        part,
        bytes,
        bytes_max,
    }
}
