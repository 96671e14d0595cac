//! The list of receipts that can be searched: own ones, and those pulled from other logs.
//!
//! Enters: receipts with their log and index, each log's in its order. Leaves: rows by filter, and what audits and
//! disputes begin with. Refuses: rows that leave a gap.
//!
//! Nothing here was verified by this crate: a row says what a receipt says. The receipt itself is in its log's bundles.

mod filter;
mod row;

use std::collections::BTreeMap;
use std::sync::Arc;

use tenzik_receipt::{Blake3, RequestId};

pub use self::filter::{Filter, SELECT_MAX};
use self::row::COLUMNS;
pub use self::row::CatalogRow;
use crate::sql::{
    Database, Migrations, Row, SqlError, Statements, Value, insert_rows, migrate, transact,
};

/// The most rows of one [dispute](Catalog::disputed).
pub const CLAIMS_MAX: usize = 8;

const MIGRATIONS: Migrations = &[&[
    "CREATE TABLE catalog (origin TEXT NOT NULL, place INTEGER NOT NULL, receipt BLOB NOT NULL, request BLOB NOT NULL, \
     claim BLOB NOT NULL, node BLOB NOT NULL, capsule BLOB NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL, \
     issued_at INTEGER NOT NULL, private INTEGER NOT NULL, replayable INTEGER NOT NULL, PRIMARY KEY (origin, place))",
    "CREATE INDEX catalog_requests ON catalog (request, replayable, claim, origin, place)",
    "CREATE INDEX catalog_capsules ON catalog (origin, capsule, place) WHERE replayable = 1 AND private = 0",
    "CREATE TABLE catalog_counts (origin TEXT NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL, \
     receipts INTEGER NOT NULL, PRIMARY KEY (origin, kind, status))",
    "CREATE TABLE catalog_disputes (request BLOB NOT NULL PRIMARY KEY)",
    "CREATE TABLE catalog_progress (origin TEXT NOT NULL PRIMARY KEY, next INTEGER NOT NULL)",
]];

/// How many receipts of a log have a kind and a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// The log.
    pub origin: String,
    /// `attested`, `refused` or `wasm`.
    pub kind: String,
    /// The status's name.
    pub status: String,
    /// How many.
    pub receipts: u64,
}

/// The receipts of a database.
#[derive(Clone)]
pub struct Catalog {
    database: Arc<dyn Database>,
}

impl Catalog {
    /// Makes the tables if they are not there.
    ///
    /// # Errors
    /// [`SqlError::Newer`], or the database's.
    pub fn new(database: Arc<dyn Database>) -> Result<Self, SqlError> {
        migrate(&*database, "catalog", MIGRATIONS)?;
        Ok(Self { database })
    }

    /// Adds rows and moves their logs' cursors, all of it or nothing; durable when it returns. The rows of a log begin
    /// at its [`progress`](Self::progress) and go on without a gap.
    ///
    /// # Errors
    /// [`SqlError::Unexpected`] for a gap; the database's.
    pub fn insert(&self, rows: &[CatalogRow]) -> Result<(), SqlError> {
        let mut logs: BTreeMap<&str, Vec<&CatalogRow>> = BTreeMap::new();
        for row in rows {
            logs.entry(&row.origin).or_default().push(row);
        }
        transact(&*self.database, |on| {
            logs.iter()
                .try_for_each(|(origin, rows)| insert_log(on, origin, rows))
        })
    }

    /// Adds the rows of those leaves of a log that count, and moves its cursor to `to`: what has no row up to there does
    /// not count. All of it or nothing; durable when it returns.
    ///
    /// # Errors
    /// [`SqlError::Unexpected`] if the rows are not in order between [`progress`](Self::progress) and `to`; the database's.
    pub fn insert_up_to(&self, origin: &str, rows: &[CatalogRow], to: u64) -> Result<(), SqlError> {
        let rows: Vec<&CatalogRow> = rows.iter().collect();
        transact(&*self.database, |on| {
            let from = next_of(on.query(SELECT_NEXT, &[Value::text(origin)])?)?;
            let ordered = rows.is_sorted_by(|one, other| one.index < other.index);
            let fits = |row: &&CatalogRow| row.origin == origin && (from..to).contains(&row.index);
            if from > to || !ordered || !rows.iter().all(fits) {
                return Err(SqlError::Unexpected {
                    what: format!("rows of {origin} from {from} to {to} should come, in order"),
                });
            }
            write_log(on, origin, &rows, from, to)
        })
    }

    /// Adds rows of leaves that did not count when the cursor went past them, and do now; those that are there stay. All of
    /// it or nothing; durable when it returns.
    ///
    /// # Errors
    /// [`SqlError::Unexpected`] if a row is of another log, or not below [`progress`](Self::progress); the database's.
    pub fn insert_late(&self, origin: &str, rows: &[CatalogRow]) -> Result<(), SqlError> {
        transact(&*self.database, |on| {
            let next = next_of(on.query(SELECT_NEXT, &[Value::text(origin)])?)?;
            for row in rows {
                if row.origin != origin || row.index >= next {
                    return Err(SqlError::Unexpected {
                        what: format!("row {} is late for nothing: {next} is next", row.index),
                    });
                }
                let place = [Value::text(origin), Value::integer(row.index)?];
                let sql = "SELECT place FROM catalog WHERE origin = $1 AND place = $2";
                if on.query(sql, &place)?.is_empty() {
                    write_rows(on, origin, &[row], row.index, row.index + 1)?;
                }
            }
            Ok(())
        })
    }

    /// How many of a log's receipts are here: the index of the next one.
    ///
    /// # Errors
    /// The database's.
    pub fn progress(&self, origin: &str) -> Result<u64, SqlError> {
        next_of(self.database.query(SELECT_NEXT, &[Value::text(origin)])?)
    }

    /// The rows that a filter lets through, by log and index.
    ///
    /// # Errors
    /// The database's.
    pub fn select(&self, filter: &Filter) -> Result<Vec<CatalogRow>, SqlError> {
        let (conditions, parameters) = filter.sql()?;
        let sql = format!("SELECT {COLUMNS} FROM catalog {conditions}");
        let rows = self.database.query(&sql, &parameters)?;
        rows.into_iter().map(CatalogRow::read).collect()
    }

    /// Requests with more than one claim, by request after `after`, at most `limit` and [`SELECT_MAX`]: for each, the first row of every claim,
    /// 2 to [`CLAIMS_MAX`] of them.
    ///
    /// Only candidates: all of them can be run again, but whether two contradict each other is for
    /// [`tenzik_receipt::dispute::compare`] to say, which has to see the receipts.
    ///
    /// # Errors
    /// The database's.
    pub fn disputed(
        &self,
        after: Option<RequestId>,
        limit: usize,
    ) -> Result<Vec<Vec<CatalogRow>>, SqlError> {
        let sql =
            "SELECT request FROM catalog_disputes WHERE request > $1 ORDER BY request LIMIT $2";
        let after = after.map_or_else(Vec::new, |request| request.as_bytes().to_vec());
        let limit = Value::integer(limit.min(SELECT_MAX) as u64)?;
        let requests = self.database.query(sql, &[Value::Bytes(after), limit])?;
        requests
            .into_iter()
            .map(|mut row| self.claims_of(RequestId::from_bytes(row.array(0)?)))
            .collect()
    }

    /// The capsules that a log's indexes from `from` and below `to` are the first to show, each with the index where it
    /// is first: of public runs that can be run again.
    ///
    /// # Errors
    /// The database's.
    pub fn first_seen_capsules(
        &self,
        origin: &str,
        from: u64,
        to: u64,
    ) -> Result<Vec<(Blake3, u64)>, SqlError> {
        let sql = "SELECT capsule, MIN(place) FROM catalog AS here \
             WHERE origin = $1 AND place >= $2 AND place < $3 AND replayable = 1 AND private = 0 AND NOT EXISTS \
             (SELECT 1 FROM catalog AS earlier WHERE earlier.origin = $1 AND earlier.capsule = here.capsule \
             AND earlier.place < $2 AND earlier.replayable = 1 AND earlier.private = 0) \
             GROUP BY capsule ORDER BY MIN(place)";
        let parameters = [
            Value::text(origin),
            Value::integer(from)?,
            Value::integer(to)?,
        ];
        let rows = self.database.query(sql, &parameters)?;
        let read = |mut row: Row| Ok((Blake3::from_bytes(row.array(0)?), row.integer(1)?));
        rows.into_iter().map(read).collect()
    }

    /// How many receipts there are of each log, kind and status.
    ///
    /// # Errors
    /// The database's.
    pub fn counts(&self) -> Result<Vec<Count>, SqlError> {
        let sql = "SELECT origin, kind, status, receipts FROM catalog_counts ORDER BY origin, kind, status";
        let read = |mut row: Row| {
            Ok(Count {
                origin: row.text(0)?,
                kind: row.text(1)?,
                status: row.text(2)?,
                receipts: row.integer(3)?,
            })
        };
        let rows = self.database.query(sql, &[])?;
        rows.into_iter().map(read).collect()
    }

    /// From claim to claim: one request may have thousands of rows.
    fn claims_of(&self, request: RequestId) -> Result<Vec<CatalogRow>, SqlError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM catalog WHERE request = $1 AND claim > $2 \
             AND replayable = 1 ORDER BY claim, origin, place LIMIT 1"
        );
        let request = Value::bytes(*request.as_bytes());
        let mut found: Vec<CatalogRow> = Vec::new();
        while found.len() < CLAIMS_MAX {
            let after = found
                .last()
                .map_or_else(Vec::new, |row| row.claim.as_bytes().to_vec());
            let parameters = [request.clone(), Value::Bytes(after)];
            let Some(row) = self.database.query(&sql, &parameters)?.pop() else {
                break;
            };
            found.push(CatalogRow::read(row)?);
        }
        Ok(found)
    }
}

const SELECT_NEXT: &str = "SELECT next FROM catalog_progress WHERE origin = $1";

fn next_of(mut rows: Vec<Row>) -> Result<u64, SqlError> {
    rows.first_mut().map_or(Ok(0), |row| row.integer(0))
}

/// Adds the rows of one log.
fn insert_log(on: &mut dyn Statements, origin: &str, rows: &[&CatalogRow]) -> Result<(), SqlError> {
    let from = next_of(on.query(SELECT_NEXT, &[Value::text(origin)])?)?;
    if let Some((wanted, row)) = (from..)
        .zip(rows)
        .find(|(wanted, row)| row.index != *wanted)
    {
        return Err(SqlError::Unexpected {
            what: format!("row {wanted} should come next, and {} did", row.index),
        });
    }
    write_log(on, origin, rows, from, from + rows.len() as u64)
}

/// Writes rows between two cursors.
fn write_log(
    on: &mut dyn Statements,
    origin: &str,
    rows: &[&CatalogRow],
    from: u64,
    to: u64,
) -> Result<(), SqlError> {
    write_rows(on, origin, rows, from, to)?;
    let to = Value::integer(to)?;
    let sql = "INSERT INTO catalog_progress (origin, next) VALUES ($1, $2) \
        ON CONFLICT (origin) DO UPDATE SET next = excluded.next";
    on.execute(sql, &[Value::text(origin), to])?;
    Ok(())
}

/// Writes rows and what follows from them, but for the cursor.
fn write_rows(
    on: &mut dyn Statements,
    origin: &str,
    rows: &[&CatalogRow],
    from: u64,
    to: u64,
) -> Result<(), SqlError> {
    let values: Result<Vec<_>, _> = rows.iter().map(|row| row.values()).collect();
    insert_rows(on, &format!("catalog ({COLUMNS})"), values?)?;
    count(on, origin, rows)?;
    find_disputes(on, origin, Value::integer(from)?, Value::integer(to)?)
}

fn count(on: &mut dyn Statements, origin: &str, rows: &[&CatalogRow]) -> Result<(), SqlError> {
    let mut counts: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for row in rows {
        *counts.entry((&row.kind, &row.status)).or_default() += 1;
    }
    let sql = "INSERT INTO catalog_counts (origin, kind, status, receipts) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (origin, kind, status) DO UPDATE SET receipts = catalog_counts.receipts + excluded.receipts";
    for ((kind, status), receipts) in counts {
        let key = [Value::text(origin), Value::text(kind), Value::text(status)];
        let [origin, kind, status] = key;
        on.execute(sql, &[origin, kind, status, Value::integer(receipts)?])?;
    }
    Ok(())
}

/// Notes the requests of new rows that another row claims something else for. Each is looked up below and above its own
/// claim, so that the many equal ones are not read.
fn find_disputes(
    on: &mut dyn Statements,
    origin: &str,
    from: Value,
    to: Value,
) -> Result<(), SqlError> {
    let other = |side: &str| {
        format!(
            "EXISTS (SELECT 1 FROM catalog AS other WHERE other.request = new.request \
             AND other.claim {side} new.claim AND other.replayable = 1)"
        )
    };
    let sql = format!(
        "INSERT INTO catalog_disputes (request) SELECT DISTINCT request FROM catalog AS new \
         WHERE origin = $1 AND place >= $2 AND place < $3 AND replayable = 1 \
         AND ({} OR {}) ON CONFLICT DO NOTHING",
        other("<"),
        other(">")
    );
    on.execute(&sql, &[Value::text(origin), from, to]).map(drop)
}
