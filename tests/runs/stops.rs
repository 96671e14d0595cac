//! Stops by the host itself: a capsule that never ends is stopped by the clock, and one that never returns by its stack.

use std::time::Duration;

use tenzik::config::SecurityConfig;
use tenzik::limits::LimitsAsked;
use tenzik::outcome::{AbortCode, Ending};
use tenzik::pipeline::Pipeline;

use crate::common::pipeline_with;
use crate::support::{GENEROUS, Story, claim, few_slots, generous, import, lenient, with};

/// A host that pays for anything.
fn host() -> Pipeline {
    pipeline_with(&generous(lenient()), &few_slots())
}

fn endless(story: Story, time_ms: u32) {
    let story = story.limits(LimitsAsked {
        fuel: Some(GENEROUS),
        time_ms: Some(time_ms),
        ..LimitsAsked::default()
    });
    let run = story.run_on(&host());
    assert_eq!(*run.outcome.ending(), Ending::Aborted(AbortCode::TimeLimit));
    let wall = run.outcome.wall();
    assert!(wall >= Duration::from_millis(time_ms.into()), "{wall:?}");
    assert!(wall < Duration::from_secs(60), "{wall:?}");
    // What it used depends on the machine, so nothing of it is claimed.
    let claim = claim(&run);
    assert_eq!(run.outcome.usage(), None);
    assert_eq!(
        (claim.fuel, claim.memory_pages_peak, &claim.host_calls),
        (None, None, &None)
    );
}

#[test]
fn a_loop_that_never_yields_is_stopped() {
    endless(with("", "(loop (br 0))"), 100);
}

#[test]
fn a_loop_of_large_bulk_operations_is_stopped() {
    let body = "(drop (memory.grow (i32.const 500)))
        (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 32000000))
              (memory.copy (i32.const 16000000) (i32.const 0) (i32.const 16000000)) (br 0))";
    endless(with("", body), 100);
}

#[test]
fn a_loop_of_calls_is_stopped() {
    endless(
        with(
            "(func $f (param i32))",
            "(loop (call $f (i32.const 1)) (br 0))",
        ),
        50,
    );
}

#[test]
fn a_start_function_that_never_ends_is_stopped() {
    endless(with("(func $s (loop (br 0))) (start $s)", ""), 50);
}

#[test]
fn recursion_without_end_uses_up_the_stack() {
    for before in [
        "(func $down (call $down))",
        "(func $down (call $other)) (func $other (call $down))",
        "(func $down (param i64 i64 i64) (call $down (local.get 2) (local.get 0) (local.get 1)))",
    ] {
        let args = "(i64.const 1) ".repeat(if before.contains("param") { 3 } else { 0 });
        let story = with(before, &format!("(call $down {args})"));
        assert_eq!(story.fuel(900_000_000).said(), "out_of_stack", "{before}");
    }
}

#[test]
fn after_a_stop_the_host_goes_on() {
    let pipeline = host();
    let stopped = with("", "(loop (br 0))").limits(LimitsAsked {
        fuel: Some(GENEROUS),
        time_ms: Some(20),
        ..LimitsAsked::default()
    });
    for _ in 0..few_slots().instances_max + 2 {
        assert_eq!(
            stopped.run_on(&pipeline).receipt.claim().status(),
            "aborted"
        );
    }
    assert_eq!(
        with("", "").run_on(&pipeline).receipt.claim().status(),
        "ok"
    );
}

#[test]
fn the_default_host_gives_a_second() {
    assert_eq!(SecurityConfig::default().limits_max.time_ms, 10_000);
    let story = with("", "(loop (br 0))").fuel(1_000_000);
    assert_eq!(story.said(), "out_of_fuel", "by then its fuel is long gone");
}

/// The engine does not look at the clock while a host function works: a path can walk for as long as there is fuel.
#[test]
fn one_host_call_without_end_is_stopped() {
    let document = format!("{}0{}", "[0,".repeat(127), "]".repeat(127));
    let path = format!("${}", "..*".repeat(200));
    let before = format!("{} (data (i32.const 0) \"{path}\")", import("json_path"));
    let body = format!(
        "(drop (call $json_path (i32.const 0) (i32.const 0) (i32.const 0) (i32.const {})))",
        path.len()
    );
    endless(with(&before, &body).json(&document), 100);
}

/// Nor between host calls where no loop and no function begins.
#[test]
fn a_straight_line_of_host_calls_is_stopped() {
    let call = "(drop (call $hash_sha256 (i32.const 0) (i32.const 33554432)))";
    let body = format!("(drop (memory.grow (i32.const 511))) {}", call.repeat(200));
    endless(with(&import("hash_sha256"), &body), 100);
}
