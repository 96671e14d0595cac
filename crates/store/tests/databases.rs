//! Both databases answer alike: statements, transactions, schema versions, documents.

mod common;

use std::sync::Arc;

use common::Server;
use tenzik_store::sql::{Value, execute, insert_rows, migrate, transact};
use tenzik_store::{
    DOCUMENT_BYTES_MAX, Database, KEY_BYTES_MAX, PostgresDatabase, Records, RecordsError, SqlError,
    SqliteDatabase,
};

#[test]
fn sqlite() {
    let folder = tempfile::tempdir().expect("a folder");
    each(&|name| {
        let file = folder.path().join(name);
        Arc::new(SqliteDatabase::open(&file).expect("a database"))
    });
}

#[test]
fn postgresql() {
    let Some(server) = Server::start() else {
        return;
    };
    each(&|name| {
        let database = PostgresDatabase::open(&server.schema(name));
        Arc::new(database.expect("a database"))
    });
    let config = server.schema("taken");
    let first = PostgresDatabase::open(&config).expect("a database");
    let second = PostgresDatabase::open(&config);
    assert!(matches!(second, Err(SqlError::Locked { .. })));
    drop(first);
    PostgresDatabase::open(&config).expect("it is free again");
    assert!(PostgresDatabase::open("host=/nowhere user=tenzik").is_err());
    assert!(PostgresDatabase::open("what=is this").is_err());
}

/// A database of this name that has nothing in it.
type Make<'a> = &'a dyn Fn(&str) -> Arc<dyn Database>;

fn each(make: Make<'_>) {
    parameters_go_by_their_number(&*make("parameters"));
    a_transaction_is_all_or_nothing(&*make("transactions"));
    schemas_go_forward_only(&*make("schemas"));
    many_rows_arrive_in_order(&*make("rows"));
    documents(make("documents"));
    one_of_many_wins(make("races"));
}

fn parameters_go_by_their_number(database: &dyn Database) {
    migrate(
        database,
        "t",
        &[&["CREATE TABLE t (one INTEGER NOT NULL PRIMARY KEY, text TEXT, bytes BLOB)"]],
    )
    .expect("a table");
    let sql = "INSERT INTO t (bytes, text, one) VALUES ($3, $2, $1)";
    let row = [
        Value::Integer(i64::MAX),
        Value::text("é'\"$1"),
        Value::bytes([0, 255]),
    ];
    assert_eq!(execute(database, sql, &row).expect("inserted"), 1);
    execute(
        database,
        sql,
        &[Value::Integer(1), Value::Null, Value::Null],
    )
    .expect("inserted");
    let mut rows = database
        .query(
            "SELECT bytes, one, text FROM t WHERE one > $1 OR one < $1",
            &[Value::Integer(1)],
        )
        .expect("rows");
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].bytes(0).expect("bytes"), [0, 255]);
    assert_eq!(rows[0].integer(1).expect("a number"), i64::MAX as u64);
    assert_eq!(rows[0].text(2).expect("text"), "é'\"$1");
    assert!(rows[0].text(2).is_err(), "taken once");
    assert!(rows[0].text(9).is_err(), "no such column");
    assert!(
        database
            .query("SELECT one FROM t WHERE one = $1", &[])
            .is_err()
    );
    assert!(database.query("SELECT nothing FROM nowhere", &[]).is_err());
    assert!(matches!(
        Value::integer(1 << 63),
        Err(SqlError::Range { .. })
    ));
    assert!(execute(database, sql, &[Value::text("1"), Value::Null, Value::Null]).is_err());
}

fn a_transaction_is_all_or_nothing(database: &dyn Database) {
    migrate(
        database,
        "t",
        &[&["CREATE TABLE t (one INTEGER NOT NULL PRIMARY KEY)"]],
    )
    .expect("a table");
    let insert = "INSERT INTO t (one) VALUES ($1)";
    let count = |database: &dyn Database| {
        database
            .query("SELECT one FROM t", &[])
            .expect("rows")
            .len()
    };
    let refused = transact(database, |on| {
        on.execute(insert, &[Value::Integer(1)])?;
        assert_eq!(on.query("SELECT one FROM t", &[])?.len(), 1);
        on.execute(insert, &[Value::Integer(1)])
    });
    assert!(refused.is_err());
    assert_eq!(count(database), 0);
    let given = transact(database, |on| on.execute(insert, &[Value::Integer(1)]));
    assert_eq!(given.expect("committed"), 1);
    assert_eq!(count(database), 1);
}

fn schemas_go_forward_only(database: &dyn Database) {
    const ONE: &[&[&str]] = &[&["CREATE TABLE t (one INTEGER NOT NULL PRIMARY KEY)"]];
    const TWO: &[&[&str]] = &[
        ONE[0],
        &["CREATE TABLE u (one INTEGER NOT NULL PRIMARY KEY)"],
    ];
    migrate(database, "part", ONE).expect("one");
    migrate(database, "part", ONE).expect("again");
    assert!(database.query("SELECT one FROM u", &[]).is_err());
    migrate(database, "part", TWO).expect("two");
    migrate(database, "part", TWO).expect("again");
    assert_eq!(
        database
            .query("SELECT one FROM u", &[])
            .expect("it is there"),
        []
    );
    let newer = migrate(database, "part", ONE);
    assert!(matches!(
        newer,
        Err(SqlError::Newer {
            version: 2,
            version_max: 1,
            ..
        })
    ));
    // A step that fails leaves no half of itself.
    let broken: &[&[&str]] = &[&[
        "CREATE TABLE v (one INTEGER NOT NULL PRIMARY KEY)",
        "CREATE NONSENSE",
    ]];
    assert!(migrate(database, "broken", broken).is_err());
    assert!(database.query("SELECT one FROM v", &[]).is_err());
}

fn many_rows_arrive_in_order(database: &dyn Database) {
    migrate(
        database,
        "t",
        &[&["CREATE TABLE t (one INTEGER NOT NULL PRIMARY KEY, text TEXT NOT NULL)"]],
    )
    .expect("a table");
    for count in [0, 1, 7, 8, 9, 64, 200] {
        let rows = |number: i64| vec![Value::Integer(number), Value::text(number.to_string())];
        transact(database, |on| {
            on.execute("DELETE FROM t", &[])?;
            insert_rows(on, "t (one, text)", (0..count).map(rows).collect())
        })
        .expect("inserted");
        let read = database
            .query("SELECT one, text FROM t ORDER BY one", &[])
            .expect("rows");
        assert_eq!(read.len() as i64, count);
        for (mut row, number) in read.into_iter().zip(0_u64..) {
            assert_eq!(row.integer(0).expect("a number"), number);
            assert_eq!(row.text(1).expect("text"), number.to_string());
        }
    }
}

fn documents(database: Arc<dyn Database>) {
    let records = Records::new(Arc::clone(&database)).expect("a table");
    assert_eq!(records.get("peer", "a").expect("none"), None);
    records.put("peer", "a", b"1").expect("written");
    records.put("peer", "a", b"2").expect("replaced");
    records.put("other", "a", b"").expect("another kind");
    assert_eq!(records.get("peer", "a").expect("read"), Some(b"2".to_vec()));
    assert_eq!(records.get("other", "a").expect("read"), Some(Vec::new()));
    assert!(
        !records
            .put_if("peer", "a", None, b"3")
            .expect("there is one")
    );
    assert!(
        !records
            .put_if("peer", "a", Some(b"1"), b"3")
            .expect("another")
    );
    assert!(
        !records
            .put_if("peer", "b", Some(b"1"), b"3")
            .expect("none there")
    );
    assert!(
        records
            .put_if("peer", "a", Some(b"2"), b"3")
            .expect("as expected")
    );
    assert!(records.put_if("peer", "b", None, b"4").expect("none there"));
    assert!(
        records
            .put_if("other", "a", Some(b""), b"5")
            .expect("an empty one")
    );
    assert_eq!(records.get("peer", "a").expect("read"), Some(b"3".to_vec()));
    // By bytes, in both databases: upper case comes first.
    records.put("peer", "B", b"6").expect("written");
    let keys = |after: &str, limit: usize| -> Vec<String> {
        let list = records.list("peer", after, limit).expect("a list");
        list.into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(keys("", 10), ["B", "a", "b"]);
    assert_eq!(keys("B", 1), ["a"]);
    assert_eq!(keys("b", 10), [""; 0]);
    assert!(records.delete("peer", "a").expect("deleted"));
    assert!(!records.delete("peer", "a").expect("gone"));
    let long = vec![0; DOCUMENT_BYTES_MAX + 1];
    records
        .put("peer", "long", &long[1..])
        .expect("as long as may be");
    for refused in [
        records.put("peer", "long", &long),
        records.put("peer", &"k".repeat(KEY_BYTES_MAX + 1), b""),
        records.put(&"k".repeat(65), "key", b""),
        records.put("peer", "a\0b", b""),
    ] {
        assert!(matches!(refused, Err(RecordsError::Refused { .. })));
    }
    Records::new(database).expect("the same table");
}

fn one_of_many_wins(database: Arc<dyn Database>) {
    let records = Records::new(database).expect("a table");
    let increments = 25;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut done = 0;
                while done < increments {
                    let found = records.get("count", "one").expect("read");
                    let number: u64 = found.as_deref().map_or(0, |bytes| {
                        std::str::from_utf8(bytes)
                            .expect("text")
                            .parse()
                            .expect("a number")
                    });
                    let next = (number + 1).to_string();
                    let won = records.put_if("count", "one", found.as_deref(), next.as_bytes());
                    done += u64::from(won.expect("decided"));
                }
            });
        }
    });
    assert_eq!(
        records.get("count", "one").expect("read"),
        Some(b"100".to_vec())
    );
}
