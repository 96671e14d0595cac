//! PostgreSQL as a [`Database`].
//!
//! Enters: a connection string. Leaves: one connection that writes and one that reads beside it. Refuses: a schema that
//! another process works in.
//!
//! The connection is not encrypted: reach the server over its Unix socket, or over a network that you trust. Everything
//! is kept in the first schema of the search path, so two nodes share a database by `options='-c search_path=NAME'`. A
//! reading connection that broke is made again; a writing one is not, since the lock on the schema went with it.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Mutex;
use std::time::Duration;

use bytes::BytesMut;
use postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use postgres::{Client, Config, NoTls, Statement};

use crate::sql::{Database, Dialect, Row, SqlError, Statements, Value, Work, doing, lock};

/// How often a schema that is locked is tried, and the pause between: two seconds in all.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// The upper half of the advisory lock's number; the lower half is the schema's. It spells `tnzk`.
const LOCK_CLASS: i64 = 0x746e_7a6b << 32;
/// Statements that a connection keeps.
const PREPARED_MAX: usize = 64;

/// A schema of a PostgreSQL server, for this process alone until it is dropped.
pub struct PostgresDatabase {
    name: String,
    config: Config,
    writer: Mutex<Session>,
    reader: Mutex<Session>,
}

impl PostgresDatabase {
    /// Connects, and locks the schema.
    ///
    /// `config` is a string such as `host=/run/postgresql user=tenzik dbname=tenzik`, or a `postgresql://` address.
    ///
    /// # Errors
    /// [`SqlError::Locked`] if another process has the schema; [`SqlError::Database`] for everything else.
    pub fn open(config: &str) -> Result<Self, SqlError> {
        let config: Config = config
            .parse()
            .map_err(|error| failed("PostgreSQL", "the connection string", error))?;
        let name = format!("PostgreSQL {}", config.get_dbname().unwrap_or("default"));
        let mut writer = Session::connect(&config, &name)?;
        writer.lock_schema()?;
        writer.sync_at_commit()?;
        let reader = Session::connect(&config, &name)?;
        Ok(Self {
            name,
            config,
            writer: Mutex::new(writer),
            reader: Mutex::new(reader),
        })
    }
}

impl Database for PostgresDatabase {
    fn dialect(&self) -> Dialect {
        Dialect::PostgreSql
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn query(&self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, SqlError> {
        let mut reader = lock(&self.reader)?;
        let read = reader.query(sql, parameters);
        if read.is_ok() || !reader.client.is_closed() {
            return read;
        }
        *reader = Session::connect(&self.config, &self.name)?;
        reader.query(sql, parameters)
    }

    fn transaction(&self, work: Work<'_>) -> Result<(), SqlError> {
        let mut writer = lock(&self.writer)?;
        writer.batch("BEGIN")?;
        writer.failed = false;
        match work(&mut *writer) {
            Ok(()) if !writer.failed => writer.batch("COMMIT"),
            // After a failed statement the server answers COMMIT by a silent ROLLBACK.
            Ok(()) => {
                writer.batch("ROLLBACK")?;
                Err(SqlError::Unexpected {
                    what: "a transaction went on after a failed statement".to_owned(),
                })
            }
            Err(error) => {
                // If this fails the connection is gone, and the server rolls back by itself.
                let _ = writer.batch("ROLLBACK");
                Err(error)
            }
        }
    }
}

/// A connection with its prepared statements.
struct Session {
    name: String,
    client: Client,
    prepared: HashMap<String, Statement>,
    /// Whether a statement failed since the transaction began.
    failed: bool,
}

impl Session {
    fn connect(config: &Config, name: &str) -> Result<Self, SqlError> {
        let client = config
            .connect(NoTls)
            .map_err(|error| failed(name, "connect", error))?;
        Ok(Self {
            name: name.to_owned(),
            client,
            prepared: HashMap::new(),
            failed: false,
        })
    }

    /// The lock ends with the connection, however that ends; but the server takes a moment to see that one has ended. A node that is
    /// started again right after its end is not refused for it.
    fn lock_schema(&mut self) -> Result<(), SqlError> {
        for _ in 1..LOCK_TRIES {
            match self.try_lock_schema() {
                Err(SqlError::Locked { .. }) => std::thread::sleep(LOCK_PAUSE),
                other => return other,
            }
        }
        self.try_lock_schema()
    }

    fn try_lock_schema(&mut self) -> Result<(), SqlError> {
        let sql = "SELECT CASE WHEN pg_try_advisory_lock($1 + oid::BIGINT) THEN 1::BIGINT ELSE 0::BIGINT END \
            FROM pg_namespace WHERE nspname = current_schema()";
        let mut rows = self.query(sql, &[Value::Integer(LOCK_CLASS)])?;
        let row = rows.first_mut().ok_or_else(|| SqlError::Unexpected {
            what: "no schema of the search path exists".to_owned(),
        })?;
        match row.integer(0)? {
            0 => Err(SqlError::Locked {
                name: self.name.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// A server may be set up to answer before it has written. What asks for more than the disk stays.
    fn sync_at_commit(&mut self) -> Result<(), SqlError> {
        let sql = "SELECT set_config('synchronous_commit', 'on', false) \
            WHERE current_setting('synchronous_commit') IN ('off', 'local')";
        self.query(sql, &[]).map(drop)
    }

    fn batch(&mut self, sql: &str) -> Result<(), SqlError> {
        self.client
            .batch_execute(sql)
            .map_err(|error| failed(&self.name, sql, error))
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement, postgres::Error> {
        if let Some(statement) = self.prepared.get(sql) {
            return Ok(statement.clone());
        }
        if self.prepared.len() >= PREPARED_MAX {
            self.prepared.clear();
        }
        let statement = self.client.prepare(sql)?;
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    fn run<T>(
        &mut self,
        sql: &str,
        run: impl FnOnce(&mut Client, &Statement) -> Result<T, postgres::Error>,
    ) -> Result<T, SqlError> {
        let done = self
            .prepare(sql)
            .and_then(|statement| run(&mut self.client, &statement));
        done.map_err(|error| {
            self.failed = true;
            failed(&self.name, sql, error)
        })
    }
}

impl Statements for Session {
    fn execute(&mut self, sql: &str, parameters: &[Value]) -> Result<u64, SqlError> {
        let parameters = borrowed(parameters);
        self.run(sql, |client, statement| {
            client.execute(statement, &parameters)
        })
    }

    fn query(&mut self, sql: &str, parameters: &[Value]) -> Result<Vec<Row>, SqlError> {
        let parameters = borrowed(parameters);
        self.run(sql, |client, statement| {
            let rows = client.query(statement, &parameters)?;
            rows.iter().map(row).collect()
        })
    }
}

fn borrowed(parameters: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    parameters
        .iter()
        .map(|value| value as &(dyn ToSql + Sync))
        .collect()
}

fn row(row: &postgres::Row) -> Result<Row, postgres::Error> {
    let values: Result<Vec<_>, _> = (0..row.len()).map(|column| value(row, column)).collect();
    values.map(Row)
}

/// Columns have three types; one of another type is an error of the client.
fn value(row: &postgres::Row, column: usize) -> Result<Value, postgres::Error> {
    let found = &row.columns()[column];
    Ok(match *found.type_() {
        Type::INT8 => row
            .try_get::<_, Option<i64>>(column)?
            .map_or(Value::Null, Value::Integer),
        Type::BYTEA => row
            .try_get::<_, Option<Vec<u8>>>(column)?
            .map_or(Value::Null, Value::Bytes),
        _ => row
            .try_get::<_, Option<String>>(column)?
            .map_or(Value::Null, Value::Text),
    })
}

impl ToSql for Value {
    fn to_sql(
        &self,
        wanted: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql_checked(wanted, out),
            Self::Text(text) => text.to_sql_checked(wanted, out),
            Self::Bytes(bytes) => bytes.to_sql_checked(wanted, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Which value it is, and so which types it fits, is known in `to_sql` only.
        true
    }

    to_sql_checked!();
}

fn failed(name: &str, sql: &str, error: postgres::Error) -> SqlError {
    // The client's own text says no more than that there was an error of the database.
    let error = error
        .as_db_error()
        .map(|said| said.message().chars().take(200).collect::<String>().into())
        .unwrap_or_else(|| Box::new(error) as Box<dyn Error + Send + Sync>);
    SqlError::Database {
        doing: doing(name, sql),
        error,
    }
}
