//! Nodes as processes: signals that end them, stop them and let them go on.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tenzik_node::{NodeConfig, serve};

use crate::common::{ALL, Receipts, configured, until};
use crate::harness::{
    FOLLOWING, Following, LOG_SEED, LogNode, ORIGIN, directory, log_key, log_sections, peer,
};

/// The other process: this binary with a configuration to serve.
const CONFIG: &str = "TENZIK_NODE_TEST_LOG";

#[test]
#[ignore = "serves until it is ended"]
fn serves() {
    let path = std::env::var_os(CONFIG).expect("a configuration");
    let config = NodeConfig::read(path.as_ref()).expect("a configuration");
    serve(config, Vec::new()).expect("it serves");
}

/// A node with a log, as a process.
struct Process {
    child: Child,
    url: String,
}

impl Process {
    fn start(directory: &Path, port: u16) -> Self {
        configured(directory, &sections(port));
        let child = Command::new(std::env::current_exe().expect("this binary"))
            .args(["processes::serves", "--exact", "--ignored", "--nocapture"])
            .env(CONFIG, directory.join("node.toml"))
            .stdout(Stdio::null())
            .stderr(File::create(directory.join("stderr")).expect("a file"))
            .spawn()
            .expect("a process");
        let process = Self {
            child,
            url: format!("http://127.0.0.1:{port}"),
        };
        until("it answers", || {
            ureq::get(format!("{}/healthz", process.url)).call().is_ok()
        });
        process
    }

    fn signal(&self, name: &str) {
        let told = Command::new("kill")
            .args([name, &self.child.id().to_string()])
            .status();
        assert!(told.expect("kill").success());
    }

    /// The place that it answers with, if it answers.
    fn append(&self, receipt: &[u8]) -> Option<u64> {
        let mut answer = ureq::post(format!("{}/v1/receipts", self.url))
            .header("authorization", format!("Bearer {ALL}"))
            .header("content-type", "application/json")
            .send(receipt)
            .ok()?;
        let body = answer.body_mut().read_to_string().ok()?;
        let body: Value = serde_json::from_str(&body).expect("JSON");
        body["index"].as_u64()
    }

    fn peer(&self) -> String {
        let log = log_key(ORIGIN, LOG_SEED);
        peer(
            "log",
            &log,
            &format!("{}/log", self.url),
            &[Receipts::of(ORIGIN).key()],
            "",
        )
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sections(port: u16) -> String {
    let quotas = "[quotas]\ncaller_requests = { per_minute = 1000000, burst = 100000 }\n";
    format!(
        "listen = \"127.0.0.1:{port}\"\n{}{quotas}",
        log_sections(ORIGIN, "")
    )
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

fn started() -> (TempDir, Process) {
    let directory = directory();
    let process = Process::start(directory.path(), free_port());
    (directory, process)
}

#[test]
fn a_node_that_is_told_to_end_loses_no_answered_append() {
    let (directory, mut process) = started();
    let next = AtomicU64::new(0);
    let answered: Vec<(u64, u64)> = thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let receipts = Receipts::of(ORIGIN);
                    let mut answered = Vec::new();
                    // Until nobody is there any more.
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        match process.append(&receipts.bytes(number)) {
                            Some(index) => answered.push((number, index)),
                            None => return answered,
                        }
                    }
                })
            })
            .collect();
        until("there are some", || next.load(Ordering::Relaxed) > 60);
        process.signal("-TERM");
        clients
            .into_iter()
            .flat_map(|client| client.join().expect("its answers"))
            .collect()
    });
    assert!(
        process.child.wait().expect("an end").success(),
        "{}",
        fs::read_to_string(directory.path().join("stderr")).expect("its log")
    );
    assert!(answered.len() > 40);
    drop(process);
    let log = LogNode::start_in(directory, &log_sections(ORIGIN, ""));
    let receipts = Receipts::of(ORIGIN);
    // What was durable is in the tree since the end of the first process.
    assert!(log.published_size() as usize >= answered.len());
    for (number, index) in answered {
        log.assert_proved(&receipts.signed(number).id().to_string(), index);
    }
}

#[test]
fn a_stopped_process_is_waited_for_and_holds_up_nobody_else() {
    let (_directory, process) = started();
    let other = LogNode::start_in(directory(), &log_sections("other.example/log", ""));
    let other_peer = peer(
        "other",
        &log_key("other.example/log", LOG_SEED),
        &crate::harness::log_url(&other.node),
        &[Receipts::of("other.example/log").key()],
        "",
    );
    let sections = FOLLOWING.replace("request_ms = 2000", "request_ms = 1500");
    let following = Following::start_in(directory(), &[process.peer(), other_peer], &sections);
    let receipts = Receipts::of(ORIGIN);
    for number in 0..5 {
        assert_eq!(process.append(&receipts.bytes(number)), Some(number));
    }
    following.until_entries("log", 5);
    process.signal("-STOP");
    let record = following.until_failed("log", "no complete answer in time");
    assert_eq!(
        (&record["standing"], &record["entries"]),
        (&"active".into(), &5.into())
    );
    other.grow(0..7);
    following.until_entries("other", 7);
    process.signal("-CONT");
    assert_eq!(process.append(&receipts.bytes(5)), Some(5));
    following.until_entries("log", 6);
    until("it is well", || {
        following.record("log")["failure"].is_null()
    });
    assert!(following.kept.of("log").is_empty());
    assert!(record["failures_total"].as_u64() >= Some(1));
}

#[test]
fn a_killed_process_comes_back_as_it_was() {
    let (directory, process) = started();
    let port: u16 = process
        .url
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok())
        .expect("a port");
    let following = Following::start(&[process.peer()]);
    let receipts = Receipts::of(ORIGIN);
    let mut process = process;
    for round in 0..4 {
        for number in round * 10..round * 10 + 10 {
            assert_eq!(process.append(&receipts.bytes(number)), Some(number));
        }
        // Whether they are integrated, published and pulled by now or not.
        thread::sleep(Duration::from_millis(20 * round));
        drop(process);
        process = Process::start(directory.path(), port);
    }
    following.until_entries("log", 40);
    assert_eq!(following.record("log")["standing"], "active");
    assert!(following.kept.of("log").is_empty());
}
