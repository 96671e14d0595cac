//! Many connections, and clients that go away.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use axum::routing::get;

use crate::common::{ALL, Answer, LASTING, TestNode, endless, until};

#[test]
fn a_thousand_connections_stay_bounded() {
    let node = TestNode::start("[limits]\nconnections_max = 200\nheader_timeout_ms = 300\n");
    let streams: Vec<TcpStream> = (0..1_000)
        .filter_map(|_| TcpStream::connect_timeout(&node.address, Duration::from_secs(5)).ok())
        .collect();
    assert!(streams.len() > 200, "{}", streams.len());
    // A further client waits its turn behind those that say nothing, and has its answer.
    let answer = node.ask("GET", "/metrics", Some(ALL), None).text();
    let line = answer
        .lines()
        .find(|line| line.starts_with("tenzik_connections "));
    let open: u32 = line
        .and_then(|line| line.rsplit(' ').next())
        .expect("a figure")
        .parse()
        .expect("a number");
    assert!((1..=200).contains(&open), "{open}");
    drop(streams);
    until("they are gone", || {
        node.figure("tenzik_connections ") == 1.0
    });
}

#[test]
fn one_address_cannot_take_all_connections() {
    let node = TestNode::start("[limits]\nconnections_max = 16\nconnections_per_address_max = 8\n");
    let held: Vec<TcpStream> = (0..8).map(|_| node.connect()).collect();
    for _ in 0..20 {
        // Closed, and not left to wait for the others' end.
        assert_eq!(node.get("/healthz").status, 0);
    }
    // Only Linux has all of 127.0.0.0/8 without being told.
    #[cfg(target_os = "linux")]
    {
        let mut other = from_another_address(&node);
        other
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: n\r\nconnection: close\r\n\r\n")
            .expect("written");
        assert_eq!(Answer::read(&mut other).status, 200);
    }
    drop(held);
    // Those that ended are no longer counted.
    until("there is room again", || node.get("/healthz").status == 200);
}

#[cfg(target_os = "linux")]
fn from_another_address(node: &TestNode) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket
            .bind("127.0.0.2:0".parse().expect("an address"))
            .expect("bound");
        let stream = socket.connect(node.address).await.expect("a connection");
        stream.into_std().expect("a stream")
    });
    stream.set_nonblocking(false).expect("it blocks");
    stream
}

#[test]
fn a_client_that_reads_a_little_now_and_then_is_cut() {
    // More than all buffers between the two take.
    let large = || get(|| async { vec![b'x'; 64 << 20] });
    let sections = "[limits]\nanswer_timeout_ms = 1000\n";
    let node = TestNode::start_with(sections, |_| {}, |routes| routes.route("/large", large()));
    let mut stream = node.connect();
    let began = Instant::now();
    stream
        .write_all(b"GET /large HTTP/1.1\r\nhost: n\r\n\r\n")
        .expect("written");
    until("it is cut", || {
        // The node sees something taken again and again, far within `write_timeout_ms`.
        let _ = stream.read(&mut [0; 128 * 1024]);
        thread::sleep(Duration::from_millis(20));
        node.figure("tenzik_connections ") == 1.0
    });
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(900), "{took:?}");
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn a_client_that_reads_in_time_has_one_answer_after_the_other() {
    let sections = "[limits]\nanswer_timeout_ms = 5000\n";
    let node = TestNode::start(sections);
    let mut stream = node.connect();
    // Each answer has a deadline of its own, and silence between two has none of these.
    for _ in 0..4 {
        stream
            .write_all(b"GET /healthz HTTP/1.1\r\nhost: n\r\n\r\n")
            .expect("written");
        let count = stream.read(&mut [0; 4_096]).expect("an answer");
        assert!(count > 0);
        thread::sleep(Duration::from_secs(3));
    }
}

#[test]
fn a_connection_serves_many_requests() {
    let node = TestNode::start("");
    let agent: ureq::Agent = ureq::Agent::config_builder().build().into();
    let before = node.figure("tenzik_http_requests_total{method=\"GET\",route=\"/healthz\"");
    for _ in 0..100 {
        let mut answer = agent
            .get(format!("http://{}/healthz", node.address))
            .call()
            .expect("an answer");
        assert_eq!(answer.body_mut().read_to_string().expect("text"), "ok\n");
    }
    let after = node.figure("tenzik_http_requests_total{method=\"GET\",route=\"/healthz\"");
    assert_eq!(after - before, 100.0);
}

#[test]
fn a_client_that_goes_away_cancels_its_run() {
    let node = TestNode::start(LASTING);
    let body = endless(60_000).to_string();
    let request = format!(
        "POST /v1/runs HTTP/1.1\r\nhost: n\r\nauthorization: Bearer {ALL}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    // More than run at once: if one were not cancelled, the last request would wait for a minute.
    for _ in 0..4 {
        let mut stream = node.connect();
        stream.write_all(request.as_bytes()).expect("written");
        thread::sleep(Duration::from_millis(50));
        drop(stream);
    }
    assert_eq!(node.run(&endless(20)).json()["status"], "aborted");
}

#[test]
fn what_waits_too_long_is_busy() {
    let sections =
        "[runs]\nat_once = 1\nwaiting_max = 1\nfuel_max = 9007199254740991\ntime_max_ms = 60000\n";
    let node = TestNode::start(sections);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let runs: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| node.run(&endless(1_500))))
            .collect();
        let answers = runs.into_iter().map(|run| run.join().expect("an answer"));
        answers
            .inspect(check_busy)
            .map(|answer| answer.status)
            .collect()
    });
    let ran = statuses.iter().filter(|status| **status == 200).count();
    assert!((1..8).contains(&ran), "{statuses:?}");
    assert!(
        statuses.iter().all(|status| [200, 503].contains(status)),
        "{statuses:?}"
    );
}

fn check_busy(answer: &Answer) {
    if answer.status == 503 {
        answer.refused(503, "busy");
        assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
    }
}
