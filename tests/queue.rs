//! The queue in front of a pipeline: everything that is taken is answered, and what there is no room for comes back.

mod common;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::{circumstances, pipeline, pipeline_with, wat};
use tenzik::config::{Engines, RuntimeConfig, SecurityConfig};
use tenzik::control::{Control, Phase};
use tenzik::limits::{Limits, LimitsAsked};
use tenzik::outcome::{AbortCode, Ending, Request};
use tenzik::pipeline::{Order, Pipeline, RunError};
use tenzik::queue::{Queue, QueueConfig, Ticket};
use tenzik::sandbox::Terms;

fn queue(pipeline: &Arc<Pipeline>, workers: usize, waiting_max: usize) -> Queue {
    let config = QueueConfig {
        workers: NonZeroUsize::new(workers).expect("not 0"),
        waiting_max,
    };
    Queue::new(Arc::clone(pipeline), config).expect("threads")
}

fn order(text: &str, limits: LimitsAsked) -> Order {
    Order {
        capsule: Arc::from(wat(text)),
        terms: Terms {
            limits,
            ..Terms::default()
        },
        request: Request::bytes(&b"input"[..]),
    }
}

fn short() -> Order {
    let text = "(module (memory (export \"memory\") 1) (func (export \"run\")))";
    order(text, LimitsAsked::default())
}

/// A host with time enough that a test has to cancel.
fn patient() -> Arc<Pipeline> {
    let security = SecurityConfig {
        limits_max: Limits {
            fuel: 1 << 52,
            time_ms: 60_000,
            ..Limits::DEFAULT
        },
        require_deterministic: false,
        ..SecurityConfig::default()
    };
    let runtime = RuntimeConfig {
        engines: Engines::Wasmtime,
        instances_max: 4,
        ..RuntimeConfig::default()
    };
    Arc::new(pipeline_with(&security, &runtime))
}

fn endless(body: &str) -> Order {
    let text = format!(
        "(module (import \"tenzik_v1\" \"input_len\" (func $len (result i32)))
          (memory (export \"memory\") 1) (func (export \"run\") {body}))"
    );
    order(
        &text,
        LimitsAsked {
            fuel: Some(1 << 52),
            time_ms: Some(60_000),
            ..LimitsAsked::default()
        },
    )
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "never {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

fn assert_cancelled(ticket: Ticket) {
    let run = ticket.wait().expect("a run");
    assert_eq!(*run.outcome.ending(), Ending::Aborted(AbortCode::Cancelled));
    common::assert_verifies(&run.receipt);
}

#[test]
fn many_threads_hand_in_and_everybody_gets_his_own() {
    let queue = queue(&Arc::new(pipeline()), 2, 4);
    thread::scope(|scope| {
        for caller in 0..8_u8 {
            let queue = &queue;
            scope.spawn(move || {
                for number in 0..25_u8 {
                    let mut order = short();
                    order.request = Request::bytes(vec![caller, number]);
                    let ticket = queue.submit_waiting(order, circumstances());
                    let run = ticket.expect("workers").wait().expect("a run");
                    let input = tenzik_receipt::Blake3::of(&[caller, number]);
                    let tenzik_receipt::Claim::Wasm(claim) = run.receipt.claim() else {
                        panic!("not a run");
                    };
                    assert_eq!(claim.input.open(), Some(&input));
                }
            });
        }
    });
}

#[test]
fn where_there_is_no_room_the_order_comes_back() {
    let queue = queue(&patient(), 1, 1);
    let busy = queue.submit(endless("(loop (br 0))"), circumstances());
    let busy = busy.expect("room");
    until("running", || busy.progress().phase == Phase::Running);
    let waiting = queue.submit(short(), circumstances()).expect("room");
    let full = queue.submit(short(), circumstances()).expect_err("full");
    assert_eq!((full.waiting, queue.waiting()), (1, 1));
    assert_eq!(full.order.capsule, short().capsule);
    busy.cancel();
    assert_cancelled(busy);
    waiting.wait().expect("it has its turn");
}

#[test]
fn a_run_is_cancelled_in_a_loop_and_in_a_host_call() {
    let queue = queue(&patient(), 1, 4);
    for body in ["(loop (br 0))", "(loop (drop (call $len)) (br 0))"] {
        let ticket = queue.submit(endless(body), circumstances());
        let ticket = ticket.expect("room");
        until("running", || ticket.progress().phase == Phase::Running);
        let ticket = ticket
            .wait_timeout(Duration::from_millis(20))
            .expect_err("it has no end");
        ticket.cancel();
        assert_cancelled(ticket);
    }
}

#[test]
fn what_is_cancelled_before_it_begins_never_runs() {
    let queue = queue(&patient(), 1, 4);
    let busy = queue.submit(endless("(loop (br 0))"), circumstances());
    let busy = busy.expect("room");
    let waiting = queue.submit(short(), circumstances()).expect("room");
    assert_eq!(waiting.progress().phase, Phase::Waiting);
    waiting.cancel();
    busy.cancel();
    assert!(matches!(waiting.wait(), Err(RunError::Cancelled)));
    let control = Control::default();
    control.cancel();
    let never = pipeline().run_controlled(&short(), circumstances(), &control);
    assert!(matches!(never, Err(RunError::Cancelled)));
}

#[test]
fn progress_can_be_seen_while_it_runs() {
    let queue = queue(&patient(), 1, 4);
    let body = "(loop (drop (call $len)) (br 0))";
    let ticket = queue.submit(endless(body), circumstances()).expect("room");
    until("at a thousand calls", || {
        ticket.progress().host_calls > 1_000
    });
    let before = ticket.progress();
    assert_eq!((before.phase, before.cancelled), (Phase::Running, false));
    until("further", || {
        ticket.progress().host_calls > before.host_calls
    });
    let control = ticket.control();
    ticket.cancel();
    assert_cancelled(ticket);
    assert_eq!(control.progress().phase, Phase::Over);
}

#[test]
fn a_queue_that_is_dropped_ends_what_it_took() {
    let queue = queue(&Arc::new(pipeline()), 2, 64);
    let tickets: Vec<_> = (0..50)
        .map(|_| queue.submit(short(), circumstances()).expect("room"))
        .collect();
    drop(queue);
    for ticket in tickets {
        ticket.wait().expect("a run");
    }
}

#[test]
fn a_call_tells_the_result_and_costs_no_worker() {
    let pipeline = patient();
    let queue = queue(&pipeline, 1, 4);
    let (sender, results) = std::sync::mpsc::channel();
    queue
        .submit_then(short(), circumstances(), |_| panic!("on purpose"))
        .expect("room");
    let told = sender.clone();
    let control = queue
        .submit_then(endless("(loop (br 0))"), circumstances(), move |run| {
            told.send(run).expect("a listener");
        })
        .expect("room");
    queue
        .submit_then(short(), circumstances(), move |run| {
            sender.send(run).expect("a listener");
        })
        .expect("room");
    until("running", || control.progress().phase == Phase::Running);
    control.cancel();
    let stopped = results.recv().expect("a result").expect("a run");
    assert_eq!(
        stopped.outcome.ending(),
        &Ending::Aborted(AbortCode::Cancelled)
    );
    assert!(results.recv().expect("a result").is_ok());
}
