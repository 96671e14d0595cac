//! Where a node keeps its log, its documents and its list of receipts.
//!
//! | to | use |
//! |---|---|
//! | keep a log in a folder, which needs nothing else | [`DiskStorage`] |
//! | keep a log in PostgreSQL | [`PostgresStorage`] |
//! | keep small documents of the node's own | [`Records`] |
//! | find receipts, own ones and pulled ones | [`Catalog`] |
//! | write SQL for both databases at once | [`sql`] |
//!
//! Every call here blocks, on a disk or on a database. A program with an asynchronous runtime makes them on threads that
//! may block; the PostgreSQL client panics on others.

#![forbid(unsafe_code)]

pub mod catalog;
mod committed;
mod disk;
mod gate;
mod journal;
mod postgres;
mod postgres_storage;
mod records;
pub mod sql;
mod sqlite;
mod tiles;

pub use catalog::{Catalog, CatalogRow, Filter};
pub use disk::DiskStorage;
pub use postgres::PostgresDatabase;
pub use postgres_storage::PostgresStorage;
pub use records::{
    DOCUMENT_BYTES_MAX, KEY_BYTES_MAX, KIND_BYTES_MAX, LIST_MAX, Records, RecordsError,
};
pub use sql::{Database, SqlError};
pub use sqlite::SqliteDatabase;
