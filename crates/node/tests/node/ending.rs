//! The end of a node.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::common::{LASTING, TestNode, endless, until};

#[test]
fn runs_that_go_on_are_answered() {
    let mut node = TestNode::start(LASTING);
    let ended = thread::scope(|scope| {
        let mut stream = node.connect();
        let request = request(&endless(3_000).to_string());
        stream.write_all(&request).expect("written");
        let answer = scope.spawn(move || {
            let mut bytes = Vec::new();
            stream.read_to_end(&mut bytes).expect("an answer");
            crate::common::Answer::parse(&bytes)
        });
        until_read(&node);
        node.tell();
        let ended = node.ended();
        let answer = answer.join().expect("an answer");
        assert_eq!(answer.status, 200, "{}", answer.head);
        assert_eq!(answer.json()["status"], "aborted");
        ended
    });
    assert_eq!(ended.cut, 0);
    assert!(TcpStream::connect(node.address).is_err());
}

fn request(body: &str) -> Vec<u8> {
    format!(
        "POST /v1/runs HTTP/1.1\r\nhost: n\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        crate::common::ALL,
        body.len()
    )
    .into_bytes()
}

/// Waits until the node is at a request: its body has room from the first byte until it is answered.
#[track_caller]
fn until_read(node: &TestNode) {
    until("it is read", || node.figure("tenzik_bodies_bytes ") > 0.0);
}

#[test]
fn what_outlasts_the_grace_is_cut() {
    let mut node = TestNode::start(&format!("[limits]\ngrace_ms = 200\n{LASTING}"));
    let mut stream = node.connect();
    stream
        .write_all(&request(&endless(60_000).to_string()))
        .expect("written");
    until_read(&node);
    node.tell();
    // Joining the node's thread joins its workers too: the run was cancelled.
    assert_eq!(node.ended().cut, 1);
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    assert!(bytes.is_empty());
}

#[test]
fn balancers_are_told_before_the_door_is_shut() {
    let mut node = TestNode::start("[limits]\ndrain_ms = 8000\n");
    assert_eq!(node.get("/readyz").status, 200);
    node.tell();
    until("not ready", || node.get("/readyz").status == 503);
    assert_eq!(
        node.get("/readyz").json()["parts"]["node"],
        "the node is stopping"
    );
    assert_eq!(node.get("/healthz").status, 200);
    assert_eq!(node.ended().cut, 0);
}

#[test]
fn idle_connections_do_not_hold_the_end() {
    let mut node = TestNode::start("");
    let mut idle = node.connect();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: n\r\n\r\n")
        .expect("written");
    let mut first = [0; 15];
    idle.read_exact(&mut first).expect("an answer");
    let silent = node.connect();
    node.tell();
    assert_eq!(node.ended().cut, 0);
    drop((idle, silent));
}

#[test]
fn closing_steps_are_taken_last_first() {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let mut node = TestNode::start_with(
        "",
        |parts| {
            for name in ["storage", "log"] {
                let steps = Arc::clone(&steps);
                parts.on_closing(name, move || async move {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    steps.lock().expect("a lock").push(name);
                });
            }
        },
        |routes| routes,
    );
    assert!(steps.lock().expect("a lock").is_empty());
    node.tell();
    node.ended();
    assert_eq!(*steps.lock().expect("a lock"), ["log", "storage"]);
}
