//! What concerns a whole process: its logger, its signals, its traces.

mod common;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::{Value, json};
use tempfile::TempDir;
use tenzik_node::config::TelemetryConfig;
use tenzik_node::{NodeConfig, Telemetry, serve};

use common::{ALL, Answer, LASTING, PATIENCE, TestNode, configured, endless, order_total};

/// A collector: a port that takes OTLP over HTTP, and the requests that came.
fn collector() -> (SocketAddr, Receiver<ExportTraceServiceRequest>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let (sender, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.expect("a connection"));
            while let Some(body) = post(&mut stream) {
                let request = ExportTraceServiceRequest::decode(&body[..]).expect("protobuf");
                if sender.send(request).is_err() {
                    return;
                }
                let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
                stream.get_mut().write_all(answer).expect("an answer");
            }
        }
    });
    (address, requests)
}

/// The body of the next POST; `None` at the connection's end.
fn post(stream: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head)
        .expect("a head")
        .to_ascii_lowercase();
    assert!(head.starts_with("post /v1/traces "), "{head}");
    assert!(
        head.contains("content-type: application/x-protobuf"),
        "{head}"
    );
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.expect("a length").trim().parse().expect("a number")];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

fn attributes(span: &Span) -> HashMap<&str, Any> {
    let attributes = span.attributes.iter();
    attributes
        .filter_map(|pair| Some((pair.key.as_str(), pair.value.clone()?.value?)))
        .collect()
}

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn traced(node: &TestNode, body: &Value, traceparent: &str) -> Answer {
    let body = body.to_string();
    let request = format!(
        "POST /v1/runs HTTP/1.1\r\nhost: n\r\nconnection: close\r\ntraceparent: {traceparent}\r\nauthorization: Bearer {ALL}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    node.send(request.as_bytes())
}

#[test]
fn traces_reach_a_collector() {
    let (address, requests) = collector();
    let config = TelemetryConfig {
        otlp_endpoint: Some(format!("http://{address}/v1/traces")),
        ..TelemetryConfig::default()
    };
    let telemetry = Telemetry::install(&config).expect("a logger");
    let node = TestNode::start("");
    let mut private = order_total();
    private["secret"] = json!("5e".repeat(32));
    let own = format!("00-{TRACE}-{PARENT}-01");
    let answer = traced(&node, &order_total(), &own);
    let fuel = answer.json()["usage"]["fuel"].as_i64().expect("fuel");
    assert_eq!(traced(&node, &private, "00-nonsense").status, 200);
    assert_eq!(node.get("/nothing").status, 404);
    drop(node);
    telemetry.shutdown();

    let mut exported = Vec::new();
    while exported
        .iter()
        .map(|request: &ExportTraceServiceRequest| spans(request).len())
        .sum::<usize>()
        < 5
    {
        exported.push(requests.recv_timeout(PATIENCE).expect("a request"));
    }
    let spans: Vec<Span> = exported.iter().flat_map(spans).collect();
    let outer = spans
        .iter()
        .find(|span| span.trace_id == bytes(TRACE) && span.name == "POST /v1/runs");
    let outer = outer.expect("the request under its caller's trace");
    assert_eq!(outer.parent_span_id, bytes(PARENT));
    assert_eq!(
        attributes(outer)["caller"],
        Any::StringValue("all".to_owned())
    );
    assert_eq!(
        attributes(outer)["http.response.status_code"],
        Any::IntValue(200)
    );
    let runs: Vec<&Span> = spans.iter().filter(|span| span.name == "run").collect();
    let inner = runs
        .iter()
        .find(|run| run.parent_span_id == outer.span_id)
        .expect("its run");
    assert_eq!(
        attributes(inner)["status"],
        Any::StringValue("ok".to_owned())
    );
    assert_eq!(attributes(inner)["fuel"], Any::IntValue(fuel));
    let hidden = runs
        .iter()
        .find(|run| run.trace_id != bytes(TRACE))
        .expect("the private run");
    assert!(!attributes(hidden).contains_key("fuel"));
    let text = format!("{exported:?}");
    for secret in [ALL, "5e5e5e5e", "sku", "subtotal"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

fn spans(request: &ExportTraceServiceRequest) -> Vec<Span> {
    let scopes = request
        .resource_spans
        .iter()
        .flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| scope.spans.clone()).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    tenzik_receipt::from_hex(hex).expect("digits")
}

/// The other process: this binary with a configuration to serve.
const CONFIG: &str = "TENZIK_NODE_TEST_CONFIG";

#[test]
fn child() {
    if let Some(path) = std::env::var_os(CONFIG) {
        let config = NodeConfig::read(path.as_ref()).expect("a configuration");
        assert_eq!(serve(config, Vec::new()).expect("it serves").cut, 0);
    }
}

#[test]
fn a_signal_ends_a_process_in_order() {
    let directory = TempDir::new().expect("a directory");
    configured(
        directory.path(),
        &format!("[telemetry]\nlog_format = \"json\"\n{LASTING}"),
    );
    let mut process = Command::new(std::env::current_exe().expect("this binary"))
        .args(["child", "--exact", "--nocapture"])
        .env(CONFIG, directory.path().join("node.toml"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut lines = BufReader::new(process.stderr.take().expect("a pipe")).lines();
    let mut logged = Vec::new();
    let address: SocketAddr = loop {
        let line = lines.next().expect("a line").expect("text");
        let event: Value = serde_json::from_str(&line).expect("one JSON object a line");
        logged.push(line);
        if let Some(address) = event["address"].as_str() {
            break address.parse().expect("an address");
        }
    };
    let signal = |name: &str| {
        let told = Command::new("kill")
            .args([name, &process.id().to_string()])
            .status();
        assert!(told.expect("kill").success());
    };
    // The callers are read again; a file that is none changes nothing.
    let callers = directory.path().join("callers.toml");
    let text = std::fs::read_to_string(&callers).expect("callers");
    assert_eq!(ask(address, &order_total()).status, 200);
    std::fs::write(&callers, "").expect("nobody");
    signal("-HUP");
    common::until("nobody is known", || {
        ask(address, &order_total()).status == 401
    });
    std::fs::write(&callers, &text).expect("callers");
    signal("-HUP");
    common::until("somebody is known", || {
        ask(address, &order_total()).status == 200
    });
    std::fs::write(&callers, "nonsense").expect("a file");
    signal("-HUP");
    let running = thread::spawn(move || ask(address, &endless(1_000)));
    assert_eq!(ask(address, &order_total()).status, 200);
    thread::sleep(std::time::Duration::from_millis(200));
    signal("-TERM");
    let answer = running.join().expect("an answer");
    assert_eq!(
        (answer.status, &answer.json()["status"]),
        (200, &json!("aborted"))
    );
    assert!(process.wait().expect("an end").success());
    logged.extend(lines.map(|line| line.expect("text")));
    for line in &logged {
        serde_json::from_str::<Value>(line).expect("one JSON object a line");
        for secret in [ALL, "capsule_base64", "subtotal"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    let all = logged.join("\n");
    assert!(all.contains("callers stay as they were"), "{all}");
    assert!(
        all.contains("\"caller\":\"all\"") && all.contains("\"stopped\""),
        "{all}"
    );
}

fn ask(address: SocketAddr, body: &Value) -> Answer {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request = format!(
        "POST /v1/runs HTTP/1.1\r\nhost: n\r\nconnection: close\r\nauthorization: Bearer {ALL}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).expect("written");
    Answer::read(&mut stream)
}
