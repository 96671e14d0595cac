//! Each run has an instance of its own: nothing that one writes is ever seen by the next.
//!
//! `TENZIK_ROUNDS` sets how many hostile runs there are, each with two of its victims behind it.

use std::sync::Arc;
use std::thread;

use tenzik::config::{Allocation, Engines, RuntimeConfig};
use tenzik::control::Control;
use tenzik::pipeline::Pipeline;

use crate::common::{circumstances, pipeline_with};
use crate::support::{Story, capsule, import, lenient};

/// How many where nothing is said.
const ROUNDS: usize = 400;
/// A round that is cancelled takes a second thread, so few are.
const CANCELLED_EACH: usize = 50;

fn rounds() -> usize {
    let rounds = std::env::var("TENZIK_ROUNDS").ok();
    rounds.map_or(ROUNDS, |rounds| rounds.parse().expect("a number"))
}

/// Runs what has no end, and cancels it when it has got somewhere.
fn cancelled(pipeline: &Pipeline, endless: &Story) {
    let control = Control::default();
    thread::scope(|scope| {
        let run = scope.spawn(|| pipeline.run_controlled(&endless.0, circumstances(), &control));
        while control.progress().host_calls < 5 {
            thread::yield_now();
        }
        control.cancel();
        let run = run.join().expect("no panic").expect("a run");
        assert_eq!(crate::support::said(&run), "aborted cancelled");
    });
}

/// Writes all over its memory, globals and table, and ends in one of several ways.
fn hostile(end: &str) -> Story {
    capsule(&format!(
        "(module {} (memory (export \"memory\") 2) (global $g (mut i64) (i64.const 0)) (table 8 funcref)
          (elem $f func $run $run) (data $d \"left behind\")
          (func $run (export \"run\") (result i32)
            (global.set $g (i64.const -1)) (table.init $f (i32.const 3) (i32.const 0) (i32.const 2))
            (drop (memory.grow (i32.const 4)))
            (memory.fill (i32.const 0) (i32.const 0xa5) (i32.const 393216))
            (memory.init $d (i32.const 131072) (i32.const 0) (i32.const 11))
            (call $output_write (i32.const 0) (i32.const 100))
            (call $random_bytes (i32.const 0) (i32.const 64))
            {end}))",
        [import("output_write"), import("random_bytes")].concat()
    ))
}

/// Says whether it was handed anything but zeros: 1 global, 2 memory, 3 grown memory, 4 table, 5 result buffer, 6 size.
fn victim() -> Story {
    capsule(&format!(
        "(module {} (memory (export \"memory\") 2) (global $g (mut i64) (i64.const 0)) (table 8 funcref) (type $t (func (result i32)))
          (func $zero (param $from i32) (param $to i32) (result i32)
            (loop $next
              (if (i64.ne (i64.load (local.get $from)) (i64.const 0)) (then (return (i32.const 0))))
              (local.set $from (i32.add (local.get $from) (i32.const 8)))
              (br_if $next (i32.lt_u (local.get $from) (local.get $to))))
            (i32.const 1))
          (func (export \"run\") (result i32)
            (if (i64.ne (global.get $g) (i64.const 0)) (then (return (i32.const 1))))
            (if (i32.ne (memory.size) (i32.const 2)) (then (return (i32.const 6))))
            (if (i32.eqz (call $zero (i32.const 0) (i32.const 131072))) (then (return (i32.const 2))))
            (drop (memory.grow (i32.const 4)))
            (if (i32.eqz (call $zero (i32.const 131072) (i32.const 393216))) (then (return (i32.const 3))))
            (call $result_read (i32.const 393216))
            (call $output_result)
            (i32.const 0)))",
        [import("result_read"), import("output_result")].concat()
    ))
}

/// Calls through the table, which must be as empty as it was made.
fn table_victim() -> Story {
    capsule(
        "(module (memory (export \"memory\") 1) (table 8 funcref) (type $t (func (result i32)))
          (func (export \"run\") (drop (call_indirect (type $t) (i32.const 3)))))",
    )
}

fn alternate(allocation: Allocation, engines: Engines) {
    let runtime = RuntimeConfig {
        allocation,
        engines,
        instances_max: 2,
        ..RuntimeConfig::default()
    };
    let pipeline = Arc::new(pipeline_with(&lenient(), &runtime));
    let enders = [
        hostile("(i32.const 0)"),
        hostile("unreachable"),
        hostile("(i32.const 7)"),
        hostile("(drop (i32.load (i32.const 393216))) (i32.const 0)"),
        hostile("(loop (br 0)) (i32.const 0)").fuel(1_500_000),
    ];
    let (victim, table_victim, rounds) = (victim(), table_victim(), rounds());
    let endless =
        hostile("(loop (call $random_bytes (i32.const 0) (i32.const 64)) (br 0)) (i32.const 0)");
    let endless = endless.fuel(900_000_000);
    thread::scope(|scope| {
        for first in 0..2 {
            let (pipeline, enders) = (&pipeline, &enders);
            let (victim, table_victim, endless) = (&victim, &table_victim, &endless);
            scope.spawn(move || {
                for round in (first..rounds).step_by(2) {
                    if round % CANCELLED_EACH < 2 {
                        cancelled(pipeline, endless);
                    }
                    let hostile = enders[round % enders.len()].run_on(pipeline);
                    assert_ne!(hostile.receipt.claim().status(), "aborted");
                    let seen = victim.run_on(pipeline);
                    assert_eq!(
                        seen.outcome.output(),
                        Some(&b""[..]),
                        "{:?}",
                        seen.outcome.ending()
                    );
                    let table = table_victim.run_on(pipeline);
                    assert_eq!(crate::support::said(&table), "trapped indirect_call");
                }
            });
        }
    });
}

#[test]
fn nothing_is_left_behind_in_the_pool() {
    alternate(Allocation::Pooled, Engines::Wasmtime);
}

#[test]
fn nothing_is_left_behind_on_demand() {
    alternate(Allocation::OnDemand, Engines::Wasmtime);
}

#[test]
fn nothing_is_left_behind_in_the_interpreter() {
    alternate(Allocation::OnDemand, Engines::Wasmi);
}

#[test]
fn the_same_capsule_starts_from_the_same_memory_each_time() {
    let counter = capsule(&format!(
        "(module {} (memory (export \"memory\") 1) (data (i32.const 0) \"0\") (global $n (mut i32) (i32.const 0))
          (func (export \"run\") (result i32)
            (i32.store8 (i32.const 0) (i32.add (i32.load8_u (i32.const 0)) (i32.const 1)))
            (global.set $n (i32.add (global.get $n) (i32.const 1)))
            (call $output_write (i32.const 0) (i32.const 1))
            (i32.sub (global.get $n) (i32.const 1))))",
        import("output_write")
    ));
    for _ in 0..100 {
        assert_eq!(counter.output(), b"1");
    }
}
