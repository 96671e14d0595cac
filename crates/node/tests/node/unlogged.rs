//! Programs whose receipts promise a log that does not take them at once, or ever.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tenzik_node::{BoxFuture, Placed, ReceiptSink, SinkError};
use tenzik_receipt::{Label, LogPromise, SignedReceipt, Timestamp};

use crate::common::{ALL, Answer, TestNode, until};
use crate::gate::{Gate, end, node_with, numbered, path, post, send};

type Failure = fn(String) -> SinkError;

/// A log that takes receipts once it works.
struct Broken {
    error: Mutex<Option<Failure>>,
    merge_delay_s: u64,
    asked: AtomicU32,
    taken: Mutex<Vec<SignedReceipt>>,
}

impl Broken {
    fn new(error: Failure, merge_delay_s: u64) -> Arc<Self> {
        Arc::new(Self {
            error: Mutex::new(Some(error)),
            merge_delay_s,
            asked: AtomicU32::new(0),
            taken: Mutex::default(),
        })
    }

    fn heal(&self) {
        *self.error.lock().expect("no panic") = None;
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

impl ReceiptSink for Broken {
    fn promise(&self, now: Timestamp) -> Result<LogPromise, SinkError> {
        Ok(LogPromise {
            merge_by: now.plus_seconds(self.merge_delay_s),
            origin: Label::new("node.test/log").expect("a label"),
        })
    }

    fn accept<'a>(
        &'a self,
        receipt: &'a SignedReceipt,
    ) -> BoxFuture<'a, Result<Placed, SinkError>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            if let Some(error) = *self.error.lock().expect("no panic") {
                return Err(error("internal words".to_owned()));
            }
            let mut taken = self.taken.lock().expect("no panic");
            taken.push(receipt.clone());
            let index = taken.len() as u64 - 1;
            Ok(Placed { index })
        })
    }
}

fn now(why: String) -> SinkError {
    SinkError::Now { why }
}

fn ever(why: String) -> SinkError {
    SinkError::Ever { why }
}

fn node(gate: &Arc<Gate>, log: &Arc<Broken>, lines: &str) -> TestNode {
    let log = Arc::clone(log);
    gate.open();
    node_with(gate, lines, |parts| parts.sink = Some(log))
}

fn public(number: usize) -> Value {
    let mut body = numbered(number);
    body["public"] = json!(true);
    body
}

#[test]
fn a_receipt_waits_for_a_log_that_heals_and_holds_up_no_other_program() {
    let (gate, log) = (Arc::new(Gate::default()), Broken::new(now, 60));
    let node = node(&gate, &log, "at_once = 1\n");
    let body = public(1);
    let mut waiting = send(&node, ALL, &body);
    until("asked again", || log.asked() >= 2);
    let other = end(&post(&node, ALL, &numbered(2))).expect("an end");
    assert_eq!(other["status"], "ok", "the one place is free");
    let cancelled = node.ask("DELETE", &path(1), Some(ALL), None);
    assert_eq!(cancelled.json()["ended"], true, "nothing of it runs");
    log.heal();
    let answer = Answer::read(&mut waiting);
    assert!(
        answer.text().contains("{\"event\":\"logging\""),
        "{}",
        answer.text()
    );
    let last = end(&answer).expect("an end");
    assert_eq!(
        (&last["status"], &last["log_index"]),
        (&json!("ok"), &json!(0))
    );
    let id = log.taken.lock().expect("no panic")[0].id().to_string();
    assert_eq!((&last["id"], &last["error"]), (&json!(id), &Value::Null));
    assert_eq!(last["receipt"]["log"]["origin"], "node.test/log");
    assert_eq!(end(&post(&node, ALL, &body)), Some(last), "it is kept");
    assert_eq!(
        (gate.seen().began, log.taken.lock().expect("no panic").len()),
        (2, 1)
    );
}

#[test]
fn what_does_not_get_into_the_log_in_time_is_told_as_over_and_unlogged() {
    for (error, merge_delay_s) in [(ever as Failure, 60), (now, 1)] {
        let (gate, log) = (Arc::new(Gate::default()), Broken::new(error, merge_delay_s));
        let node = node(&gate, &log, "");
        let body = public(1);
        let answer = post(&node, ALL, &body);
        assert!(!answer.text().contains("internal words") && !answer.text().contains("signature"));
        let told = end(&answer).expect("an end");
        assert_eq!(told["error"]["code"], "unlogged", "{told}");
        assert_eq!(told["status"], "ok", "what is known: it ran");
        assert!(
            told["id"]
                .as_str()
                .is_some_and(|id| id.starts_with("receipt:")),
            "{told}"
        );
        for member in ["receipt", "output_base64", "log_index"] {
            assert!(told[member].is_null(), "{told}");
        }
        log.heal();
        assert_eq!(end(&post(&node, ALL, &body)), Some(told));
        assert_eq!(gate.seen().began, 1, "it does not run again");
    }
}

#[test]
fn a_node_that_ends_waits_for_no_log() {
    let (gate, log) = (Arc::new(Gate::default()), Broken::new(now, 600));
    let node = node(&gate, &log, "[limits]\ngrace_ms = 400\n");
    let _waiting = send(&node, ALL, &public(1));
    until("asked again", || log.asked() >= 2);
    drop(node.stop());
    assert!(log.taken.lock().expect("no panic").is_empty());
}
