//! Instances that are made before they are run: they come to what runs come to, in any order, and hold places until then.

use std::thread;
use std::time::Duration;

use tenzik::config::{Allocation, Engines, RuntimeConfig};
use tenzik::execution::{ExecuteError, Executor, Ready, ReadyError};
use tenzik::limits::LimitsAsked;
use tenzik::outcome::{Outcome, Request};
use tenzik::sandbox::{BoundCapsule, Sandbox};
use tenzik::validation::{ValidationConfig, validate};
use tenzik_receipt::{Claim, Seed, Status};

use crate::common::{circumstances, sealer};
use crate::support::{Story, import, lenient, with};

const LIVE: u32 = 320;

fn runtime(allocation: Allocation) -> RuntimeConfig {
    RuntimeConfig {
        allocation,
        engines: Engines::Wasmtime,
        instances_max: LIVE,
        ..RuntimeConfig::default()
    }
}

/// Stories that leave much behind in a memory and a table, and end in many ways.
fn stories() -> Vec<Story> {
    let before = [
        import("input_len"),
        import("input_read"),
        import("output_write"),
        import("random_bytes"),
        "(table 100 funcref) (data (i32.const 100) \"seed\") (global $n (mut i32) (i32.const 0))"
            .to_owned(),
    ]
    .concat();
    let before = |start: &str| format!("{before} {start}");
    let seen = "(call $output_write (i32.const 0) (i32.const 110))";
    let bodies = [
        seen.to_owned(),
        format!("(call $input_read (i32.const 0)) {seen}"),
        format!("(call $random_bytes (i32.const 0) (i32.const 90)) {seen}"),
        format!(
            "(drop (memory.grow (i32.const 20))) (memory.fill (i32.const 0) (i32.const 7) (i32.const 900000)) {seen}"
        ),
        "(drop (i32.load (i32.const 65533)))".to_owned(),
        "(loop (br 0))".to_owned(),
        "(call_indirect (i32.const 99))".to_owned(),
    ];
    let plain = bodies.iter().map(|body| with(&before(""), body));
    let start = "(func $s (i32.store8 (i32.const 5) (i32.const 65))) (start $s)";
    let mut stories: Vec<_> = plain.chain([with(&before(start), seen)]).collect();
    for (number, story) in (0u8..).zip(&mut stories) {
        *story = story.clone().bytes(&[number; 40]).fuel(1_000_000);
        story.0.request.seed = Seed::from_bytes([number; 32]);
    }
    stories
}

fn bind(story: &Story, runtime: &RuntimeConfig) -> (BoundCapsule, Request) {
    let order = &story.0;
    let capsule = validate(order.capsule.clone(), &ValidationConfig::default()).expect("valid");
    let bound = Sandbox::new(&lenient(), runtime).bind(capsule, &order.terms);
    (bound.expect("bound"), order.request.clone())
}

fn claim(outcome: &Outcome) -> Claim {
    let receipt = sealer().seal(outcome, circumstances());
    receipt.expect("a receipt").claim().clone()
}

#[test]
fn instances_that_wait_come_to_what_runs_come_to_in_any_order() {
    for allocation in [Allocation::Pooled, Allocation::OnDemand] {
        let runtime = runtime(allocation);
        let executor = Executor::new(&lenient(), &runtime).expect("an engine");
        let bound: Vec<_> = stories()
            .iter()
            .map(|story| bind(story, &runtime))
            .collect();
        let run = |(bound, request)| claim(&executor.execute(bound, request).expect("a run"));
        let expected: Vec<_> = bound
            .iter()
            .map(|(bound, request)| run((bound, request)))
            .collect();
        // The second time they are where others were.
        for _ in 0..2 {
            let mut live = live(&executor, &bound);
            let (first, request) = &bound[0];
            let refused = executor
                .ready(first, request)
                .expect_err("a place too many");
            assert_eq!(refused, ReadyError::NoPlace { places: LIVE });
            shuffle(&mut live);
            // Some are never run.
            live.truncate(live.len() * 3 / 4);
            let others = live.split_off(live.len() / 2);
            thread::scope(|scope| {
                for live in [live, others] {
                    scope.spawn(|| {
                        for (number, ready) in live {
                            assert_eq!(claim(&ready.run()), expected[number], "{number}");
                        }
                    });
                }
            });
        }
        // All places are free again.
        assert_eq!(live(&executor, &bound).len(), LIVE as usize);
        assert_eq!(run((&bound[0].0, &bound[0].1)), expected[0]);
    }
}

/// One for each place, each with the number of its story.
fn live<'a>(
    executor: &'a Executor,
    bound: &'a [(BoundCapsule, Request)],
) -> Vec<(usize, Ready<'a>)> {
    let stories = bound.iter().enumerate().cycle();
    let ready = stories.map(|(number, (bound, request))| {
        let ready = executor.ready(bound, request);
        (number, ready.unwrap_or_else(|error| panic!("{error}")))
    });
    ready.take(LIVE as usize).collect()
}

/// An order that nobody chose, the same each time.
fn shuffle<T>(items: &mut [T]) {
    let mut state = 7u64;
    for last in (1..items.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        items.swap(last, (state >> 33) as usize % (last + 1));
    }
}

#[test]
fn time_begins_when_it_runs() {
    let runtime = runtime(Allocation::Pooled);
    let executor = Executor::new(&lenient(), &runtime).expect("an engine");
    // One is stopped by its fuel, the other by the clock.
    for fuel in [10_000, 900_000_000] {
        let limits = LimitsAsked {
            fuel: Some(fuel),
            time_ms: Some(1_000),
            ..LimitsAsked::default()
        };
        let (bound, request) = bind(&with("", "").limits(limits), &runtime);
        let ready = executor.ready(&bound, &request).expect("an instance");
        thread::sleep(Duration::from_millis(1_200));
        let outcome = ready.run();
        assert_eq!(outcome.status(), Status::Ok, "{fuel}");
        assert!(
            outcome.wall() < Duration::from_millis(1_000),
            "{:?}",
            outcome.wall()
        );
    }
}

#[test]
fn one_that_cannot_pay_its_start_is_ready_and_ends_there() {
    let runtime = runtime(Allocation::Pooled);
    let executor = Executor::new(&lenient(), &runtime).expect("an engine");
    let (bound, request) = bind(&with("", "").fuel(1), &runtime);
    let ready = executor.ready(&bound, &request).expect("a place");
    assert_eq!(ready.run().status(), Status::OutOfFuel);
}

#[test]
fn what_would_not_run_is_not_made_ready() {
    let runtime = runtime(Allocation::Pooled);
    let executor = Executor::new(&lenient(), &runtime).expect("an engine");
    let (bound, _) = bind(&with(&import("input_len"), ""), &runtime);
    let request = Request::json(&b"{"[..]);
    let refused = executor.ready(&bound, &request).expect_err("no JSON");
    assert!(matches!(
        refused,
        ReadyError::Execute(ExecuteError::Input(_))
    ));
    let interpreter = RuntimeConfig {
        engines: Engines::Wasmi,
        ..runtime
    };
    let executor = Executor::new(&lenient(), &interpreter).expect("an engine");
    let request = Request::json(&b"{}"[..]);
    let refused = executor
        .ready(&bound, &request)
        .expect_err("no native code");
    assert_eq!(refused, ReadyError::Interpreter);
}
