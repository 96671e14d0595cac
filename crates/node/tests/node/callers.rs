//! Who may do what, how often, and what the others are told.

use serde_json::json;

use crate::common::{ALL, GONE, NONE, TestNode, order_total};

#[test]
fn the_matrix() {
    let node = TestNode::start("");
    let body = order_total();
    for (method, path, body) in [("POST", "/v1/runs", Some(&body)), ("GET", "/metrics", None)] {
        let ask = |token| node.ask(method, path, token, body);
        assert_eq!(ask(Some(ALL)).status, 200, "{path}");
        ask(Some(NONE)).refused(403, "forbidden");
        for token in [
            None,
            Some(GONE),
            Some("wrong-token-wrong-token-wrong-token-0"),
            Some("x"),
            Some(""),
        ] {
            let answer = ask(token);
            answer.refused(401, "unauthorized");
            assert!(
                answer.head.contains("www-authenticate: bearer"),
                "{}",
                answer.head
            );
        }
    }
    for path in ["/healthz", "/readyz", "/openapi.json"] {
        for token in [None, Some("wrong-token-wrong-token-wrong-token-0")] {
            assert_eq!(node.ask("GET", path, token, None).status, 200, "{path}");
        }
    }
    assert_eq!(node.figure("tenzik_unknown_credentials_total"), 8.0);
}

#[test]
fn other_schemes_and_two_tokens_are_nobodys() {
    let node = TestNode::start("");
    for header in [
        format!("authorization: Basic {ALL}\r\n"),
        format!("authorization: Bearer  {ALL}\r\n"),
        format!("authorization: Bearer {ALL} \r\nauthorization: Bearer {ALL}\r\n"),
        format!("authorization: {ALL}\r\n"),
        "authorization: é\r\n".to_owned(),
    ] {
        let request =
            format!("GET /metrics HTTP/1.1\r\nhost: n\r\nconnection: close\r\n{header}\r\n");
        node.send(request.as_bytes()).refused(401, "unauthorized");
    }
}

#[test]
fn what_is_not_there_looks_like_what_is_forbidden() {
    let node = TestNode::start("");
    let answers = [
        "/",
        "/v1",
        "/v1/runs/x",
        "/v1/blob/00",
        "/%2e%2e/etc/passwd",
    ]
    .map(|path| node.get(path));
    for answer in &answers {
        answer.refused(404, "not_found");
        assert_eq!(answer.body, answers[0].body);
    }
}

#[test]
fn other_methods_are_told_which_there_are() {
    let node = TestNode::start("");
    for (method, path, allow) in [
        ("GET", "/v1/runs", "allow: post"),
        ("DELETE", "/healthz", "allow: get,head"),
        ("BREW", "/metrics", "allow: get,head"),
    ] {
        let answer = node.ask(method, path, Some(ALL), None);
        answer.refused(405, "method_not_allowed");
        assert!(answer.head.contains(allow), "{}", answer.head);
    }
    // A client cannot make up labels.
    let text = node.ask("GET", "/metrics", Some(ALL), None).text();
    assert!(
        text.contains("method=\"other\"") && !text.contains("BREW"),
        "{text}"
    );
}

#[test]
fn a_caller_has_its_quota_of_runs() {
    let node = TestNode::start("[quotas]\ncaller_runs = { per_minute = 1, burst = 2 }\n");
    let body = order_total();
    let statuses: Vec<_> = (0..4).map(|_| node.run(&body).status).collect();
    assert_eq!(statuses, [200, 200, 429, 429]);
    let answer = node.run(&body);
    answer.refused(429, "quota");
    let wait = answer
        .head
        .lines()
        .find_map(|line| line.strip_prefix("retry-after: "));
    let seconds: u64 = wait.expect("Retry-After").parse().expect("a number");
    assert!((1..=60).contains(&seconds), "{seconds}");
    // What others may do is not touched.
    assert_eq!(node.ask("GET", "/metrics", Some(ALL), None).status, 200);
}

#[test]
fn guesses_are_slowed_down_by_address() {
    let node = TestNode::start("[quotas]\naddress_requests = { per_minute = 1, burst = 3 }\n");
    let guess = |number: u32| {
        let token = format!("guessed-token-guessed-token-{number:06}");
        node.ask("POST", "/v1/runs", Some(&token), Some(&json!({})))
            .status
    };
    assert_eq!(
        (0..5).map(guess).collect::<Vec<_>>(),
        [401, 401, 401, 429, 429]
    );
    // Who is known has a quota of its own.
    assert_eq!(node.run(&order_total()).status, 200);
    assert_eq!(node.get("/healthz").status, 200);
}

#[test]
fn a_callers_requests_are_counted_too() {
    let node = TestNode::start("[quotas]\ncaller_requests = { per_minute = 1, burst = 1 }\n");
    let metrics = |token| node.ask("GET", "/metrics", Some(token), None).status;
    assert_eq!((metrics(ALL), metrics(ALL), metrics(NONE)), (200, 429, 403));
}

#[test]
fn a_path_that_cannot_be_read_is_told_and_counted() {
    let quota = "[quotas]\naddress_requests = { per_minute = 1, burst = 8 }\n";
    let node = TestNode::start(quota);
    for path in ["/v1/receipts/%ff", "/v1/blobs/%ff", "/v1/audits/%C3%28"] {
        node.get(path).refused(400, "path");
    }
    node.ask("POST", "/v1/peers/%ff/resume", None, None)
        .refused(400, "path");
    node.get("/log/tile/%ff").refused(400, "path");
    for _ in 0..3 {
        node.get("/v1/receipts/x");
    }
    node.get("/v1/receipts/%ff").refused(429, "quota");
}
