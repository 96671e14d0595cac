//! Tables, and how they came to be.
//!
//! Enters: the steps that make a part's tables. Leaves: tables at the newest step. Refuses: tables that a newer program made.

use super::{Database, Dialect, SqlError, Statements, Value, transact};

/// The steps of a part's schema, oldest first. Each is a list of statements; none is ever changed once it was released.
pub type Migrations = &'static [&'static [&'static str]];

/// Brings a part's tables to the newest version this program knows.
///
/// # Errors
/// [`SqlError::Newer`] if a newer program has written them; the database's.
pub fn migrate(
    database: &dyn Database,
    part: &'static str,
    migrations: Migrations,
) -> Result<(), SqlError> {
    let dialect = database.dialect();
    transact(database, |on| {
        let versions = "CREATE TABLE IF NOT EXISTS tenzik_schema \
            (part TEXT NOT NULL PRIMARY KEY, version INTEGER NOT NULL)";
        on.execute(&in_dialect(dialect, versions), &[])?;
        let version = version(on, part)?;
        let steps = usize::try_from(version)
            .ok()
            .and_then(|version| migrations.get(version..))
            .ok_or(SqlError::Newer {
                part,
                version,
                version_max: migrations.len() as u64,
            })?;
        for statement in steps.iter().copied().flatten() {
            on.execute(&in_dialect(dialect, statement), &[])?;
        }
        if !steps.is_empty() {
            let sql = "INSERT INTO tenzik_schema (part, version) VALUES ($1, $2) \
                ON CONFLICT (part) DO UPDATE SET version = excluded.version";
            let newest = Value::integer(migrations.len() as u64)?;
            on.execute(sql, &[Value::text(part), newest])?;
        }
        Ok(())
    })
}

fn version(on: &mut dyn Statements, part: &str) -> Result<u64, SqlError> {
    let sql = "SELECT version FROM tenzik_schema WHERE part = $1";
    on.query(sql, &[Value::text(part)])?
        .first_mut()
        .map_or(Ok(0), |row| row.integer(0))
}

/// A statement that makes a table or an index, written for SQLite.
fn in_dialect(dialect: Dialect, statement: &str) -> String {
    match dialect {
        Dialect::Sqlite if statement.starts_with("CREATE TABLE") => {
            format!("{statement} STRICT, WITHOUT ROWID")
        }
        Dialect::Sqlite => statement.to_owned(),
        Dialect::PostgreSql => statement
            .replace(" INTEGER", " BIGINT")
            .replace(" BLOB", " BYTEA")
            .replace(" TEXT", " TEXT COLLATE \"C\""),
    }
}
