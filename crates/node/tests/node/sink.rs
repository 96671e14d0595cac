//! Where receipts go before their callers get them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tenzik_node::{BoxFuture, Caller, CapsuleSource, Placed, ReceiptSink, SinkError};
use tenzik_receipt::{Blake3, Label, LogPromise, SignedReceipt, Timestamp};

use crate::common::{ALL, NONE, TestNode, capsule_file, order_total};

/// A log in memory, slow to become durable.
#[derive(Default)]
struct Memory {
    taken: Mutex<Vec<SignedReceipt>>,
    promises: Mutex<u32>,
    is_broken: bool,
    is_full: bool,
}

fn error() -> SinkError {
    SinkError::Now {
        why: "internal words".to_owned(),
    }
}

impl ReceiptSink for Memory {
    fn promise(&self, now: Timestamp) -> Result<LogPromise, SinkError> {
        *self.promises.lock().expect("a lock") += 1;
        if self.is_broken {
            return Err(error());
        }
        Ok(LogPromise {
            merge_by: now.plus_seconds(60),
            origin: Label::new("node.test/log").expect("a label"),
        })
    }

    fn accept<'a>(
        &'a self,
        receipt: &'a SignedReceipt,
    ) -> BoxFuture<'a, Result<Placed, SinkError>> {
        Box::pin(async move {
            if self.is_full {
                return Err(error());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut taken = self.taken.lock().expect("a lock");
            taken.push(receipt.clone());
            Ok(Placed {
                index: taken.len() as u64 - 1,
            })
        })
    }
}

impl CapsuleSource for Memory {
    fn capsule<'a>(
        &'a self,
        digest: Blake3,
        caller: &'a Caller,
    ) -> BoxFuture<'a, Result<Option<Arc<[u8]>>, SinkError>> {
        let bytes = capsule_file("order-total/order-total.wasm");
        let is_it = Blake3::of(&bytes) == digest && caller.name() == Some("all");
        Box::pin(async move { Ok(is_it.then(|| bytes.into())) })
    }
}

fn node(sink: Memory) -> (TestNode, Arc<Memory>) {
    let sink = Arc::new(sink);
    let shared = Arc::clone(&sink);
    let node = TestNode::start_with(
        "",
        |parts| {
            parts.sink = Some(shared.clone());
            parts.capsules = Some(shared);
        },
        |routes| routes,
    );
    (node, sink)
}

#[test]
fn a_receipt_is_kept_before_it_is_given() {
    let (node, sink) = node(Memory::default());
    let mut public = order_total();
    public["public"] = json!(true);
    let mut private = order_total();
    private["secret"] = json!("11".repeat(32));
    let mut refused = public.clone();
    refused["grants"] = json!([]);
    for (index, (request, status)) in [(public, 200), (private, 200), (refused, 422)]
        .into_iter()
        .enumerate()
    {
        let answer = node.run(&request);
        assert_eq!(answer.status, status, "{}", answer.text());
        let body = answer.json();
        assert_eq!(body["log_index"], index);
        assert_eq!(body["receipt"]["log"]["origin"], "node.test/log");
        let taken = sink.taken.lock().expect("a lock");
        assert_eq!(body["id"], taken[index].id().to_string());
        assert_eq!(taken.len(), index + 1);
    }
}

#[test]
fn what_did_not_opt_in_is_not_logged() {
    let (node, sink) = node(Memory::default());
    let body = node.run(&order_total()).json();
    assert_eq!(
        (&body["log_index"], &body["receipt"]["log"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(
        (
            sink.taken.lock().expect("a lock").len(),
            *sink.promises.lock().expect("a lock")
        ),
        (0, 0)
    );
}

#[test]
fn what_strangers_send_never_reaches_it() {
    let (node, sink) = node(Memory::default());
    let mut request = order_total();
    request["public"] = json!(true);
    for token in [
        None,
        Some(NONE),
        Some("wrong-token-wrong-token-wrong-token-0"),
    ] {
        let answer = node.ask("POST", "/v1/runs", token, Some(&request));
        assert!([401, 403].contains(&answer.status));
    }
    request["seed"] = json!("short");
    node.run(&request).refused(400, "field");
    assert_eq!(
        (
            sink.taken.lock().expect("a lock").len(),
            *sink.promises.lock().expect("a lock")
        ),
        (0, 0)
    );
}

#[test]
fn without_a_place_there_is_no_answer() {
    for (is_broken, is_full) in [(true, false), (false, true)] {
        let (node, sink) = node(Memory {
            is_broken,
            is_full,
            ..Memory::default()
        });
        let mut request = order_total();
        request["public"] = json!(true);
        let answer = node.run(&request);
        answer.refused(503, "unavailable");
        assert!(answer.head.contains("retry-after: "), "{}", answer.head);
        assert!(!answer.text().contains("internal words") && !answer.text().contains("signature"));
        assert!(sink.taken.lock().expect("a lock").is_empty());
        // What promises nothing can still be run.
        assert_eq!(node.run(&order_total()).status, 200);
        assert_eq!(
            node.figure("tenzik_runs_total{status=\"ok\"}"),
            if is_broken { 1.0 } else { 2.0 }
        );
    }
}

#[test]
fn a_capsule_is_run_by_its_digest_by_who_may() {
    let (node, _sink) = node(Memory::default());
    let mut request = order_total();
    request
        .as_object_mut()
        .expect("an object")
        .remove("capsule_base64");
    request["capsule"] =
        json!(Blake3::of(&capsule_file("order-total/order-total.wasm")).to_string());
    assert_eq!(
        node.ask("POST", "/v1/runs", Some(ALL), Some(&request))
            .status,
        200
    );
    request["capsule"] = json!(Blake3::of(b"other").to_string());
    let answer = node.run(&request);
    answer.refused(404, "not_found");
    assert_eq!(answer.body, node.get("/nothing").body);
}
