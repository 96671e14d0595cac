//! Durable appends against SQLite: receipts of 1.6 KB, 1 and 64 to a call.
//!
//! The other side is what a program would do without a journal: a table, `synchronous=FULL`, one transaction to a call,
//! in SQLite's two journal modes. The tree's taking in is not counted, but it happens, so that the journal uses its segments
//! again as it does in a node. All sides take turns within one run; the median of the rounds counts. What is printed are
//! receipts per second and how many times those of each SQLite row the journal's are.
//!
//! Without `--bench` each side makes one call, so that `cargo test --benches` sees that it works.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tenzik_log::{Commit, Entry, Storage};
use tenzik_receipt::ReceiptId;
use tenzik_store::DiskStorage;

const LEAF_BYTES: usize = 1_600;
/// How many entries the tree takes in at once.
const COMMIT_ENTRIES: u64 = 1_024;
const SIZES: [u64; 2] = [1, 64];
const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(200);

fn main() {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let (rounds, round) = if measured {
        (ROUNDS, ROUND)
    } else {
        (1, Duration::ZERO)
    };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    let mut sides = [
        Side::journal(&folder.path().join("log")),
        Side::sqlite(&folder.path().join("delete.db"), "DELETE"),
        Side::sqlite(&folder.path().join("wal.db"), "WAL"),
    ];
    for count in SIZES {
        let mut rates: [Vec<f64>; 3] = Default::default();
        for _ in 0..rounds {
            for (side, rates) in sides.iter_mut().zip(&mut rates) {
                rates.push(side.rate(count, round));
            }
        }
        print(count, &sides, rates.map(median));
    }
}

fn print(count: u64, sides: &[Side; 3], rates: [f64; 3]) {
    println!("{count} to a call");
    for (side, rate) in sides.iter().zip(rates) {
        let times = rates[0] / rate;
        println!(
            "  {:24} {rate:>9.0} receipts/s, the journal {times:.1} times",
            side.name
        );
    }
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Appends, and returns when the entries are durable.
type Append = Box<dyn FnMut(&[Entry])>;

/// Somewhere to append to.
struct Side {
    name: String,
    next: u64,
    append: Append,
    /// What is done between appends and not counted; it is given the log's size.
    settle: Box<dyn FnMut(u64)>,
}

impl Side {
    fn journal(directory: &Path) -> Self {
        let storage = Rc::new(DiskStorage::at(directory).expect("a storage"));
        storage.open().expect("what it holds");
        let (taking_in, mut committed) = (Rc::clone(&storage), 0);
        Self {
            name: "journal".to_owned(),
            next: 0,
            append: Box::new(move |entries| storage.append(entries).expect("appended")),
            settle: Box::new(move |size| {
                if size >= committed + COMMIT_ENTRIES {
                    commit(&taking_in, size);
                    committed = size;
                }
            }),
        }
    }

    fn sqlite(file: &Path, mode: &str) -> Self {
        let mut connection = Connection::open(file).expect("a database");
        connection
            .pragma_update(None, "journal_mode", mode)
            .expect("the mode");
        connection
            .pragma_update(None, "synchronous", "FULL")
            .expect("the mode");
        connection
            .execute_batch("CREATE TABLE log (place INTEGER PRIMARY KEY, id BLOB, leaf BLOB)")
            .expect("a table");
        Self {
            name: format!("SQLite FULL {mode}"),
            next: 0,
            append: Box::new(move |entries| insert(&mut connection, entries)),
            settle: Box::new(|_| ()),
        }
    }

    /// Receipts per second over calls that take `round` or longer in all.
    fn rate(&mut self, count: u64, round: Duration) -> f64 {
        let (mut done, mut spent) = (0, Duration::ZERO);
        while done == 0 || spent < round {
            let entries: Vec<_> = (self.next..self.next + count).map(entry).collect();
            let began = Instant::now();
            (self.append)(&entries);
            spent += began.elapsed();
            self.next += count;
            done += count;
            (self.settle)(self.next);
        }
        done as f64 / spent.as_secs_f64()
    }
}

fn commit(storage: &DiskStorage, size: u64) {
    let commit = Commit {
        checkpoint: Vec::new(),
        size,
        entries: Vec::new(),
        merge_by: None,
    };
    storage.commit(&commit).expect("committed");
}

fn insert(connection: &mut Connection, entries: &[Entry]) {
    let transaction = connection.transaction().expect("a transaction");
    for entry in entries {
        transaction
            .prepare_cached("INSERT INTO log VALUES (?1, ?2, ?3)")
            .and_then(|mut statement| {
                statement.execute((entry.index.cast_signed(), entry.id.as_bytes(), &entry.leaf))
            })
            .expect("inserted");
    }
    transaction.commit().expect("committed");
}

fn entry(index: u64) -> Entry {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&index.to_le_bytes());
    Entry {
        index,
        id: ReceiptId::from_bytes(id),
        leaf: vec![b'x'; LEAF_BYTES],
        handed: false,
    }
}
