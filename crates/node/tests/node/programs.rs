//! Programs at a real node, asked by a real router, over connections that break and by way of somebody who lies.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tenzik::backend::Backend;
use tenzik::control::{Control, Phase};
use tenzik::receipts::Circumstances;
use tenzik::router::{
    Code, CodeTree, ExecuteRequest, File, Limit, Program, Refusal, RouteError, Router,
};
use tenzik::testing::Echo;
use tenzik_backends::{Process, ProcessConfig};
use tenzik_receipt::{Label, Profile, PublicKey, Timestamp};

use crate::common::{ALL, NONE, PATIENCE, TestNode};
use crate::remote::{router_for, run};

/// Gives the input back.
const ANSWER: &str = "echo \"{\\\"ok\\\":$(cat)}\" >&3";

const EXECUTIONS: &str = "[executions]\nbackends = [\"process\"]\nprofiles = [\"dev\"]\nunsafe_host = true\n\
    at_once = 2\nwaiting_max = 2\ncaller_percent = 100\nprogress_ms = 100\nabandoned_ms = 1000\nlimits_max = { wall_ms = 60000 }\n";

fn node() -> TestNode {
    node_with(
        EXECUTIONS,
        vec![Arc::new(Process::new(ProcessConfig::default()))],
    )
}

fn node_with(sections: &str, backends: Vec<Arc<dyn Backend>>) -> TestNode {
    let parts = |parts: &mut tenzik_node::Parts| parts.execute_on(backends).expect("executions");
    TestNode::start_with(sections, parts, |routes| routes)
}

fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().expect("a clock");
    Timestamp::from_unix_seconds(since.as_secs()).expect("a time")
}

fn router(address: SocketAddr, key: PublicKey) -> Router {
    let languages = vec![Label::constant("shell")];
    router_for(&format!("http://{address}"), key, languages)
}

fn shell(code: &str) -> ExecuteRequest {
    let tree = CodeTree::single("main.sh", code.as_bytes()).expect("a tree");
    let program = Program::new(Label::constant("shell"), tree);
    ExecuteRequest::new(Code::Program(program), *b"[1, 2.50]", Profile::Dev)
}

/// Writes a line to a file, takes a while, and answers with its input.
fn once(file: &Path, seconds: f32) -> ExecuteRequest {
    shell(&format!(
        "echo ran >>{}; sleep {seconds}; {ANSWER}",
        file.display()
    ))
}

/// Waits for something that must come.
#[track_caller]
fn soon(mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "it does not come");
        thread::sleep(Duration::from_millis(20));
    }
}

fn lines(file: &Path) -> usize {
    std::fs::read_to_string(file)
        .unwrap_or_default()
        .lines()
        .count()
}

#[test]
fn a_program_runs_at_another_node_and_both_receipts_tell_of_it() {
    let node = node();
    let mut request = shell(&format!(
        "echo out; echo err >&2; test \"$1$V\" = ab && {ANSWER}"
    ));
    if let Code::Program(program) = &mut request.code {
        program.arguments = vec!["a".to_owned()];
        program.environment = [("V".to_owned(), "b".to_owned())].into();
    }
    let execution = run(&router(node.address, node.key), &request).expect("a result");
    assert_eq!(execution.value(), Some(&b"[1, 2.50]"[..]));
    assert_eq!(execution.stdout.bytes, b"out\n");
    assert_eq!(execution.stderr.bytes, b"err\n");
    let receipt = execution.receipt.receipt();
    assert_eq!(receipt.backend.kind.as_str(), "remote");
    let told = format!("{:?}", receipt.ext[&Label::constant("remote")]);
    assert!(
        told.contains(&node.key.to_string()) && told.contains("receipt:"),
        "{told}"
    );
    assert!(execution.limits.get(Limit::WallMs).enforced);
}

/// The limit was in the request that the receipt had to be about, and not in the one that was sent: the program ran, and its
/// result was thrown away.
#[test]
fn a_limit_on_chains_is_a_part_of_what_is_asked() {
    let node = node();
    let mut request = shell(ANSWER);
    request.limits = request.limits.with(Limit::ChainSteps, Some(4));
    let execution = run(&router(node.address, node.key), &request).expect("a result");
    assert_eq!(execution.value(), Some(&b"[1, 2.50]"[..]));
}

#[test]
fn every_end_of_a_program_comes_through() {
    let node = node();
    let router = router(node.address, node.key);
    let failed = run(&router, &shell("exit 3"));
    assert!(
        matches!(&failed, Err(RouteError::Failed { code, .. }) if code.as_str() == "exit:3"),
        "{failed:?}"
    );
    let long = run(
        &router,
        &shell("head -c 2000000 /dev/zero | tr '\\0' 1 >&3"),
    );
    assert!(
        matches!(
            long,
            Err(RouteError::ResourceLimit {
                limit: Limit::OutputBytes,
                ..
            })
        ),
        "{long:?}"
    );
    let no_json = run(&router, &shell("echo nonsense >&3"));
    assert!(
        matches!(&no_json, Err(RouteError::Failed { code, .. }) if code.as_str() == "bad_result"),
        "{no_json:?}"
    );
    let mut slow = shell("sleep 60");
    slow.limits = slow.limits.with(Limit::WallMs, Some(700));
    match run(&router, &slow) {
        Err(RouteError::Timeout {
            allowed_ms: 700,
            execution,
        }) => {
            let ext = &execution.receipt.receipt().ext;
            assert!(
                ext.contains_key(&Label::constant("remote")),
                "the node's word on the end of it: {ext:?}"
            );
        }
        other => panic!("{other:?}"),
    }
    // The node refuses each of these, and says so by a receipt or a status.
    let mut elsewhere = shell("true");
    elsewhere.profile = Profile::Standard;
    let refused = run(&router, &elsewhere);
    assert!(
        matches!(&refused, Err(RouteError::Refused { refusal: Refusal::BackendDenied { reason, .. }, .. }) if reason.contains("profile")),
        "{refused:?}"
    );
    let mut greedy = shell("true");
    greedy.limits = greedy.limits.with(Limit::WallMs, Some(60_001));
    let refused = run(&router, &greedy);
    assert!(
        matches!(&refused, Err(RouteError::Refused { refusal: Refusal::BackendDenied { reason, .. }, .. }) if reason.contains("limit")),
        "{refused:?}"
    );
}

#[test]
fn a_caller_is_told_how_far_it_is_and_may_end_it() {
    let node = node();
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("ran");
    let router = router(node.address, node.key);
    let request = shell(&format!(
        "echo ran >>{0}; sleep 30; echo late >>{0}",
        file.display()
    ));
    let control = Control::default();
    let came = thread::scope(|scope| {
        let running =
            scope.spawn(|| router.execute_controlled(&request, Circumstances::at(now()), &control));
        soon(|| lines(&file) == 1 && control.progress().phase == Phase::Running);
        control.cancel();
        running.join().expect("no panic")
    });
    match came {
        Err(RouteError::Aborted { code, execution }) => {
            assert_eq!(code.as_str(), "cancelled");
            assert!(
                execution
                    .receipt
                    .receipt()
                    .ext
                    .contains_key(&Label::constant("remote"))
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        node.figure("tenzik_executions_total{status=\"aborted\"}"),
        1.0
    );
}

/// What somebody between does to one exchange.
enum Deed {
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
struct Between {
    address: SocketAddr,
    asked: Arc<AtomicU32>,
    seen: Arc<Mutex<Seen>>,
}

/// What was seen of its connections.
#[derive(Clone, Copy, Default)]
struct Seen {
    open: u32,
    /// The most at once.
    open_most: u32,
    /// The most bytes that one of them took of a flood.
    poured_most: usize,
}

impl Between {
    /// `deeds` is given the request's first line, and how many of the same method came before.
    fn start(
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
                    closed(&shared.2, poured);
                });
            }
        });
        Self {
            address,
            asked,
            seen,
        }
    }

    fn seen(&self) -> Seen {
        *self.seen.lock().expect("no panic")
    }
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
    let _ = stream.shutdown(Shutdown::Both);
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

#[test]
fn a_connection_that_breaks_is_made_again_and_nothing_runs_twice() {
    let folder = TempDir::new().expect("a directory");
    let node = node();
    let address = node.address;
    type Deeds = fn(&str, u32) -> Deed;
    let breaks: [(&str, Deeds); 4] = [
        ("lost on its way", |_, before| {
            if before == 0 { Deed::Lose } else { Deed::Pass }
        }),
        ("lost before its answer", |_, before| {
            if before == 0 {
                Deed::Cut(0)
            } else {
                Deed::Pass
            }
        }),
        ("lost within its answer", |_, before| {
            if before < 3 {
                Deed::Cut(220)
            } else {
                Deed::Pass
            }
        }),
        (
            "lost each time it was begun",
            |first, before| match before {
                0..3 => Deed::Cut(if first.starts_with("POST") { 0 } else { 150 }),
                _ => Deed::Pass,
            },
        ),
    ];
    for (index, (what, deeds)) in breaks.into_iter().enumerate() {
        let file = folder.path().join(index.to_string());
        let between = Between::start(move || address, deeds);
        let came = run(&router(between.address, node.key), &once(&file, 0.5));
        let execution = came.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(execution.value(), Some(&b"[1, 2.50]"[..]), "{what}");
        assert_eq!(lines(&file), 1, "{what}");
        assert!(
            between.asked.load(Ordering::SeqCst) > 1,
            "{what}: it did not break"
        );
    }
}

/// A proxy gives up on a request that the node has, and then refuses what comes again: nobody may take it for one that never ran.
#[test]
fn what_a_proxy_says_does_not_mean_that_nothing_ran() {
    let folder = TempDir::new().expect("a directory");
    let node = node();
    let address = node.address;
    for (index, status) in [403, 404, 409, 422].into_iter().enumerate() {
        let file = folder.path().join(index.to_string());
        let between = Between::start(
            move || address,
            move |_, before| Deed::Fail(if before == 0 { 504 } else { status }),
        );
        let came = run(&router(between.address, node.key), &once(&file, 0.1));
        assert!(
            matches!(&came, Err(RouteError::Backend { error, .. }) if !error.retryable),
            "{status}: {came:?}"
        );
        soon(|| lines(&file) == 1);
    }
}

/// A node that ends while it has a program, and another life of it in its place.
struct Reborn {
    key: PublicKey,
    first: Mutex<Option<TestNode>>,
    second: Mutex<Option<TestNode>>,
    address: Mutex<SocketAddr>,
}

impl Reborn {
    fn start() -> Arc<Self> {
        let first = node();
        Arc::new(Self {
            key: first.key,
            address: Mutex::new(first.address),
            first: Mutex::new(Some(first)),
            second: Mutex::default(),
        })
    }

    fn address(&self) -> SocketAddr {
        *self.address.lock().expect("no panic")
    }

    /// Ends the first life, and begins the second one with the same key.
    fn begin_anew(&self) {
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

#[test]
fn a_node_that_was_started_anew_does_not_run_it_again() {
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("ran");
    let node = Reborn::start();
    let (asked, born) = (Arc::clone(&node), Arc::clone(&node));
    let between = Between::start(
        move || asked.address(),
        move |_, before| {
            if before == 1 {
                born.begin_anew();
            }
            match before {
                0 => Deed::Cut(0),
                _ => Deed::Pass,
            }
        },
    );
    let came = run(&router(between.address, node.key), &once(&file, 2.0));
    assert!(
        matches!(&came, Err(RouteError::Backend { error, .. }) if !error.retryable && error.reason.contains("other_boot")),
        "{came:?}"
    );
    assert_eq!(lines(&file), 1);
}

/// The second life is told to cancel what it has never heard of: that does not mean that nothing ran.
#[test]
fn a_node_that_was_started_anew_does_not_say_that_nothing_ran() {
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("ran");
    let node = Reborn::start();
    let (asked, born) = (Arc::clone(&node), Arc::clone(&node));
    let written = file.clone();
    let between = Between::start(
        move || asked.address(),
        move |first, before| {
            if before == 1 {
                soon(|| lines(&written) == 1);
                born.begin_anew();
            }
            match before {
                0 => Deed::Cut(0),
                _ if first.starts_with("POST") => Deed::Lose,
                // Behind the cancellation that was sent with it.
                _ => Deed::Late,
            }
        },
    );
    let mut request = once(&file, 30.0);
    request.limits = request.limits.with(Limit::WallMs, Some(4_000));
    let came = run(&router(between.address, node.key), &request);
    assert!(matches!(came, Err(RouteError::Timeout { .. })), "{came:?}");
    assert_eq!(lines(&file), 1);
}

#[test]
fn lies_about_a_program_are_no_results() {
    let node = node();
    let address = node.address;
    let old: Arc<Mutex<Option<Value>>> = Arc::default();
    let kept = Arc::clone(&old);
    let forge = |member: &'static str, to: Value| -> Box<dyn Fn(Value) -> Value + Send> {
        Box::new(move |mut line| {
            if line["event"] == "end" {
                line[member] = to.clone();
            }
            line
        })
    };
    let replay: Box<dyn Fn(Value) -> Value + Send> =
        Box::new(move |line| match line["event"] == "end" {
            true => kept.lock().expect("no panic").get_or_insert(line).clone(),
            false => line,
        });
    let replay = Mutex::new(Some(replay));
    let again = {
        let kept = Arc::clone(&old);
        Mutex::new(Some(
            Box::new(move |line: Value| match line["event"] == "end" {
                true => kept.lock().expect("no panic").clone().expect("an old one"),
                false => line,
            }) as Box<dyn Fn(Value) -> Value + Send>,
        ))
    };
    let between = Between::start(
        move || address,
        move |_, before| match before {
            0 => Deed::Change(replay.lock().expect("no panic").take().expect("once")),
            1 => Deed::Change(again.lock().expect("no panic").take().expect("once")),
            2 => Deed::Change(forge("output_base64", json!(STANDARD.encode("[1, 9.99]")))),
            3 => Deed::Change(forge("output_base64", Value::Null)),
            4 => Deed::Change(forge("receipt", Value::Null)),
            5 => Deed::Change(forge("receipt", json!({}))),
            6 => Deed::Say("{\"event\":\"end\"}\n"),
            7 => Deed::Say("{\"event\":\"end\",\"receipt\":\n"),
            _ => Deed::Say("\u{1b}[2J nonsense\n"),
        },
    );
    let router = router(between.address, node.key);
    let request = shell(ANSWER);
    assert!(run(&router, &request).is_ok());
    for what in [
        "audience",
        "output",
        "no output",
        "no receipt",
        "form",
        "no receipt",
        "",
        "",
    ] {
        let came = run(&router, &request);
        let told = matches!(&came, Err(RouteError::Backend { error, .. })
            if !error.retryable && error.reason.contains(what) && !error.reason.contains('\u{1b}'));
        assert!(told, "{what}: {came:?}");
    }
}

/// Of the entrypoint and of what is in the environment a claim says nothing; the receipt names the whole request all the same.
#[test]
fn a_request_that_was_changed_on_its_way_is_no_result() {
    let node = node();
    let changes: [fn(&mut Value); 5] = [
        |body| body["files"]["main.sh"]["base64"] = json!(STANDARD.encode("echo 2 >&3")),
        |body| body["entrypoint"] = json!("other.sh"),
        |body| body["environment"]["V"] = json!("evil"),
        |body| body["arguments"] = json!(["evil"]),
        |body| body["public"] = json!(true),
    ];
    let file = |text: &str| File {
        content: text.as_bytes().into(),
        executable: false,
    };
    let files = [("main.sh", file(ANSWER)), ("other.sh", file(ANSWER))];
    let files = files.map(|(path, file)| (path.to_owned(), file)).into();
    let tree = CodeTree::new(files, "main.sh").expect("a tree");
    let mut program = Program::new(Label::constant("shell"), tree);
    program.environment = [("V".to_owned(), "good".to_owned())].into();
    let request = ExecuteRequest::new(Code::Program(program), *b"[1, 2.50]", Profile::Dev);
    for (index, change) in changes.into_iter().enumerate() {
        let between = changing(node.address, change);
        let came = run(&router(between, node.key), &request);
        assert!(
            matches!(&came, Err(RouteError::Backend { error, .. }) if error.reason.contains("another request")),
            "{index}: {came:?}"
        );
    }
}

/// Somebody who changes requests on their way to a node.
fn changing(node: SocketAddr, change: fn(&mut Value)) -> SocketAddr {
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

/// A line that has no end: as many bytes are taken as the longest answer has, and as the system takes for a reader.
const LINE_BYTES_MAX: usize = (68 << 20) + (32 << 20);
/// The one that is listened to, the one that cancels, and the one that is left or asks who the node is.
const CONNECTIONS_MAX: u32 = 3;

#[test]
fn a_node_that_floods_or_says_nothing_is_left_at_the_limit() {
    let node = node();
    let address = node.address;
    let deeds: [(fn() -> Deed, usize); 5] = [
        // What is read of lines is dropped: there is no bound but the time.
        (|| Deed::Flood(QUEUED), usize::MAX),
        (
            || Deed::Flood("{\"event\":\"from-the-future\"}\n"),
            usize::MAX,
        ),
        (|| Deed::Flood(NO_END), LINE_BYTES_MAX),
        (|| Deed::Lose, 0),
        (|| Deed::Cut(0), 0),
    ];
    for (index, (deed, poured_max)) in deeds.into_iter().enumerate() {
        let between = Between::start(move || address, move |_, _| deed());
        let mut request = shell("sleep 30");
        request.limits = request.limits.with(Limit::WallMs, Some(1_500));
        let came = run(&router(between.address, node.key), &request);
        assert!(
            matches!(came, Err(RouteError::Timeout { .. })),
            "{index}: {came:?}"
        );
        soon(|| between.seen().open == 0);
        let seen = between.seen();
        assert!(
            seen.open_most <= CONNECTIONS_MAX,
            "{index}: {}",
            seen.open_most
        );
        assert!(
            seen.poured_most <= poured_max,
            "{index}: {}",
            seen.poured_most
        );
    }
    // The last one was begun, once, and was not left running; of the others the node has heard nothing.
    let ended = |status| node.figure(&format!("tenzik_executions_total{{status=\"{status}\"}}"));
    soon(|| ended("aborted") + ended("timed_out") == 1.0);
    assert_eq!(node.figure("tenzik_bodies_bytes"), 0.0);
}

const QUEUED: &str = "{\"event\":\"queued\",\"elapsed_ms\":1}\n";
const NO_END: &str = concat!(
    "{\"event\":\"running\",\"elapsed_ms\":1111111111111111111111111111111111111111111111111111111111111111111",
    "1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111"
);

/// The backend promises limits, and says of none that it was in force.
#[test]
fn above_dev_a_result_needs_limits_that_were_enforced() {
    let sections = "[executions]\nbackends = [\"echo\"]\n";
    let node = node_with(sections, vec![Arc::new(Echo)]);
    let mut request = shell("true");
    request.profile = Profile::Standard;
    let came = run(&router(node.address, node.key), &request);
    assert!(
        matches!(&came, Err(RouteError::Backend { error, .. }) if !error.retryable && error.reason.contains("not enforced")),
        "{came:?}"
    );
}

pub(crate) fn wanted(id: &str, code: &str) -> Value {
    json!({
        "id": id,
        "language": "shell",
        "files": {"main.sh": {"base64": STANDARD.encode(code)}},
        "entrypoint": "main.sh",
        "input_base64": STANDARD.encode("1"),
        "profile": "dev",
        "audience": {
            "name": "test",
            "challenge": "00".repeat(16),
            "expires_at": now().plus_seconds(600).to_string(),
        },
    })
}

fn post(node: &TestNode, body: &Value) -> crate::common::Answer {
    node.ask("POST", "/v1/executions", Some(ALL), Some(body))
}

#[test]
fn what_the_node_does_not_allow_is_refused_before_anything_runs() {
    let node = node();
    let id = "a".repeat(64);
    let changed = |member: &str, to: Value| {
        let mut body = wanted(&id, "true");
        body[member] = to;
        body
    };
    let later = now().plus_seconds(100_000).to_string();
    let before = "2026-01-01T00:00:00Z";
    let until =
        |time: &str| json!({"name": "test", "challenge": "00".repeat(16), "expires_at": time});
    for (body, status, code) in [
        (changed("id", json!("A".repeat(64))), 400, "field"),
        (changed("id", json!("")), 400, "field"),
        (changed("language", json!("wasm")), 400, "field"),
        (changed("files", json!({})), 400, "field"),
        (
            changed("files", json!({"../x": {"base64": "MQ=="}})),
            400,
            "field",
        ),
        (
            changed("files", json!({"main.sh": {"base64": "?"}})),
            400,
            "field",
        ),
        (changed("entrypoint", json!("other")), 400, "field"),
        (changed("limits", json!({"luck": 1})), 400, "field"),
        (
            changed("limits", json!({"wall_ms": -1})),
            422,
            "invalid_limits",
        ),
        (changed("limits", json!({"wall_ms": 0})), 422, "limit"),
        (changed("limits", json!({"wall_ms": 60_001})), 422, "limit"),
        (changed("profile", json!("standard")), 422, "profile"),
        (changed("profile", json!("best")), 400, "field"),
        (changed("audience", until(&later)), 422, "expires_at"),
        (changed("audience", until(before)), 422, "expires_at"),
        (changed("boot", json!("0".repeat(32))), 409, "other_boot"),
        (changed("surprise", json!(1)), 400, "json"),
    ] {
        let answer = post(&node, &body);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (status, code),
            "{body}"
        );
    }
    let nobody = node.ask(
        "POST",
        "/v1/executions",
        Some(NONE),
        Some(&wanted(&id, "true")),
    );
    assert_eq!(nobody.status, 403);
    let none = TestNode::start("");
    assert_eq!(post(&none, &wanted(&id, "true")).status, 404);
    assert_eq!(node.figure("tenzik_executions_total"), 0.0);
}

#[test]
fn an_id_stands_for_one_request_of_one_caller() {
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("ran");
    let node = node();
    let id = "b".repeat(64);
    let body = wanted(&id, &format!("echo ran >>{}; {ANSWER}", file.display()));
    let first = post(&node, &body);
    assert_eq!(first.status, 200, "{}", first.text());
    let again = post(&node, &body);
    let last = |answer: &crate::common::Answer| {
        let text = answer.text();
        let line = text
            .lines()
            .rfind(|line| line.starts_with("{\"event\":\"end\""));
        line.expect("an end").to_owned()
    };
    assert_eq!(last(&first), last(&again), "the same receipt");
    assert_eq!(lines(&file), 1);
    assert_eq!(post(&node, &wanted(&id, ANSWER)).code(), "id_taken");
    let path = format!("/v1/executions/{id}");
    assert_eq!(last(&node.ask("GET", &path, Some(ALL), None)), last(&first));
    assert_eq!(node.ask("GET", &path, None, None).status, 401);
    let other = format!("/v1/executions/{}", "c".repeat(64));
    assert_eq!(node.ask("GET", &other, Some(ALL), None).status, 404);
    for method in ["GET", "DELETE"] {
        assert_eq!(
            node.ask(method, "/v1/executions/x", Some(ALL), None).status,
            404
        );
    }
    let ended = node.ask("DELETE", &path, Some(ALL), None);
    assert_eq!(ended.json()["ended"], true);
}

#[test]
fn an_answer_that_is_no_longer_kept_is_told_apart_from_none() {
    let sections = format!("{EXECUTIONS}kept_bytes_max = 0\n");
    let node = node_with(
        &sections,
        vec![Arc::new(Process::new(ProcessConfig::default()))],
    );
    let (first, second) = (
        wanted(&"d".repeat(64), ANSWER),
        wanted(&"e".repeat(64), ANSWER),
    );
    assert_eq!(post(&node, &first).status, 200);
    let answer = post(&node, &second);
    assert!(answer.text().contains("\"end\""), "who is attached has it");
    let path = format!("/v1/executions/{}", "d".repeat(64));
    assert_eq!(node.ask("GET", &path, Some(ALL), None).status, 410);
    assert_eq!(post(&node, &first).status, 410, "it does not run again");
}

#[test]
fn more_than_may_wait_are_refused_and_what_nobody_waits_for_is_cancelled() {
    let node = node();
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("ran");
    let code = format!("echo ran >>{0}; sleep 5; echo late >>{0}", file.display());
    let mut connections = Vec::new();
    for index in 0..4 {
        let body = wanted(&index.to_string().repeat(64), &code).to_string();
        let mut stream = node.connect();
        let head = format!(
            "POST /v1/executions HTTP/1.1\r\nhost: node\r\nauthorization: Bearer {ALL}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream
            .write_all(&[head.as_bytes(), body.as_bytes()].concat())
            .expect("sent");
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
        connections.push(stream);
    }
    assert_eq!(post(&node, &wanted(&"f".repeat(64), &code)).code(), "busy");
    drop(connections);
    soon(|| node.figure("tenzik_executions_total{status=\"aborted\"}") == 2.0);
    // Those that waited never began.
    let came = post(&node, &wanted(&"f".repeat(64), ANSWER));
    assert_eq!(came.status, 200, "{}", came.text());
    assert_eq!(lines(&file), 2, "{:?}", std::fs::read_to_string(&file));
}
