//! Programs at a real node, asked by a real router.

use std::io::Read as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tenzik::backend::Backend;
use tenzik::control::{Control, Phase};
use tenzik::receipts::Circumstances;
use tenzik::router::{Code, CodeTree, ExecuteRequest, Limit, Program, Refusal, RouteError, Router};
use tenzik::testing::Echo;
use tenzik_backends::{Process, ProcessConfig};
use tenzik_receipt::{Label, Profile, PublicKey, Timestamp};

use crate::common::{ALL, NONE, PATIENCE, TestNode};
use crate::gate::send;
use crate::remote::{router_for, run};

/// Gives the input back.
pub(crate) const ANSWER: &str = "echo \"{\\\"ok\\\":$(cat)}\" >&3";

pub(crate) const EXECUTIONS: &str = "[executions]\nbackends = [\"process\"]\nprofiles = [\"dev\"]\nunsafe_host = true\n\
    at_once = 2\nwaiting_max = 2\ncaller_percent = 100\nprogress_ms = 100\nabandoned_ms = 60000\nlimits_max = { wall_ms = 60000 }\n";

pub(crate) fn node() -> TestNode {
    node_with(
        EXECUTIONS,
        vec![Arc::new(Process::new(ProcessConfig::default()))],
    )
}

pub(crate) fn node_with(sections: &str, backends: Vec<Arc<dyn Backend>>) -> TestNode {
    let parts = |parts: &mut tenzik_node::Parts| parts.execute_on(backends).expect("executions");
    TestNode::start_with(sections, parts, |routes| routes)
}

fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().expect("a clock");
    Timestamp::from_unix_seconds(since.as_secs()).expect("a time")
}

pub(crate) fn router(address: SocketAddr, key: PublicKey) -> Router {
    let languages = vec![Label::constant("shell")];
    router_for(&format!("http://{address}"), key, languages)
}

pub(crate) fn shell(code: &str) -> ExecuteRequest {
    let tree = CodeTree::single("main.sh", code.as_bytes()).expect("a tree");
    let program = Program::new(Label::constant("shell"), tree);
    ExecuteRequest::new(Code::Program(program), *b"[1, 2.50]", Profile::Dev)
}

/// Writes a line to a file, takes a while, and answers with its input.
pub(crate) fn once(file: &Path, seconds: f32) -> ExecuteRequest {
    shell(&format!(
        "echo ran >>{}; sleep {seconds}; {ANSWER}",
        file.display()
    ))
}

/// Waits for something that must come.
#[track_caller]
pub(crate) fn soon(mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "it does not come");
        thread::sleep(Duration::from_millis(20));
    }
}

pub(crate) fn lines(file: &Path) -> usize {
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
    slow.limits = slow.limits.with(Limit::WallMs, Some(3_000));
    match run(&router, &slow) {
        Err(RouteError::Timeout {
            allowed_ms: 3_000,
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
    let sections = EXECUTIONS.replace("abandoned_ms = 60000", "abandoned_ms = 1000");
    let process = Process::new(ProcessConfig::default());
    let node = node_with(&sections, vec![Arc::new(process)]);
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("ran");
    let code = format!("echo ran >>{0}; sleep 50; echo late >>{0}", file.display());
    let mut connections = Vec::new();
    for index in 0..4 {
        let mut stream = send(&node, ALL, &wanted(&index.to_string().repeat(64), &code));
        let mut first = [0; 12];
        stream.read_exact(&mut first).expect("an answer");
        assert_eq!(&first, b"HTTP/1.1 200");
        connections.push(stream);
        // The first two have the places.
        soon(|| lines(&file) == connections.len().min(2));
    }
    assert_eq!(post(&node, &wanted(&"f".repeat(64), &code)).code(), "busy");
    // Those that wait are left first: one of them would have the place of one that ran.
    let kept = || node.figure("tenzik_executions_kept_bytes");
    for _ in 0..2 {
        let before = kept();
        drop(connections.pop());
        soon(|| kept() > before);
    }
    drop(connections);
    soon(|| node.figure("tenzik_executions_total{status=\"aborted\"}") == 2.0);
    // Those that waited never began.
    let came = post(&node, &wanted(&"f".repeat(64), ANSWER));
    assert_eq!(came.status, 200, "{}", came.text());
    assert_eq!(lines(&file), 2, "{:?}", std::fs::read_to_string(&file));
}
