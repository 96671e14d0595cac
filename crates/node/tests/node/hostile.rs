//! Clients that mean no good, or cannot do better.

use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
use tenzik_node::ApiError;

use crate::common::{ALL, Answer, TestNode, order_total};

const SMALL: &str = "[limits]\nrun_body_bytes_max = 20000\n";
/// Whoever sends something whole may be slower than that too.
const HASTY: &str = "[limits]\nheader_timeout_ms = 300\nbody_timeout_ms = 300\n";

fn head(more: &str) -> String {
    format!(
        "POST /v1/runs HTTP/1.1\r\nhost: n\r\nauthorization: Bearer {ALL}\r\ncontent-type: application/json\r\n{more}\r\n"
    )
}

#[test]
fn a_body_is_bounded_by_what_it_declares() {
    let node = TestNode::start(SMALL);
    // Nothing of the body is sent, and the answer is there.
    let answer = node.send(head("content-length: 20001\r\nconnection: close\r\n").as_bytes());
    answer.refused(413, "body_too_large");
    let answer =
        node.send(head("content-length: 18446744073709551615\r\nconnection: close\r\n").as_bytes());
    // The HTTP library refuses what no body can have.
    assert!([400, 413, 431].contains(&answer.status), "{}", answer.head);
}

#[test]
fn a_body_is_bounded_by_what_comes() {
    let node = TestNode::start(SMALL);
    let mut request = head("transfer-encoding: chunked\r\n").into_bytes();
    for _ in 0..30 {
        request.extend_from_slice(b"3e8\r\n");
        request.extend_from_slice(&[b' '; 1_000]);
        request.extend_from_slice(b"\r\n");
    }
    node.send(&request).refused(413, "body_too_large");
    // The whole body is sent before the answer is read.
    let mut whole = order_total();
    whole["seed"] = json!("0".repeat(900_000));
    node.run(&whole).refused(413, "body_too_large");
    let mut fits = order_total();
    fits["seed"] = json!("00".repeat(32));
    assert_eq!(node.run(&fits).status, 200);
}

#[test]
fn all_bodies_together_are_bounded() {
    let sections = "[limits]\nrun_body_bytes_max = 20000\nbodies_bytes_max = 24000\n";
    let node = TestNode::start(sections);
    let mut holding = node.connect();
    let request = format!(
        "{}{}",
        head("content-length: 15001\r\n"),
        " ".repeat(15_000)
    );
    holding.write_all(request.as_bytes()).expect("a part");
    let padded = format!("{}{}", " ".repeat(15_000), order_total());
    let second = format!(
        "{}{padded}",
        head(&format!(
            "content-length: {}\r\nconnection: close\r\n",
            padded.len()
        ))
    );
    crate::common::until("the first holds its room", || {
        node.figure("tenzik_bodies_bytes ") >= 15_000.0
    });
    let busy = node.send(second.as_bytes());
    busy.refused(503, "busy");
    drop(holding);
    crate::common::until("room again", || node.send(second.as_bytes()).status == 200);
}

#[test]
fn slow_heads_are_cut() {
    let node = TestNode::start(HASTY);
    let mut stream = node.connect();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: n\r\nx-a: ")
        .expect("a part");
    Answer::read(&mut stream).refused(408, "too_slow");
    // One byte now and then helps nobody.
    let mut stream = node.connect();
    let mut writing = stream.try_clone().expect("a clone");
    let drip = thread::spawn(move || {
        for byte in b"GET /healthz HTTP/1.1\r\nx-long-header-name: aaaaaaaaaaaaaaaaaaaaaaaa"
            .iter()
            .cycle()
        {
            if writing.write_all(&[*byte]).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    });
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    assert!(
        bytes.starts_with(b"HTTP/1.1 408 "),
        "{:?}",
        String::from_utf8_lossy(&bytes)
    );
    drop(stream);
    drip.join().expect("the dripping ends");
    // Who says nothing is told nothing.
    let mut silent = node.connect();
    let mut bytes = Vec::new();
    silent.read_to_end(&mut bytes).expect("an end");
    assert!(bytes.is_empty());
}

#[test]
fn slow_bodies_are_cut() {
    let node = TestNode::start(HASTY);
    let declared = format!(
        "{}{{",
        head("content-length: 1000\r\nconnection: close\r\n")
    );
    node.send(declared.as_bytes()).refused(408, "too_slow");
    let chunked = format!(
        "{}1\r\n{{\r\n",
        head("transfer-encoding: chunked\r\nconnection: close\r\n")
    );
    node.send(chunked.as_bytes()).refused(408, "too_slow");
}

#[test]
fn a_client_that_does_not_read_is_cut() {
    let node = TestNode::start("[limits]\nwrite_timeout_ms = 200\n");
    let mut stream = node.connect();
    stream
        .set_write_timeout(Some(Duration::from_secs(2)))
        .expect("a timeout");
    // Answers are never read: once the buffers are full, the node cannot write and is not to wait.
    let request = b"GET /openapi.json HTTP/1.1\r\nhost: n\r\n\r\n".repeat(100);
    let cut = (0..10_000).any(|_| stream.write_all(&request).is_err());
    assert!(cut);
    crate::common::until("the connection is gone", || {
        node.figure("tenzik_connections ") == 1.0
    });
}

#[test]
fn what_is_no_http_is_told_so() {
    let node = TestNode::start("");
    for (bytes, status) in [
        (&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..], 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nhost: n\r\nx y: z\r\n\r\n", 400),
        (b"POST /v1/runs HTTP/1.1\r\nhost: n\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", 400),
        (b"POST /v1/runs HTTP/1.1\r\nhost: n\r\ntransfer-encoding: gzip\r\n\r\n", 400),
        (b"POST /v1/runs HTTP/1.1\r\nhost: n\r\ncontent-length: -1\r\n\r\n", 400),
    ] {
        let answer = node.send(bytes);
        assert_eq!(answer.status, status, "{:?}", String::from_utf8_lossy(bytes));
    }
    assert_eq!(node.get("/healthz").status, 200);
}

#[test]
fn garbage_after_a_request_ends_the_connection() {
    let node = TestNode::start("");
    let mut stream = node.connect();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nhost: n\r\n\r\nGET /readyz HTTP/1.1\r\nhost: n\r\n\r\n\0\0\0garbage\r\n\r\nGET /healthz HTTP/1.1\r\n\r\n")
        .expect("written");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("text");
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 2, "{text}");
    assert_eq!(text.matches("HTTP/1.1 400 ").count(), 1, "{text}");
}

#[test]
fn floods_of_headers_are_refused() {
    let node = TestNode::start("");
    let many: String = (0..100)
        .map(|number| format!("x-{number}: 1\r\n"))
        .collect();
    let long = format!("x-long: {}\r\n", "a".repeat(40_000));
    for headers in [many, long] {
        let answer =
            node.send(format!("GET /healthz HTTP/1.1\r\nhost: n\r\n{headers}\r\n").as_bytes());
        assert_eq!(answer.status, 431, "{}", answer.head);
    }
    let target = "a".repeat(70_000);
    let answer = node.send(format!("GET /{target} HTTP/1.1\r\nhost: n\r\n\r\n").as_bytes());
    assert!([414, 431].contains(&answer.status), "{}", answer.head);
}

#[test]
fn other_types_are_refused() {
    let node = TestNode::start("");
    let body = order_total().to_string();
    for headers in [
        "content-type: text/plain\r\n",
        "content-type: application/jsonx\r\n",
        "content-type: application/json\r\ncontent-type: application/json\r\n",
        "content-type: application/json\r\ncontent-encoding: gzip\r\n",
        "",
    ] {
        let request = format!(
            "POST /v1/runs HTTP/1.1\r\nhost: n\r\nconnection: close\r\nauthorization: Bearer {ALL}\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        node.send(request.as_bytes()).refused(415, "media_type");
    }
}

fn run_text(node: &TestNode, body: &[u8]) -> Answer {
    let head = head(&format!(
        "content-length: {}\r\nconnection: close\r\n",
        body.len()
    ));
    node.send(&[head.as_bytes(), body].concat())
}

#[test]
fn json_is_strict() {
    let node = TestNode::start("");
    let good = order_total().to_string();
    let open = &good[..good.len() - 1];
    for body in [
        format!("{open},\"public\":true,\"public\":false}}"),
        format!("{open},\"input_base64\":\"\"}}"),
        format!("{open},\"limits\":{{\"fuel\":1,\"fuel\":2}}}}"),
        format!("{good} x"),
        format!("\u{feff}{good}"),
        format!("[{good}]"),
        open.to_owned(),
        String::new(),
        "null".to_owned(),
        format!("{open},\"limits\":{}}}", "[".repeat(100_000)),
        format!(
            "{open},\"x\":{}{}}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        ),
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
    ] {
        run_text(&node, body.as_bytes()).refused(400, "json");
    }
    run_text(&node, &[good.as_bytes(), b"\xff"].concat()).refused(400, "json");
    // Deep input is the engine's to refuse, with a receipt.
    let deep = format!(
        "{},\"input\":{}{}}}",
        open.replace("\"input_base64\"", "\"policy\"").replace(
            &crate::common::base64(&crate::common::capsule_file("order-total/example.json")),
            &tenzik_receipt::Blake3::of(b"").to_string()
        ),
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    run_text(&node, deep.as_bytes()).refused(422, "input_json");
}

#[test]
fn a_handler_that_panics_is_a_500() {
    let panicking = |routes: tenzik_node::routes::Routes| {
        routes.route(
            "/panic",
            axum::routing::get(async || -> Result<(), ApiError> { panic!("on purpose") }),
        )
    };
    let node = TestNode::start_with("", |_| {}, panicking);
    let answer = node.get("/panic");
    answer.refused(500, "internal");
    assert!(!answer.text().contains("on purpose"));
    assert_eq!(node.get("/healthz").status, 200);
    assert_eq!(node.figure("tenzik_panics_total"), 1.0);
}

#[test]
fn a_handler_that_hangs_is_a_503() {
    let hanging = |routes: tenzik_node::routes::Routes| {
        routes.route("/hang", axum::routing::get(std::future::pending::<()>))
    };
    let node = TestNode::start_with(
        "[limits]\nrequest_timeout_ms = 100\n[runs]\ntime_max_ms = 100\n",
        |_| {},
        hanging,
    );
    node.get("/hang").refused(503, "timeout");
}

#[test]
fn no_bytes_break_the_node() {
    let node = TestNode::start("");
    let json = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        "\\PC{0,200}".prop_map(String::into_bytes),
        "[{}\\[\\]\":,a-f0-9 ]{0,200}".prop_map(String::into_bytes),
    ];
    let members = proptest::sample::select(vec![
        "capsule",
        "capsule_base64",
        "input_base64",
        "grants",
        "limits",
        "seed",
        "clock_ms",
        "audience",
        "request",
        "secret",
        "policy",
    ]);
    proptest!(ProptestConfig::with_cases(200), |(body in json, member in members, text in "\\PC{0,80}")| {
        let answer = run_text(&node, &body);
        prop_assert!((400..500).contains(&answer.status), "{}", answer.head);
        let mut request = order_total();
        request[member] = json!(text);
        let answer = node.run(&request);
        prop_assert!((400..500).contains(&answer.status), "{member} {text:?} {}", answer.head);
    });
}
