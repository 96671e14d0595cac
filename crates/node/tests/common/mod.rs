//! A node on a port of its own, and clients for it.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    reason = "each test binary uses its own part"
)]

mod receipts;

pub use receipts::Receipts;

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tenzik_log::StorageError;
use tenzik_node::routes::{self, Routes};
use tenzik_node::{Ended, Node, NodeConfig, NodeError, Parts, Server, SetupError};
use tenzik_receipt::{Blake3, KeyUse, PublicKey, SecretKey, Timestamp};
use tokio::sync::oneshot;

/// A caller with every role, one with none, one whose time is over.
pub const ALL: &str = "token-of-the-caller-with-all-roles-0001";
pub const NONE: &str = "token-of-the-caller-with-no-role-000002";
pub const GONE: &str = "token-of-the-caller-that-expired-000003";

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A node in a thread; dropping it stops it.
pub struct TestNode {
    pub address: SocketAddr,
    pub key: PublicKey,
    pub directory: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Ended>>,
}

impl TestNode {
    /// A node with more sections in its configuration.
    pub fn start(sections: &str) -> Self {
        Self::start_with(sections, |_| {}, |routes| routes)
    }

    /// A node with more parts and routes.
    pub fn start_with(
        sections: &str,
        parts: impl FnOnce(&mut Parts),
        more: impl FnOnce(Routes) -> Routes,
    ) -> Self {
        let directory = TempDir::new().expect("a directory");
        Self::start_in(directory, sections, parts, more)
    }

    /// A node in a directory in which there may be more files.
    pub fn start_in(
        directory: TempDir,
        sections: &str,
        parts: impl FnOnce(&mut Parts),
        more: impl FnOnce(Routes) -> Routes,
    ) -> Self {
        let config = configured(directory.path(), sections);
        let mut node_parts = opened(config).expect("a node");
        parts(&mut node_parts);
        node_parts.follow().expect("peers are followed");
        let node = Node::new(node_parts);
        let key = node.receipt_key();
        let routes = more(routes::all());
        let (stop, stopped) = oneshot::channel();
        let (told, address) = std::sync::mpsc::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .expect("a runtime");
            // Database clients may not be dropped where an asynchronous runtime runs.
            let kept = node.clone();
            let ended = runtime.block_on(async {
                let server = Server::bind(node, routes).await.expect("a port");
                told.send(server.address()).expect("a listener");
                let stop = async {
                    let _: Result<(), _> = stopped.await;
                };
                server.run(stop).await
            });
            drop(runtime);
            drop(kept);
            ended
        });
        Self {
            address: address.recv_timeout(PATIENCE).expect("an address"),
            key,
            directory,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Stops the node, and gives its files.
    pub fn stop(mut self) -> TempDir {
        self.tell();
        self.ended();
        std::mem::replace(&mut self.directory, TempDir::new().expect("a directory"))
    }

    /// Tells the node to stop.
    pub fn tell(&mut self) {
        drop(self.stop.take());
    }

    /// Waits for the end.
    pub fn ended(&mut self) -> Ended {
        let thread = self.thread.take().expect("it ends once");
        thread.join().expect("a node does not panic")
    }

    /// A request over a connection of its own.
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Answer {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n");
        if let Some(token) = token {
            head += &format!("authorization: Bearer {token}\r\n");
        }
        if !body.is_empty() {
            head += &format!(
                "content-type: application/json\r\ncontent-length: {}\r\n",
                body.len()
            );
        }
        self.send(format!("{head}\r\n{body}").as_bytes())
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None, None)
    }

    /// Sends bytes of a type.
    pub fn post(&self, path: &str, token: Option<&str>, content_type: &str, body: &[u8]) -> Answer {
        let token = token.map_or_else(String::new, |token| {
            format!("authorization: Bearer {token}\r\n")
        });
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: node\r\nconnection: close\r\n{token}content-type: {content_type}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        self.send(&[head.as_bytes(), body].concat())
    }

    pub fn run(&self, body: &Value) -> Answer {
        self.ask("POST", "/v1/runs", Some(ALL), Some(body))
    }

    /// Bytes over a connection of its own, and all that comes back.
    pub fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        // The node may have answered and closed before it has everything.
        let _ = stream.write_all(bytes);
        Answer::read(&mut stream)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream
    }

    /// A figure of `/metrics`, 0 if it is not there.
    pub fn figure(&self, name: &str) -> f64 {
        let text = self.ask("GET", "/metrics", Some(ALL), None).text();
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.rsplit(' ').next())
            .map_or(0.0, |figure| figure.parse().expect("a number"))
    }
}

impl Drop for TestNode {
    fn drop(&mut self) {
        self.tell();
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "the node panicked");
        }
    }
}

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads to the end of the connection.
    pub fn read(stream: &mut impl Read) -> Self {
        let mut bytes = Vec::new();
        // A connection that is cut after the answer is read as far as it came.
        let _ = stream.read_to_end(&mut bytes);
        Self::parse(&bytes)
    }

    pub fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else {
            return Self {
                status: 0,
                head: String::from_utf8_lossy(bytes).into_owned(),
                body: Vec::new(),
            };
        };
        let head = String::from_utf8(bytes[..end].to_vec()).expect("a head in ASCII");
        let status = head
            .get(9..12)
            .expect("a status")
            .parse()
            .expect("a number");
        Self {
            status,
            head: head.to_ascii_lowercase(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("text")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {:?}", self.head, self.body))
    }

    /// The code of a refusal, in the one form that there is.
    #[track_caller]
    pub fn code(&self) -> String {
        let body = self.json();
        assert_eq!(body["version"], 1, "{body}");
        for member in ["message", "hint"] {
            assert!(
                body["error"][member]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{body}"
            );
        }
        assert!(
            self.head.contains("content-type: application/json"),
            "{}",
            self.head
        );
        body["error"]["code"].as_str().expect("a code").to_owned()
    }

    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) {
        assert_eq!(
            self.status,
            status,
            "{} {}",
            self.head,
            String::from_utf8_lossy(&self.body)
        );
        assert_eq!(self.code(), code);
    }
}

/// The parts of a node, in a directory that may have been open before.
pub fn opened(config: NodeConfig) -> Result<Parts, NodeError> {
    let is_held = |error: &NodeError| match error {
        NodeError::InUse { .. } => true,
        NodeError::Setup(SetupError::Storage(error)) => is_locked(error),
        _ => false,
    };
    unlocked(is_held, || Parts::open(config.clone()))
}

pub fn is_locked(error: &StorageError) -> bool {
    matches!(error, StorageError::Locked { .. })
}

/// Opens what may have been open before, where another test may be about to start a process: until that is another program,
/// it has this one's files open, locked ones too.
pub fn unlocked<T, E>(
    is_held: impl Fn(&E) -> bool,
    open: impl Fn() -> Result<T, E>,
) -> Result<T, E> {
    let began = Instant::now();
    loop {
        match open() {
            Err(error) if is_held(&error) && began.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
}

/// Writes all files of a node, and reads its configuration. What stands before `[keys]` in the sections stands before the
/// first of them.
pub fn configured(directory: &Path, sections: &str) -> NodeConfig {
    write_key(&directory.join("receipt.key"), 7, KeyUse::Receipt);
    write_callers(directory);
    let (top, sections) = sections.split_once("[keys]\n").unwrap_or(("", sections));
    let listen = match top.contains("listen = ") {
        true => "",
        false => "listen = \"127.0.0.1:0\"\n",
    };
    let text = format!(
        "{listen}{top}data_dir = \"data\"\ncallers = \"callers.toml\"\n[keys]\nreceipt = \"receipt.key\"\n{sections}"
    );
    let path = directory.join("node.toml");
    fs::write(&path, text).expect("a configuration");
    NodeConfig::read(&path).expect("a configuration")
}

/// The three callers, and those of `more-callers.toml` if a test has written that.
fn write_callers(directory: &Path) {
    let row = |name: &str, token: &str, more: &str| {
        let digest = Blake3::of(token.as_bytes());
        format!("[[caller]]\nname = \"{name}\"\ntokens = [\"{digest}\"]\n{more}\n")
    };
    let roles =
        "roles = [\"run\", \"append\", \"peer\", \"admin\", \"blobs\", \"metrics\", \"execute\"]";
    let path = directory.join("callers.toml");
    let more = fs::read_to_string(directory.join("more-callers.toml")).unwrap_or_default();
    let text = row("all", ALL, roles)
        + &row("none", NONE, "roles = []")
        + &row(
            "gone",
            GONE,
            &format!("{roles}\nexpires_at = \"2020-01-01T00:00:00Z\""),
        )
        + &more;
    fs::write(path, text).expect("callers");
}

pub fn write_key(path: &Path, seed: u8, key_use: KeyUse) {
    let made = Timestamp::from_unix_seconds(1_700_000_000).expect("a time");
    let key = SecretKey::from_seed(&[seed; 32], key_use, made);
    fs::write(path, key.to_file()).expect("a key");
    secret(path);
}

/// Only the owner may use it.
pub fn secret(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("a mode");
}

/// A file of a capsule in the repository.
pub fn capsule_file(path: &str) -> Vec<u8> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../capsules");
    fs::read(root.join(path)).expect("a capsule's file")
}

pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// The request that most tests send: an order's total.
pub fn order_total() -> Value {
    json!({
        "capsule_base64": base64(&capsule_file("order-total/order-total.wasm")),
        "input_base64": base64(&capsule_file("order-total/example.json")),
        "grants": ["json"],
    })
}

/// A request for a run that lasts as long as it may.
pub fn endless(ms: u32) -> Value {
    let text = "(module (memory (export \"memory\") 1) (func (export \"run\") (loop (br 0))))";
    json!({
        "capsule_base64": base64(&wat::parse_str(text).expect("a module")),
        "input": null,
        "limits": {"time_ms": ms, "fuel": 9_007_199_254_740_991_u64},
    })
}

/// The section that lets such runs last.
pub const LASTING: &str = "[runs]\nat_once = 2\nfuel_max = 9007199254740991\ntime_max_ms = 60000\n";

/// Waits until something holds.
#[track_caller]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "never {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
