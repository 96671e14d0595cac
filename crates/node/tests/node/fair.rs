//! Programs of several callers: what one of them may take, and what it can take from nobody.

use std::io::Write as _;
use std::sync::Arc;
use std::thread;

use serde_json::json;

use crate::common::{ALL, Answer, until};
use crate::gate::{Gate, OTHER, end, head, node, numbered, post, send};

/// Three places and as many that wait; a caller may have two of three, and four of six.
const PLACES: &str = "at_once = 3\nwaiting_max = 3\ncaller_percent = 60\n";

#[test]
fn one_caller_has_its_share_of_places_and_the_next_one_runs_beside_it() {
    let gate = Arc::new(Gate::default());
    let node = node(&gate, PLACES);
    let bodies: Vec<_> = (0..4).map(numbered).collect();
    let sent = bodies.iter().map(|body| send(&node, ALL, body));
    let mut own: Vec<_> = sent.collect();
    gate.began(2);
    let metric =
        "tenzik_http_requests_total{method=\"POST\",route=\"/v1/executions\",status=\"200\"}";
    until("let in", || node.figure(metric) == 4.0);
    let fifth = post(&node, ALL, &numbered(4));
    fifth.refused(429, "quota");
    assert!(fifth.head.contains("retry-after: 1"), "{}", fifth.head);
    // A request that is known needs no place of its own.
    let again = send(&node, ALL, &bodies[0]);
    let other = send(&node, OTHER, &numbered(0));
    gate.began(3);
    assert_eq!(
        gate.seen().running,
        3,
        "two of the first one's, and the other's"
    );
    // The node's own bound is another one, and says so.
    let waits = send(&node, OTHER, &numbered(1));
    until("let in", || node.figure(metric) == 7.0);
    post(&node, OTHER, &numbered(2)).refused(503, "busy");
    gate.open();
    own.extend([again, other, waits]);
    for mut stream in own {
        let end = end(&Answer::read(&mut stream)).expect("an end");
        assert_eq!(end["status"], "ok", "{end}");
    }
    assert_eq!((gate.seen().began, gate.seen().running_most), (6, 3));
}

/// Bodies that are held by programs, and bodies that never come whole.
#[test]
fn one_caller_has_its_share_of_the_room_for_bodies_and_runs_have_another_room() {
    let sections = "body_bytes_max = 65536\nbodies_bytes_max = 131072\ncaller_percent = 50\n\
        [limits]\nrun_body_bytes_max = 32768\nbodies_bytes_max = 32768\n";
    let gate = Arc::new(Gate::default());
    let node = node(&gate, sections);
    let large = |number| {
        let mut body = numbered(number);
        body["environment"] = json!({"PAD": "x".repeat(40_000)});
        body
    };
    let first = send(&node, ALL, &large(0));
    gate.began(1);
    post(&node, ALL, &large(1)).refused(429, "quota");
    let mut slow = node.connect();
    let part = [head(ALL, 65_000).as_bytes(), &[b' '; 20_000]].concat();
    slow.write_all(&part).expect("sent");
    until("held", || node.figure("tenzik_bodies_bytes") > 55_000.0);
    let streams = thread::scope(|scope| {
        let other = scope.spawn(|| post(&node, OTHER, &large(2)));
        gate.began(2);
        assert_eq!(node.run(&crate::common::order_total()).status, 200);
        gate.open();
        [
            other.join().expect("no panic"),
            Answer::read(&mut { first }),
        ]
    });
    for answer in streams {
        assert_eq!(answer.status, 200, "{}", answer.head);
        assert_eq!(end(&answer).expect("an end")["status"], "ok");
    }
    drop(slow);
    until("given back", || node.figure("tenzik_bodies_bytes") == 0.0);
}
