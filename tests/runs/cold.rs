//! The first run of a capsule: interpreted while its native code is made, with the same claim.

use std::thread;
use std::time::Duration;

use tenzik::config::{Engines, RuntimeConfig};
use tenzik::pipeline::{Pipeline, Run};

use crate::common::pipeline_with;
use crate::support::{Story, claim, few_slots, lenient, with};

fn pipeline(engines: Engines) -> Pipeline {
    pipeline_with(
        &lenient(),
        &RuntimeConfig {
            engines,
            ..few_slots()
        },
    )
}

fn engine(run: &Run) -> &str {
    run.receipt.receipt().advisory.engine.as_str()
}

/// So many rounds of a loop.
fn rounds(count: u32) -> Story {
    with(
        "",
        &format!(
            "(local i32) (loop (local.set 0 (i32.add (local.get 0) (i32.const 1)))
              (br_if 0 (i32.lt_u (local.get 0) (i32.const {count}))))"
        ),
    )
}

#[test]
fn a_short_run_does_not_wait_for_native_code_and_later_ones_have_it() {
    let both = pipeline(Engines::Both);
    let story = rounds(10);
    let first = story.run_on(&both);
    assert_eq!(engine(&first), "wasmi 1.1.0");
    let native = (0..1_000).find_map(|_| {
        let run = story.run_on(&both);
        assert_eq!(claim(&run), claim(&first));
        thread::sleep(Duration::from_millis(10));
        (engine(&run) == "wasmtime 48.0.8").then_some(run)
    });
    assert!(native.is_some(), "its native code is never used");
}

/// The interpreter would take seconds for it; the run begins again on native code, and nothing of the first try is seen.
#[test]
fn a_long_run_goes_over_to_native_code() {
    let mut story = rounds(60_000_000).fuel(900_000_000);
    story.0.terms.limits.time_ms = Some(10_000);
    let run = story.run_on(&pipeline(Engines::Both));
    assert_eq!(engine(&run), "wasmtime 48.0.8");
    assert_eq!(
        claim(&run),
        claim(&story.run_on(&pipeline(Engines::Wasmtime)))
    );
}

/// A run that its fuel stops and one that the clock stops have native code of their own, and each gets it.
#[test]
fn both_kinds_of_native_code_are_made() {
    let both = pipeline(Engines::Both);
    let mut by_clock = rounds(10).fuel(900_000_000);
    by_clock.0.terms.limits.time_ms = Some(1_000);
    for story in [rounds(10), by_clock] {
        let native = (0..1_000).any(|_| {
            thread::sleep(Duration::from_millis(10));
            engine(&story.run_on(&both)) == "wasmtime 48.0.8"
        });
        assert!(native, "its native code is never used");
    }
}

#[test]
fn many_first_runs_at_once_give_one_claim() {
    let both = pipeline(Engines::Both);
    let story = rounds(100_000);
    let expected = story.run_on(&pipeline(Engines::Wasmtime));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(claim(&story.run_on(&both)), claim(&expected));
                }
            });
        }
    });
}
