//! Durable appends by 64 clients through the node's log, integration and publication included, against SQLite.
//!
//! Every figure is receipts a second on one disk in one run, in turns; the ratios are what counts. SQLite has one writer,
//! so its 64 clients would wait for each other: it gets one loop without any waiting. Both of its journal modes are
//! measured with `synchronous=FULL`. `TENZIK_APPENDS` sets the receipts of a round (64,000; 640 under `cargo test`).

#[path = "../../receipt/tests/common/mod.rs"]
mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use common::{int, node, receipt, secret_key, wasm};
use rusqlite::{Connection, params};
use tenzik_log::checkpoint::Origin;
use tenzik_log::policy::Policy;
use tenzik_log::{Leaf, LeafRules, Log, Visibility};
use tenzik_node::federation::client::{Client, Patience};
use tenzik_node::log::{LogService, LogServiceConfig};
use tenzik_receipt::{Claim, KeyUse, LogPromise, SignedReceipt};
use tenzik_store::{Catalog, DiskStorage};

const CLIENTS: usize = 64;
const ORIGIN: &str = "bench.example/log";
const ROUNDS: usize = 5;

fn main() {
    let measured = std::env::args().any(|argument| argument == "--bench");
    let count = std::env::var("TENZIK_APPENDS")
        .ok()
        .and_then(|count| count.parse().ok());
    let count = count.unwrap_or(if measured { 64_000 } else { 640 });
    let rounds = if measured { ROUNDS } else { 1 };
    let mut figures: Vec<[f64; 5]> = Vec::new();
    for round in 0..rounds {
        let receipts = receipts(count, round as u64);
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let few = &receipts[..count / 32];
        figures.push([
            ours(&folder.path().join("ours"), &receipts),
            sqlite(&folder.path().join("wal1"), "WAL", few, 1),
            sqlite(&folder.path().join("delete1"), "DELETE", few, 1),
            sqlite(&folder.path().join("wal64"), "WAL", &receipts, CLIENTS),
            sqlite(
                &folder.path().join("delete64"),
                "DELETE",
                &receipts,
                CLIENTS,
            ),
        ]);
    }
    let median = |at: usize| {
        let mut column: Vec<f64> = figures.iter().map(|row| row[at]).collect();
        column.sort_by(f64::total_cmp);
        column[column.len() / 2]
    };
    let bytes = receipts(1, 0)[0].to_bytes().len();
    println!(
        "{count} receipts of {bytes} bytes a round, median of {rounds} rounds, receipts a second"
    );
    println!("64 clients through the log        {:>9.0}", median(0));
    for (at, name) in [
        (1, "SQLite WAL, one a transaction"),
        (2, "SQLite DELETE, one a transaction"),
        (3, "SQLite WAL, 64 a transaction"),
        (4, "SQLite DELETE, 64 a transaction"),
    ] {
        println!(
            "{name:<33} {:>9.0}   ours is {:.1} times that",
            median(at),
            median(0) / median(at)
        );
    }
}

fn receipts(count: usize, round: u64) -> Vec<SignedReceipt> {
    let origin = common::label(ORIGIN);
    let one = |number: usize| {
        let mut receipt = receipt(Claim::Wasm(wasm()));
        receipt.nonce.seq = int(round * 10_000_000 + number as u64);
        let merge_by = common::at("2026-11-20T08:30:00Z");
        receipt.log = Some(LogPromise {
            merge_by,
            origin: origin.clone(),
        });
        receipt
    };
    // Single signatures, as most nodes make them: the larger form.
    (0..count)
        .map(|number| node().sign_receipt(one(number)).expect("its own"))
        .collect()
}

/// Receipts a second, from the first that is sent to the last that is answered.
fn ours(directory: &Path, receipts: &[SignedReceipt]) -> f64 {
    let origin = Origin::new(ORIGIN).expect("an origin");
    let rules = LeafRules::new(origin.clone(), [node().public()], Visibility::Public);
    let rules = rules.expect("a good key");
    let storage = DiskStorage::at(directory).expect("a storage");
    let catalog = Catalog::new(storage.database()).expect("a catalog");
    let log = Log::open(
        Arc::new(storage),
        secret_key(0x33, KeyUse::Checkpoint),
        origin,
    );
    let config = LogServiceConfig {
        rules: rules.clone(),
        policy: Policy::from_bytes(b"quorum none\n").expect("a policy"),
        merge_delay_s: 60,
        integrate_ms: 250,
        waiting_max: 4_096,
    };
    let client = Client::new(Patience::default());
    let log = LogService::start(log.expect("a log"), catalog, client, config).expect("it runs");
    let leaves: Vec<Leaf> = receipts
        .iter()
        .map(|receipt| rules.sealed(receipt).expect("a leaf"))
        .collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build();
    let began = Instant::now();
    runtime.expect("a runtime").block_on(async {
        let mut clients = Vec::new();
        for share in leaves.chunks(leaves.len().div_ceil(CLIENTS)) {
            let (log, share) = (log.clone(), share.to_vec());
            clients.push(tokio::spawn(async move {
                for leaf in share {
                    let placed = log.append(leaf).expect("room for 64 clients");
                    placed.await.expect("an answer").expect("durable");
                }
            }));
        }
        for client in clients {
            client.await.expect("no panic");
        }
    });
    let rate = leaves.len() as f64 / began.elapsed().as_secs_f64();
    log.close();
    let published = log.log().published().expect("published at the end");
    assert_eq!(published.checkpoint().size(), leaves.len() as u64);
    rate
}

fn sqlite(file: &Path, mode: &str, receipts: &[SignedReceipt], batch: usize) -> f64 {
    let mut connection = Connection::open(file).expect("a database");
    connection
        .pragma_update(None, "journal_mode", mode)
        .expect("a mode");
    connection
        .pragma_update(None, "synchronous", "FULL")
        .expect("a setting");
    let table =
        "CREATE TABLE log (place INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, leaf BLOB NOT NULL)";
    connection.execute(table, []).expect("a table");
    let rows: Vec<_> = receipts
        .iter()
        .map(|receipt| (*receipt.id().as_bytes(), receipt.to_bytes()))
        .collect();
    let began = Instant::now();
    for rows in rows.chunks(batch) {
        let transaction = connection.transaction().expect("a transaction");
        {
            let sql = "INSERT INTO log (id, leaf) VALUES (?1, ?2)";
            let mut insert = transaction.prepare_cached(sql).expect("a statement");
            for (id, leaf) in rows {
                insert.execute(params![id, leaf]).expect("a row");
            }
        }
        transaction.commit().expect("durable");
    }
    rows.len() as f64 / began.elapsed().as_secs_f64()
}
