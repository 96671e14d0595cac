//! The same claim on everything: generated capsules, each run in fresh processes of their own, on pooled and optimised native
//! code, on native code that is neither, and in the interpreter, must give the same claims.
//!
//! `TENZIK_GENERATED` sets how many; 10,000 take about a minute with optimisation.

mod common;
#[path = "common/generate.rs"]
mod generate;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

use common::{circumstances, pipeline_with};
use tenzik::config::{Allocation, Engines, Optimization, RuntimeConfig, SecurityConfig};
use tenzik::pipeline::{Order, Pipeline, RunError};
use tenzik_receipt::Claim;

/// How many where nothing is said: what an unoptimised build does in a few seconds.
const GENERATED: u64 = 300;
/// Bytes of source for each capsule.
const SOURCE_BYTES: usize = 4_096;

const CHILD: &str = "TENZIK_CHILD_ENGINE";

fn generated() -> u64 {
    let count = std::env::var("TENZIK_GENERATED").ok();
    count.map_or(GENERATED, |count| count.parse().expect("a number"))
}

fn pipeline(engine: &str) -> Pipeline {
    let (engines, allocation, optimization) = match engine {
        "optimised" => (Engines::Wasmtime, Allocation::Pooled, Optimization::Speed),
        "plain" => (Engines::Wasmtime, Allocation::OnDemand, Optimization::None),
        "interpreted" => (Engines::Wasmi, Allocation::OnDemand, Optimization::None),
        other => panic!("no engine {other}"),
    };
    let security = SecurityConfig {
        capsule_bytes_max: 64 * 1024,
        ..SecurityConfig::default()
    };
    let runtime = RuntimeConfig {
        allocation,
        engines,
        optimization,
        instances_max: 4,
        ..RuntimeConfig::default()
    };
    pipeline_with(&security, &runtime)
}

fn claim(pipeline: &Pipeline, order: &Order) -> Claim {
    match pipeline.run(order, circumstances()) {
        Ok(run) => run.receipt.claim().clone(),
        Err(RunError::Refused { receipt, .. }) => receipt.claim().clone(),
        Err(RunError::Aborted { run, .. }) => run.receipt.claim().clone(),
        Err(error) => panic!("{error}"),
    }
}

/// Run by the test below, in processes of its own.
#[test]
fn child_prints_its_claims() {
    let Ok(engine) = std::env::var(CHILD) else {
        return;
    };
    let pipeline = pipeline(&engine);
    let mut out = std::io::stdout().lock();
    for number in 0..generated() {
        if let Ok(order) = generate::order(&generate::stream(number, SOURCE_BYTES)) {
            let claim = claim(&pipeline, &order);
            let code = if let Claim::Refused(refused) = &claim {
                refused.code.to_string()
            } else {
                String::new()
            };
            writeln!(
                out,
                "claim {number} {} {} {code}",
                claim.status(),
                claim.id()
            )
            .expect("a pipe");
        }
    }
}

fn claims(engine: &str) -> Vec<String> {
    let child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "child_prints_its_claims", "--nocapture"])
        .env(CHILD, engine)
        .stderr(Stdio::inherit())
        .output()
        .expect("the child runs");
    assert!(child.status.success(), "{engine}: {}", child.status);
    let text = String::from_utf8(child.stdout).expect("text");
    let lines = text
        .lines()
        .filter_map(|line| line.find("claim ").map(|at| line[at..].to_owned()));
    lines.collect()
}

#[test]
fn every_engine_gives_the_same_claims() {
    let optimised = claims("optimised");
    assert!(
        optimised.len() as u64 > generated() / 2,
        "only {} capsules were made",
        optimised.len()
    );
    for engine in ["plain", "interpreted"] {
        let other = claims(engine);
        for (one, other) in optimised.iter().zip(&other) {
            assert_eq!(one, other, "{engine}");
        }
        assert_eq!(optimised.len(), other.len(), "{engine}");
    }
    let mut statuses = BTreeMap::<&str, u32>::new();
    for line in &optimised {
        *statuses
            .entry(line.split(' ').nth(2).expect("a status"))
            .or_default() += 1;
    }
    println!("{statuses:?}");
    assert_eq!(statuses.get("aborted"), None);
    // A generator that only makes rubbish would prove nothing.
    let refused = statuses.get("refused").copied().unwrap_or(0) as usize;
    assert!(refused * 2 < optimised.len(), "{statuses:?}");
    assert!(statuses.len() >= 3, "{statuses:?}");
}
