//! A node with programs that run for as long as a test wants, for two callers.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tenzik::backend::{Attempt, Backend, BackendError, Ended, Job, Readiness};
use tenzik::router::Limit;
use tenzik_node::Parts;
use tenzik_receipt::{Blake3, Label, Profile};

use crate::common::{Answer, PATIENCE, TestNode, until};
use crate::programs::wanted;

/// A second caller with the role `execute`, and no other.
pub(crate) const OTHER: &str = "token-of-another-caller-of-programs-004";

const KIND: Label = Label::constant("gate");

/// A backend whose programs run until the test lets them end, or they are cancelled.
#[derive(Default)]
pub(crate) struct Gate {
    seen: Mutex<Seen>,
    changed: Condvar,
    /// How many bytes each writes to its standard output.
    stdout_bytes: usize,
}

/// What was seen of its programs.
#[derive(Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) is_open: bool,
    pub(crate) running: usize,
    pub(crate) running_most: usize,
    pub(crate) began: usize,
}

impl Gate {
    /// One that is open, and whose programs write so much.
    pub(crate) fn writing(stdout_bytes: usize) -> Self {
        let gate = Self {
            stdout_bytes,
            ..Self::default()
        };
        gate.open();
        gate
    }

    pub(crate) fn open(&self) {
        self.lock().is_open = true;
        self.changed.notify_all();
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.lock()
    }

    /// Waits until as many have begun.
    pub(crate) fn began(&self, count: usize) {
        until("began", || self.seen().began >= count);
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("no panic")
    }

    fn enter(&self) {
        let mut seen = self.lock();
        seen.began += 1;
        seen.running += 1;
        seen.running_most = seen.running_most.max(seen.running);
    }

    fn wait(&self, job: &Job<'_>) {
        let until = Instant::now() + PATIENCE;
        let mut seen = self.lock();
        // A test that fails ends, too.
        while !seen.is_open && !job.control.is_cancelled() && Instant::now() < until {
            let (again, _) = self
                .changed
                .wait_timeout(seen, Duration::from_millis(10))
                .expect("no panic");
            seen = again;
        }
        seen.running -= 1;
    }
}

impl Backend for Gate {
    fn kind(&self) -> Label {
        KIND
    }

    fn profile_max(&self) -> Profile {
        Profile::Hardened
    }

    fn languages(&self) -> Vec<Label> {
        vec![Label::constant("shell")]
    }

    fn holds(&self, _: Limit, _: &Label, _: Profile) -> bool {
        true
    }

    fn probe(&self) -> Readiness {
        Readiness::Ready { version: KIND }
    }

    fn run(&self, job: &Job<'_>) -> Result<Attempt, BackendError> {
        self.enter();
        self.wait(job);
        let ended = match job.control.is_cancelled() {
            true => Ended::Aborted {
                code: Label::constant("cancelled"),
            },
            false => Ended::Ok(Arc::clone(job.input)),
        };
        let mut attempt = Attempt::new(ended, KIND, Duration::ZERO);
        attempt.stdout.bytes = vec![b'x'; self.stdout_bytes];
        Ok(attempt)
    }
}

/// A node with this backend, its configuration's section with these lines, and two callers.
pub(crate) fn node(gate: &Arc<Gate>, lines: &str) -> TestNode {
    node_with(gate, lines, |_| {})
}

pub(crate) fn node_with(gate: &Arc<Gate>, lines: &str, more: impl FnOnce(&mut Parts)) -> TestNode {
    let directory = TempDir::new().expect("a directory");
    let token = Blake3::of(OTHER.as_bytes());
    let row =
        format!("[[caller]]\nname = \"other\"\ntokens = [\"{token}\"]\nroles = [\"execute\"]\n");
    std::fs::write(directory.path().join("more-callers.toml"), row).expect("callers");
    let sections = format!("[executions]\nbackends = [\"gate\"]\nprogress_ms = 100\n{lines}");
    let backend = Arc::clone(gate) as Arc<dyn Backend>;
    let parts = |parts: &mut Parts| {
        more(parts);
        parts.execute_on(vec![backend]).expect("executions");
    };
    TestNode::start_in(directory, &sections, parts, |routes| routes)
}

/// A request under an id that is made of a number.
pub(crate) fn numbered(number: usize) -> Value {
    let mut body = wanted(&id(number), "true");
    body["profile"] = json!("standard");
    body
}

pub(crate) fn id(number: usize) -> String {
    format!("{number:064x}")
}

pub(crate) fn path(number: usize) -> String {
    format!("/v1/executions/{}", id(number))
}

pub(crate) fn post(node: &TestNode, token: &str, body: &Value) -> Answer {
    node.ask("POST", "/v1/executions", Some(token), Some(body))
}

/// Sends a request, and leaves its answer where it is.
pub(crate) fn send(node: &TestNode, token: &str, body: &Value) -> TcpStream {
    let body = body.to_string();
    let mut stream = node.connect();
    stream
        .write_all(head(token, body.len()).as_bytes())
        .expect("sent");
    stream.write_all(body.as_bytes()).expect("sent");
    stream
}

pub(crate) fn head(token: &str, length: usize) -> String {
    format!(
        "POST /v1/executions HTTP/1.1\r\nhost: node\r\nconnection: close\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// The last line of an answer; none where it was cut.
pub(crate) fn end(answer: &Answer) -> Option<Value> {
    let body = whole(&answer.body)?;
    let lines = body.split(|byte| *byte == b'\n');
    let line = lines.into_iter().rfind(|line| !line.is_empty())?;
    let line: Value = serde_json::from_slice(line).ok()?;
    (line["event"] == "end").then_some(line)
}

/// A body that came in chunks; none where the last of them did not come.
fn whole(mut chunks: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n")?;
        let length = std::str::from_utf8(&chunks[..end]).ok()?;
        let length = usize::from_str_radix(length, 16).ok()?;
        if length == 0 {
            return Some(body);
        }
        let chunk = chunks.get(end + 2..)?;
        body.extend_from_slice(chunk.get(..length)?);
        chunks = chunk.get(length + 2..)?;
    }
}
