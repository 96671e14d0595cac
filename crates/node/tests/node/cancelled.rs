//! Programs that are cancelled before their request is at the node.

use std::io::Write as _;
use std::sync::Arc;

use serde_json::json;

use crate::common::{ALL, Answer, NONE};
use crate::gate::{Gate, OTHER, end, head, node, numbered, path, post};

#[test]
fn a_request_that_comes_after_its_cancellation_is_told_so_and_never_runs() {
    let gate = Arc::new(Gate::default());
    gate.open();
    let node = node(&gate, "");
    let body = numbered(1).to_string();
    let (first, rest) = body.as_bytes().split_at(body.len() / 2);
    let mut sending = node.connect();
    sending
        .write_all(&[head(ALL, body.len()).as_bytes(), first].concat())
        .expect("sent");
    let cancelled = node.ask("DELETE", &path(1), Some(ALL), None);
    assert_eq!(cancelled.status, 200, "{}", cancelled.head);
    assert_eq!(cancelled.json()["ended"], true);
    sending.write_all(rest).expect("sent");
    let came = Answer::read(&mut sending);
    let mut other = numbered(1);
    other["environment"] = json!({"OTHER": "1"});
    for answer in [
        came,
        post(&node, ALL, &numbered(1)),
        // Whatever it would have been.
        post(&node, ALL, &other),
        node.ask("GET", &path(1), Some(ALL), None),
    ] {
        assert_eq!(answer.status, 200, "{}", answer.head);
        let end = end(&answer).expect("an end");
        assert_eq!(end["error"]["code"], "cancelled", "{end}");
        assert!(end["receipt"].is_null(), "{end}");
    }
    assert_eq!(gate.seen().began, 0);
}

#[test]
fn nobody_cancels_what_another_caller_is_about_to_send() {
    let gate = Arc::new(Gate::default());
    gate.open();
    let node = node(&gate, "");
    assert_eq!(node.ask("DELETE", &path(1), Some(OTHER), None).status, 200);
    assert_eq!(node.ask("DELETE", &path(1), Some(NONE), None).status, 403);
    assert_eq!(node.ask("DELETE", &path(1), None, None).status, 401);
    assert_eq!(node.ask("GET", &path(1), Some(ALL), None).status, 404);
    let own = end(&post(&node, ALL, &numbered(1))).expect("an end");
    assert_eq!(own["status"], "ok", "{own}");
    assert_eq!(gate.seen().began, 1);
}
