//! Generated capsules on both engines, and looked at: they must come to the same ending, the same output and the same figures.
//!
//! `TENZIK_GENERATED` sets how many.

mod common;
#[path = "common/generate.rs"]
mod generate;

use std::collections::BTreeMap;

use common::second::Second;
use common::{circumstances, pipeline_with};
use tenzik::config::{Allocation, Engines, RuntimeConfig, SecurityConfig};
use tenzik::execution::Observer;
use tenzik::pipeline::RunError;

/// How many where nothing is said: what an unoptimised build does in a few seconds.
const GENERATED: u64 = 300;
/// Bytes of source for each capsule.
const SOURCE_BYTES: usize = 4_096;

fn generated() -> u64 {
    let count = std::env::var("TENZIK_GENERATED").ok();
    count.map_or(GENERATED, |count| count.parse().expect("a number"))
}

#[test]
fn the_interpreter_agrees_with_the_compiler() {
    let security = SecurityConfig {
        capsule_bytes_max: 64 * 1024,
        require_deterministic: false,
        ..SecurityConfig::default()
    };
    let runtime = RuntimeConfig {
        engines: Engines::Wasmtime,
        instances_max: 4,
        ..RuntimeConfig::default()
    };
    let pipeline = pipeline_with(&security, &runtime);
    let second = Second::new(&security, &runtime);
    let mut statuses = BTreeMap::<&str, u64>::new();
    for number in 0..generated() {
        let Ok(order) = generate::order(&generate::stream(number, SOURCE_BYTES)) else {
            continue;
        };
        let run = match pipeline.run(&order, circumstances()) {
            Ok(run) => run,
            Err(RunError::Refused { .. }) => continue,
            Err(error) => panic!("{number}: {error}"),
        };
        *statuses.entry(run.outcome.status().name()).or_default() += 1;
        second.assert_agrees(&order, &run.outcome);
    }
    println!("{statuses:?}");
    assert_eq!(statuses.get("aborted"), None);
    // Of a generator that only makes rubbish nothing would follow.
    assert!(
        statuses.values().sum::<u64>() > generated() / 2,
        "{statuses:?}"
    );
    assert!(statuses.len() >= 3, "{statuses:?}");
}

/// A module that tells of each function is another module, and comes to the same.
#[test]
fn a_run_that_is_looked_at_is_the_run_that_was_sealed() {
    let security = SecurityConfig {
        capsule_bytes_max: 64 * 1024,
        enable_debugging: true,
        require_deterministic: false,
        ..SecurityConfig::default()
    };
    let runtime = RuntimeConfig {
        allocation: Allocation::OnDemand,
        engines: Engines::Wasmi,
        ..RuntimeConfig::default()
    };
    let pipeline = pipeline_with(&security, &runtime);
    let observer = Observer::new(&security, &runtime).expect("an engine");
    let mut deepest = 0;
    for number in 0..generated() {
        let order = generate::order(&generate::stream(number, SOURCE_BYTES));
        let run = order.ok().and_then(|order| {
            let run = pipeline.run(&order, circumstances()).ok()?;
            Some((order, run.outcome))
        });
        let Some((order, outcome)) = run else {
            continue;
        };
        let seen = observer.observe(&order, &outcome);
        let seen = seen.unwrap_or_else(|error| panic!("{number}: {error}"));
        let fuel = outcome.usage().expect("none is aborted").fuel;
        match outcome.status().name() {
            "ok" | "failed" => assert_eq!(seen.fuel(), fuel, "{number}"),
            _ => assert!(seen.fuel() <= fuel, "{number}"),
        }
        deepest = deepest.max(seen.frames.len());
    }
    assert!(deepest > 2, "some trap below others: {deepest}");
}
