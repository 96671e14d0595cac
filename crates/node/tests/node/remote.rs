//! A real node as a backend of the router, and whoever stands between and lies.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tenzik::config::{RuntimeConfig, SecurityConfig};
use tenzik::control::Control;
use tenzik::pipeline::Pipeline;
use tenzik::receipts::{Circumstances, Sealer};
use tenzik::router::{
    Capsule, Code, CodeTree, ExecuteRequest, Limit, Program, Refusal, RouteError, Router,
    RouterConfig,
};
use tenzik_node::federation::client::{Client, Patience};
use tenzik_node::remote::{Remote, RemoteConfig, RemoteError};
use tenzik_receipt::{Epoch, KeyUse, Label, Profile, PublicKey, SecretKey, Timestamp};

use crate::common::{ALL, Answer, TestNode, until};

fn now() -> Timestamp {
    "2026-11-28T12:00:00Z".parse().expect("a time")
}

pub(crate) fn remote(
    url: &str,
    node: PublicKey,
    languages: Vec<Label>,
) -> Result<Remote, RemoteError> {
    let config = RemoteConfig {
        kind: Label::constant("remote"),
        url: url.to_owned(),
        token: Some(ALL.to_owned()),
        node,
        audience: Label::constant("this router"),
        languages,
    };
    let patience = Patience {
        connect_ms: 2_000,
        request_ms: 5_000,
    };
    Remote::new(config, Client::new(patience))
}

fn router(url: &str, node: PublicKey) -> Router {
    router_for(url, node, Vec::new())
}

/// A router whose one backend is the node at a URL, for capsules and these languages.
pub(crate) fn router_for(url: &str, node: PublicKey, languages: Vec<Label>) -> Router {
    let key = SecretKey::from_seed(&[9; 32], KeyUse::Receipt, now());
    let sealer = Sealer::new(key, Epoch::from_bytes([2; 16])).expect("a receipt key");
    let pipeline = Pipeline::new(
        &SecurityConfig::default(),
        &RuntimeConfig::default(),
        sealer,
    );
    let router = Router::new(
        Arc::new(pipeline.expect("an engine")),
        RouterConfig::default(),
    );
    let remote = remote(url, node, languages).expect("a backend");
    router.register(Arc::new(remote)).expect("a new name");
    router
}

fn request(capsule: Vec<u8>) -> ExecuteRequest {
    let mut request = ExecuteRequest::new(
        Code::Capsule(Capsule::new(capsule)),
        *b"[1, 2.50]",
        Profile::Hardened,
    );
    request.backend = Some(Label::constant("remote"));
    request
}

fn echo() -> ExecuteRequest {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../capsules/echo/echo.wasm");
    request(std::fs::read(path).expect("a capsule"))
}

pub(crate) fn run(
    router: &Router,
    request: &ExecuteRequest,
) -> Result<tenzik::router::Execution, RouteError> {
    router.execute(request, Circumstances::at(now()))
}

fn url(node: &TestNode) -> String {
    format!("http://{}", node.address)
}

#[test]
fn a_capsule_runs_at_another_node_and_both_receipts_tell_of_it() {
    let node = TestNode::start("");
    let router = router(&url(&node), node.key);
    let request = echo();
    let execution = run(&router, &request).expect("a result");
    assert_eq!(execution.value(), Some(&b"[1, 2.50]"[..]));
    let receipt = execution.receipt.receipt();
    assert_eq!(receipt.backend.kind.as_str(), "remote");
    let told = format!("{:?}", receipt.ext[&Label::constant("remote")]);
    assert!(
        told.contains(&node.key.to_string()) && told.contains("receipt:"),
        "{told}"
    );
    assert!(
        !execution.receipt.claim().is_replayable(),
        "it is this node's word on the other's"
    );
    for limit in [
        Limit::CpuMs,
        Limit::DiskBytes,
        Limit::MemoryBytes,
        Limit::OutputBytes,
        Limit::Pids,
        Limit::WallMs,
    ] {
        assert!(execution.limits.get(limit).enforced, "{}", limit.name());
    }
}

#[test]
fn every_end_comes_through() {
    let node = TestNode::start("");
    let router = router(&url(&node), node.key);
    let module = |body: &str| {
        wat::parse_str(format!(
            r#"(module (memory (export "memory") 1) (func (export "run") {body}))"#
        ))
        .expect("a module")
    };
    let endless = run(&router, &request(module("(loop (br 0))")));
    assert!(
        matches!(
            endless,
            Err(RouteError::ResourceLimit {
                limit: Limit::CpuMs,
                ..
            })
        ),
        "{endless:?}"
    );
    let trapped = run(&router, &request(module("unreachable")));
    assert!(
        matches!(trapped, Err(RouteError::Failed { code, .. }) if code.as_str() == "unreachable")
    );
    // The node refuses it, and its refusal is a receipt about this request too.
    let refused = run(&router, &request(b"not a module".to_vec()));
    assert!(
        matches!(&refused, Err(RouteError::Refused { refusal: Refusal::BackendDenied { reason, .. }, .. }) if reason.contains("refused")),
        "{refused:?}"
    );
    let tree = CodeTree::single("main.sh", b"true".as_slice()).expect("a tree");
    let program = Program::new(Label::constant("shell"), tree);
    let mut other = echo();
    other.code = Code::Program(program);
    assert!(matches!(
        run(&router, &other),
        Err(RouteError::Refused {
            refusal: Refusal::BackendDenied { .. },
            ..
        })
    ));
}

#[test]
fn a_receipt_under_another_key_is_no_result() {
    let node = TestNode::start("");
    let other = SecretKey::from_seed(&[8; 32], KeyUse::Receipt, now()).public();
    let refused = run(&router(&url(&node), other), &echo());
    assert!(
        matches!(&refused, Err(RouteError::Backend { error, .. }) if !error.retryable && error.reason.contains("does not hold")),
        "{refused:?}"
    );
}

/// Somebody between this node and the other.
struct Between {
    url: String,
    asked: Arc<AtomicU32>,
}

impl Between {
    /// `answers` is given each body, and how often it was asked before.
    fn start(answers: impl Fn(&[u8], u32) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked = Arc::new(AtomicU32::new(0));
        let (count, answers) = (Arc::clone(&asked), Arc::new(answers));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (count, answers) = (Arc::clone(&count), Arc::clone(&answers));
                thread::spawn(move || serve(stream, &count, &*answers));
            }
        });
        Self { url, asked }
    }
}

/// An answer's status and body; none where it never comes.
type Reply = Option<(u16, Vec<u8>)>;

fn serve(stream: TcpStream, count: &AtomicU32, answers: &dyn Fn(&[u8], u32) -> Reply) {
    let mut reader = BufReader::new(&stream);
    let (mut line, mut length, mut first) = (String::new(), 0, String::new());
    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
        if first.is_empty() {
            first.clone_from(&line);
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length");
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    let answer = match first.starts_with("GET /healthz") {
        true => Some((200, b"ok".to_vec())),
        false => answers(&body, count.fetch_add(1, Ordering::SeqCst)),
    };
    match answer {
        Some((status, body)) => {
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            let _ = (&stream).write_all(&[head.as_bytes(), &body].concat());
        }
        // It never answers.
        None => thread::sleep(Duration::from_secs(30)),
    }
}

fn relayed(node: &TestNode, body: &[u8]) -> (u16, Vec<u8>) {
    let answer: Answer = node.post("/v1/runs", Some(ALL), "application/json", body);
    (answer.status, answer.body.clone())
}

#[test]
fn an_old_answer_and_one_about_something_else_are_no_results() {
    let node = Arc::new(TestNode::start(""));
    let kept: Arc<Mutex<Option<Vec<u8>>>> = Arc::default();
    let (asks, keeps) = (Arc::clone(&node), Arc::clone(&kept));
    let replays = Between::start(move |body, _| {
        let mut kept = keeps.lock().expect("no panic");
        Some((
            200,
            kept.get_or_insert_with(|| relayed(&asks, body).1).clone(),
        ))
    });
    let first = router(&replays.url, node.key);
    assert!(run(&first, &echo()).is_ok());
    let again = run(&first, &echo());
    assert!(
        matches!(&again, Err(RouteError::Backend { error, .. }) if !error.retryable && error.reason.contains("audience")),
        "{again:?}"
    );

    for (change, to) in [
        ("seed", "\"".to_owned() + &"5".repeat(64) + "\""),
        ("clock_ms", "77".to_owned()),
    ] {
        let asks = Arc::clone(&node);
        let changes = Between::start(move |body, _| {
            let mut body: Value = serde_json::from_slice(body).expect("JSON");
            body[change] = serde_json::from_str(&to).expect("JSON");
            Some(relayed(&asks, body.to_string().as_bytes()))
        });
        let other = run(&router(&changes.url, node.key), &echo());
        assert!(
            matches!(&other, Err(RouteError::Backend { error, .. }) if !error.retryable && error.reason.contains("another request")),
            "{change}: {other:?}"
        );
    }

    let asks = Arc::clone(&node);
    let forges = Between::start(move |body, _| {
        let answer = String::from_utf8(relayed(&asks, body).1).expect("text");
        Some((
            200,
            answer.replacen("[1, 2.50]", "[1, 9.99]", 1).into_bytes(),
        ))
    });
    let forged = run(&router(&forges.url, node.key), &echo());
    assert!(
        matches!(&forged, Err(RouteError::Backend { error, .. }) if !error.retryable && error.reason.contains("output")),
        "{forged:?}"
    );
}

#[test]
fn nonsense_is_refused_and_a_busy_node_is_asked_again() {
    let node = Arc::new(TestNode::start(""));
    for nonsense in [&b""[..], b"{}", b"{\"receipt\":{}}", b"[]", b"\xff"] {
        let lies = Between::start(move |_, _| Some((200, nonsense.to_vec())));
        let refused = run(&router(&lies.url, node.key), &echo());
        assert!(
            matches!(refused, Err(RouteError::Backend { ref error, .. }) if !error.retryable),
            "{refused:?}"
        );
        assert_eq!(
            lies.asked.load(Ordering::SeqCst),
            1,
            "a liar is not asked again"
        );
    }
    let asks = Arc::clone(&node);
    let busy = Between::start(move |body, before| match before {
        0 | 1 => Some((503, Vec::new())),
        _ => Some(relayed(&asks, body)),
    });
    assert!(run(&router(&busy.url, node.key), &echo()).is_ok());
    assert_eq!(busy.asked.load(Ordering::SeqCst), 3);
}

#[test]
fn a_silent_node_is_not_waited_for_beyond_the_limit_or_the_callers_wish() {
    let node = TestNode::start("");
    let silent = Between::start(|_, _| None);
    let router = router(&silent.url, node.key);
    let control = Control::default();
    let cancelled = thread::scope(|scope| {
        let asking =
            scope.spawn(|| router.execute_controlled(&echo(), Circumstances::at(now()), &control));
        until("it is asked", || silent.asked.load(Ordering::SeqCst) > 0);
        control.cancel();
        asking.join().expect("no panic")
    });
    assert!(
        matches!(cancelled, Err(RouteError::Aborted { .. })),
        "{cancelled:?}"
    );
    let mut request = echo();
    request.limits = request.limits.with(Limit::WallMs, Some(300));
    let late = run(&router, &request);
    assert!(
        matches!(
            late,
            Err(RouteError::Timeout {
                allowed_ms: 300,
                ..
            })
        ),
        "{late:?}"
    );
}

#[test]
fn a_node_that_is_not_there_is_unavailable_and_a_token_goes_to_nobody_in_clear() {
    let key = SecretKey::from_seed(&[8; 32], KeyUse::Receipt, now()).public();
    let free = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address");
    let absent = run(&router(&format!("http://{free}"), key), &echo());
    assert!(
        matches!(
            absent,
            Err(RouteError::Refused {
                refusal: Refusal::RuntimeUnavailable { .. },
                ..
            })
        ),
        "{absent:?}"
    );
    let clear = remote("http://node.example", key, Vec::new());
    assert!(matches!(clear, Err(RemoteError::InClear { .. })));
}
