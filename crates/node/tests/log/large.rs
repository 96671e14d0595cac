//! A log that is caught up with in several steps, with a crash between them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::hand::{HandLog, hand_key, hand_node};
use crate::harness::{FOLLOWING, Following, directory, peer};
use crate::served::{Reply, Served, honest};

/// More than one step, less than two.
const SIZE: u64 = 17_000;
const STEP: u64 = 16_384;

#[test]
fn a_large_log_is_taken_in_steps_and_nothing_twice() {
    let log = HandLog::of(0..SIZE);
    let broken = Arc::new(AtomicBool::new(true));
    let (shown, breaks) = (log.clone(), Arc::clone(&broken));
    let served = Served::start(move |asked| match asked.path {
        // It does not answer from the second step on, whose first bundle is the 65th.
        path if breaks.load(Ordering::Relaxed)
            && path >= "tile/entries/064"
            && path.starts_with("tile/entries") =>
        {
            Reply::Raw(Vec::new())
        }
        _ => honest(&shown, asked),
    });
    let peers = [peer("hand", &hand_key(), &served.url(), &[hand_node()], "")];
    let following = Following::start_in(directory(), &peers, FOLLOWING);
    following.until_failed("hand", "no connection, or it broke");
    assert_eq!(following.record("hand")["entries"], STEP);
    let directory = following.node.stop();

    served.asked.lock().expect("a lock").clear();
    broken.store(false, Ordering::Relaxed);
    let following = Following::start_in(directory, &peers, FOLLOWING);
    following.until_entries("hand", SIZE);
    let asked = served.asked.lock().expect("a lock").clone();
    let bundles: Vec<_> = asked
        .iter()
        .filter(|(path, _)| path.starts_with("tile/entries"))
        .collect();
    let new = |(path, _): &&(String, _)| path.as_str() >= "tile/entries/064";
    assert!(bundles.iter().all(new), "{bundles:?}");
    assert_eq!(bundles.len() as u64, SIZE.div_ceil(256) - 64);
    let record = following.record("hand");
    assert_eq!(
        (&record["bad"], &record["standing"]),
        (&0.into(), &"active".into())
    );
}

/// A log that always shows more than a step takes would put its conviction off for ever.
#[test]
fn a_log_of_what_may_not_be_in_it_is_frozen_at_the_first_step() {
    let leaves = (0..SIZE).map(|number| format!("leaf {number}").into_bytes());
    let log = HandLog::new(leaves.collect());
    let served = Served::start(move |asked| honest(&log, asked));
    let peers = [peer("hand", &hand_key(), &served.url(), &[hand_node()], "")];
    let following = Following::start_in(directory(), &peers, FOLLOWING);
    let record = following.until_frozen("hand");
    assert_eq!(record["entries"], STEP);
    assert_eq!(record["reason"], "entry 0 may not be in its log");
    assert_eq!(
        record["evidence"].as_array().map(Vec::len),
        Some(1),
        "{record}"
    );
}
