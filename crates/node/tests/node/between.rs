//! Who stands between a router and a node: somebody who breaks, changes and floods connections, and a node that begins anew.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tenzik_backends::{Process, ProcessConfig};
use tenzik_receipt::PublicKey;

use crate::common::{ALL, TestNode};
use crate::programs::{EXECUTIONS, node};

/// What somebody between does to one exchange.
pub(crate) enum Deed {
    /// Passes it on.
    Pass,
    /// Passes it on after a while.
    Late,
    /// Passes the request on, and breaks the connection after so many bytes of the answer's body.
    Cut(usize),
    /// Passes neither on.
    Lose,
    /// Passes the request on, and answers by itself with this status.
    Fail(u16),
    /// Passes another answer on.
    Change(Box<dyn Fn(Value) -> Value + Send>),
    /// Answers by itself, without end.
    Flood(&'static str),
    /// Answers by itself.
    Say(&'static str),
}

/// Somebody between a router and a node.
pub(crate) struct Between {
    pub(crate) address: SocketAddr,
    pub(crate) asked: Arc<AtomicU32>,
    seen: Arc<Mutex<Seen>>,
}

/// What was seen of its connections.
#[derive(Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) open: u32,
    /// The most at once.
    pub(crate) open_most: u32,
    /// The most bytes that one of them took of a flood.
    pub(crate) poured_most: usize,
}

impl Between {
    /// `deeds` is given the request's first line, and how many of the same method came before.
    pub(crate) fn start(
        node: impl Fn() -> SocketAddr + Send + Sync + 'static,
        deeds: impl Fn(&str, u32) -> Deed + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(AtomicU32::new(0));
        let (count, seen) = (Arc::clone(&asked), Arc::<Mutex<Seen>>::default());
        let shared = Arc::new((node, deeds, Arc::clone(&seen)));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, count) = (Arc::clone(&shared), Arc::clone(&count));
                opened(&shared.2);
                thread::spawn(move || {
                    let poured = exchange(&stream, &shared.0, &shared.1, &count);
                    // Whoever sees its end may open another one at once.
                    closed(&shared.2, poured);
                    let _ = stream.shutdown(Shutdown::Both);
                });
            }
        });
        Self {
            address,
            asked,
            seen,
        }
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.seen.lock().expect("no panic")
    }
}

/// A node that ends while it has a program, and another life of it in its place.
pub(crate) struct Reborn {
    pub(crate) key: PublicKey,
    first: Mutex<Option<TestNode>>,
    second: Mutex<Option<TestNode>>,
    address: Mutex<SocketAddr>,
}

impl Reborn {
    pub(crate) fn start() -> Arc<Self> {
        let first = node();
        Arc::new(Self {
            key: first.key,
            address: Mutex::new(first.address),
            first: Mutex::new(Some(first)),
            second: Mutex::default(),
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        *self.address.lock().expect("no panic")
    }

    /// Ends the first life, and begins the second one with the same key.
    pub(crate) fn begin_anew(&self) {
        let first = self.first.lock().expect("no panic").take();
        let parts = |parts: &mut tenzik_node::Parts| {
            let process = Process::new(ProcessConfig::default());
            parts
                .execute_on(vec![Arc::new(process)])
                .expect("executions");
        };
        let directory = first.expect("once").stop();
        let node = TestNode::start_in(directory, EXECUTIONS, parts, |routes| routes);
        *self.address.lock().expect("no panic") = node.address;
        *self.second.lock().expect("no panic") = Some(node);
    }
}

/// Somebody who changes requests on their way to a node.
pub(crate) fn changing(node: SocketAddr, change: fn(&mut Value)) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Some((first, request)) = read_request(&stream) else {
                continue;
            };
            let end = request.windows(4).position(|four| four == b"\r\n\r\n");
            let request = match first.starts_with("POST") {
                true => {
                    let body = &request[end.expect("a head") + 4..];
                    let mut body: Value = serde_json::from_slice(body).expect("JSON");
                    change(&mut body);
                    let body = body.to_string();
                    let head = format!(
                        "POST /v1/executions HTTP/1.1\r\nhost: node\r\nauthorization: Bearer {ALL}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    [head, body].concat().into_bytes()
                }
                false => request,
            };
            pump(&request, node, usize::MAX, &stream);
            let _ = stream.shutdown(Shutdown::Both);
        }
    });
    address
}

fn opened(seen: &Mutex<Seen>) {
    let mut seen = seen.lock().expect("no panic");
    seen.open += 1;
    seen.open_most = seen.open_most.max(seen.open);
}

fn closed(seen: &Mutex<Seen>, poured: usize) {
    let mut seen = seen.lock().expect("no panic");
    seen.open -= 1;
    seen.poured_most = seen.poured_most.max(poured);
}

/// Gives how many bytes of a flood were taken.
fn exchange(
    stream: &TcpStream,
    node: &dyn Fn() -> SocketAddr,
    deeds: &dyn Fn(&str, u32) -> Deed,
    count: &AtomicU32,
) -> usize {
    let Some((first, request)) = read_request(stream) else {
        return 0;
    };
    let mut poured = 0;
    // Who the node is and what is cancelled passes by.
    let is_plain = first.starts_with("GET /v1/executions ") || !first.contains("/v1/executions");
    let deed = match is_plain || first.starts_with("DELETE") {
        true => Deed::Pass,
        false => deeds(&first, count.fetch_add(1, Ordering::SeqCst)),
    };
    let mut out = stream;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n";
    match deed {
        Deed::Lose => {}
        Deed::Fail(status) => {
            if status == 504 {
                pump(&request, node(), 1, Vec::new());
            }
            let head =
                format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = out.write_all(head.as_bytes());
        }
        Deed::Say(body) => drop(out.write_all(format!("{head}{body}").as_bytes())),
        Deed::Flood(line) => {
            let _ = out.write_all(head.as_bytes());
            while out.write_all(line.as_bytes()).is_ok() {
                poured += line.len();
            }
        }
        Deed::Pass => pump(&request, node(), usize::MAX, out),
        Deed::Late => {
            thread::sleep(Duration::from_millis(500));
            pump(&request, node(), usize::MAX, out);
        }
        Deed::Cut(bytes) => pump(&request, node(), bytes, out),
        Deed::Change(change) => {
            let mut answer = Vec::new();
            pump(&request, node(), usize::MAX, &mut answer);
            let text = String::from_utf8(answer).expect("text");
            let (_, body) = text.split_once("\r\n\r\n").expect("a head");
            let _ = out.write_all(head.as_bytes());
            for line in body.lines().filter(|line| line.starts_with('{')) {
                let value = serde_json::from_str(line).expect("JSON");
                let _ = out.write_all(format!("{}\n", change(value)).as_bytes());
            }
        }
    }
    poured
}

fn read_request(stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length, mut first) = (String::new(), 0, String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if first.is_empty() {
            first.clone_from(&line);
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        if line == "\r\n" {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let request = [format!("{head}connection: close\r\n\r\n").as_bytes(), &body].concat();
    Some((first, request))
}

/// Sends a request to the node, and as much of its answer on.
fn pump(request: &[u8], node: SocketAddr, bytes_max: usize, mut out: impl std::io::Write) {
    let Ok(mut stream) = TcpStream::connect(node) else {
        return;
    };
    let _ = stream.write_all(request);
    let mut left = bytes_max;
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        let part = read.min(left);
        let _ = out.write_all(&buffer[..part]);
        left -= part;
        if left == 0 {
            return;
        }
    }
}
