//! Programs whose answers are read slowly, or not at all.

use std::io::Read as _;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::common::{ALL, until};
use crate::gate::{Gate, end, node, numbered, path, post, send};

/// More than what the system takes from a node for a reader that takes nothing.
const STDOUT_BYTES: usize = 12_000_000;
/// One answer with such an output, and no second one.
const KEPT_BYTES_MAX: f64 = 20_000_000.0;
const LINES: &str = "kept_bytes_max = 20000000\nread_ms = 100\ncaller_percent = 100\n\
    limits_max = { output_bytes = 16777216 }\n";

fn large(number: usize) -> Value {
    let mut body = numbered(number);
    body["limits"] = json!({"output_bytes": 16_777_216});
    body
}

#[test]
fn what_slow_readers_hold_is_within_the_bound_and_they_are_cut_where_it_is_needed() {
    let gate = Arc::new(Gate::writing(STDOUT_BYTES));
    let node = node(&gate, LINES);
    let kept = || node.figure("tenzik_executions_kept_bytes");
    let mut slow = send(&node, ALL, &large(1));
    slow.read_exact(&mut [0; 12]).expect("an answer");
    until("kept", || kept() > KEPT_BYTES_MAX / 2.0);
    for number in 2..5 {
        let answer = post(&node, ALL, &large(number));
        let end = end(&answer).expect("who reads has all of it");
        assert_eq!(end["status"], "ok", "{}", end["error"]);
        assert!(kept() <= KEPT_BYTES_MAX, "{}", kept());
    }
    let mut rest = Vec::new();
    // A connection that is cut is read as far as it came.
    let _ = slow.read_to_end(&mut rest);
    assert!(rest.len() < STDOUT_BYTES, "it had its time");
    assert!(
        !rest.ends_with(b"\r\n0\r\n\r\n"),
        "it is not taken for whole"
    );
    assert_eq!(node.ask("GET", &path(1), Some(ALL), None).status, 410);
    assert!(end(&node.ask("GET", &path(4), Some(ALL), None)).is_some());
    assert_eq!(gate.seen().began, 4, "nothing ran twice");
}
