//! A node at rest with a large log: how long it takes to start, and what it holds in memory.
//!
//! The log is made through the node's own service, catalog included, and closed; then a process of its own opens it as a
//! node and answers `/readyz`. `TENZIK_LEAVES` sets the log's size (1,000,000; 1,000 under `cargo test`). Linux alone says
//! what a process holds.

#[path = "../../receipt/tests/common/mod.rs"]
mod common;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{at, int, label, node, receipt, secret_key, wasm};
use tenzik_log::checkpoint::Origin;
use tenzik_log::policy::Policy;
use tenzik_log::{LeafRules, Log, Visibility};
use tenzik_node::federation::client::{Client, Patience};
use tenzik_node::log::{LogService, LogServiceConfig};
use tenzik_node::{Node, NodeConfig, Parts, Server, routes};
use tenzik_receipt::{Claim, KeyUse, LogPromise, SecretKey};
use tenzik_store::{Catalog, DiskStorage};

const ORIGIN: &str = "bench.example/log";
/// Receipts that are signed and appended at a time.
const BATCH: u64 = 4_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("serve") {
        return serve(Path::new(&arguments.next().expect("a directory")));
    }
    let measured = std::env::args().any(|argument| argument == "--bench");
    let count = std::env::var("TENZIK_LEAVES")
        .ok()
        .and_then(|count| count.parse().ok());
    let count: u64 = count.unwrap_or(if measured { 1_000_000 } else { 1_000 });
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
    configure(folder.path());
    grow(folder.path(), count);
    // The first start finds nothing in the system's cache that the second does not.
    for round in ["first", "second"] {
        let began = Instant::now();
        let mut child = start(folder.path());
        let ready = began.elapsed();
        std::thread::sleep(Duration::from_secs(if measured { 3 } else { 0 }));
        println!(
            "{count} receipts, {round} start: ready after {} ms, {} KiB resident",
            ready.as_millis(),
            resident_kib(child.id())
        );
        child.kill().expect("it runs");
        child.wait().expect("it ends");
    }
}

fn configure(directory: &Path) {
    let keys = [("receipt", node()), ("checkpoint", checkpoint_key())];
    for (name, key) in keys {
        let path = directory.join(format!("{name}.key"));
        fs::write(&path, &key.to_file()[..]).expect("a key file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("its mode");
    }
    let config = format!(
        "listen = \"127.0.0.1:0\"\ndata_dir = \"data\"\norigin = \"{ORIGIN}\"\n\
         [keys]\nreceipt = \"receipt.key\"\ncheckpoint = \"checkpoint.key\"\n"
    );
    fs::write(directory.join("node.toml"), config).expect("a file");
    // A node refuses a data directory that others may enter.
    let data = directory.join("data");
    fs::create_dir(&data).expect("a directory");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).expect("its mode");
}

fn checkpoint_key() -> SecretKey {
    secret_key(0x33, KeyUse::Checkpoint)
}

fn grow(directory: &Path, count: u64) {
    let origin = Origin::new(ORIGIN).expect("an origin");
    let rules = LeafRules::new(origin.clone(), [node().public()], Visibility::Public);
    let rules = rules.expect("a good key");
    let storage = DiskStorage::at(directory.join("data/store")).expect("a storage");
    let catalog = Catalog::new(storage.database()).expect("a catalog");
    let log = Log::open(Arc::new(storage), checkpoint_key(), origin).expect("a log");
    let config = LogServiceConfig {
        rules: rules.clone(),
        policy: Policy::from_bytes(b"quorum none\n").expect("a policy"),
        merge_delay_s: 60,
        integrate_ms: 100,
        waiting_max: 100_000,
    };
    let log = LogService::start(log, catalog, Client::new(Patience::default()), config);
    let log = log.expect("it runs");
    let mut next = 0;
    while next < count {
        let end = count.min(next + BATCH);
        let receipts = (next..end).map(|seq| {
            let mut receipt = receipt(Claim::Wasm(wasm()));
            receipt.nonce.seq = int(seq);
            let (merge_by, origin) = (at("2026-11-20T08:30:00Z"), label(ORIGIN));
            receipt.log = Some(LogPromise { merge_by, origin });
            receipt
        });
        let signed = node().sign_batch(receipts.collect()).expect("its own");
        let leaves = signed
            .iter()
            .map(|receipt| rules.sealed(receipt).expect("a leaf"));
        let waiting: Vec<_> = leaves.map(|leaf| log.append(leaf).expect("room")).collect();
        for placed in waiting {
            placed.blocking_recv().expect("an answer").expect("durable");
        }
        // What waits for its tree is bounded, and this program is faster than the tree.
        while log.log().pending().0 > 4 * BATCH as usize {
            std::thread::sleep(Duration::from_millis(20));
        }
        next = end;
    }
    log.close();
    let published = log.log().published().expect("published at the end");
    assert!(published.checkpoint().size() >= count);
}

fn start(directory: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .arg("serve")
        .arg(directory)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut address = String::new();
    let stdout = child.stdout.as_mut().expect("it is piped");
    BufReader::new(stdout)
        .read_line(&mut address)
        .expect("an address");
    let mut stream = TcpStream::connect(address.trim()).expect("it listens");
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nhost: n\r\nconnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    child
}

fn serve(directory: &Path) {
    let config = NodeConfig::read(&directory.join("node.toml")).expect("a configuration");
    let mut parts = Parts::open(config).expect("a node");
    parts.follow().expect("no peers");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let server = Server::bind(Node::new(parts), routes::all())
            .await
            .expect("a port");
        println!("{}", server.address());
        server.run(std::future::pending()).await
    });
}

fn resident_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
    kib.unwrap_or(0)
}
