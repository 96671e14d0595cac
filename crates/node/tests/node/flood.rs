//! More programs than a node has room for, all at once, of two callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{ALL, PATIENCE, TestNode, until};
use crate::gate::{Gate, OTHER, end, node, numbered, post};

const CALLERS: usize = 12;
const EACH: usize = 12;
const STDOUT_BYTES: usize = 20_000;
const KEPT_BYTES_MAX: f64 = 200_000.0;
const BODIES_BYTES_MAX: f64 = 16_384.0;
const LINES: &str = "at_once = 3\nwaiting_max = 4\nkept_bytes_max = 200000\n\
    body_bytes_max = 4096\nbodies_bytes_max = 16384\n";

/// Sends a request until it is taken, and gives its last line, and how often it was refused.
fn taken(node: &TestNode, token: &str, body: &Value) -> (Value, usize) {
    let began = Instant::now();
    let mut refused = 0;
    loop {
        let answer = post(node, token, body);
        match answer.status {
            200 => return (end(&answer).expect("an end"), refused),
            429 => assert_eq!(answer.code(), "quota"),
            503 => assert_eq!(answer.code(), "busy"),
            _ => panic!("{} {}", answer.head, answer.text()),
        }
        assert!(answer.head.contains("retry-after: "), "{}", answer.head);
        assert!(began.elapsed() < PATIENCE, "never taken");
        refused += 1;
        thread::sleep(Duration::from_millis(10));
    }
}

/// Each of a caller's, one after the other.
fn all_of(node: &TestNode, caller: usize) -> usize {
    let token = [ALL, OTHER][caller % 2];
    let one = |number| {
        let (end, refused) = taken(node, token, &numbered(caller * EACH + number));
        assert_eq!(end["status"], "ok", "{}", end["error"]);
        refused
    };
    (0..EACH).map(one).sum()
}

/// Looks at what is held until all is over, and gives the most that was.
fn watched(node: &TestNode, over: &AtomicBool) -> (f64, f64) {
    let mut most = (0.0_f64, 0.0_f64);
    while !over.load(Ordering::SeqCst) {
        most.0 = most.0.max(node.figure("tenzik_executions_kept_bytes"));
        most.1 = most.1.max(node.figure("tenzik_bodies_bytes"));
    }
    most
}

#[test]
fn a_flood_of_programs_keeps_every_bound_and_each_of_them_runs_once() {
    let gate = Arc::new(Gate::writing(STDOUT_BYTES));
    let node = node(&gate, LINES);
    let over = AtomicBool::new(false);
    let (refused, most) = thread::scope(|scope| {
        let watching = scope.spawn(|| watched(&node, &over));
        let node = &node;
        let callers = (0..CALLERS).map(|caller| scope.spawn(move || all_of(node, caller)));
        let callers: Vec<_> = callers.collect();
        let refused = callers.into_iter().map(thread::ScopedJoinHandle::join);
        let refused: Vec<_> = refused.collect();
        over.store(true, Ordering::SeqCst);
        (refused, watching.join().expect("no panic"))
    });
    let refused: usize = refused
        .into_iter()
        .map(|one| one.expect("none is lost"))
        .sum();
    assert!(refused > 0, "it was a flood");
    let seen = gate.seen();
    assert_eq!(
        seen.began,
        CALLERS * EACH,
        "none is lost, and none ran twice"
    );
    assert!(seen.running_most <= 3, "{}", seen.running_most);
    assert!(most.0 > 0.0 && most.0 <= KEPT_BYTES_MAX, "{}", most.0);
    assert!(most.1 <= BODIES_BYTES_MAX, "{}", most.1);
    until("given back", || node.figure("tenzik_bodies_bytes") == 0.0);
}
