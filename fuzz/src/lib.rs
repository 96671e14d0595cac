//! Oracles of the fuzz targets: each takes bytes, and panics only if a promise of the engine is broken.
//!
//! Enters: bytes of a fuzzer. Leaves: nothing. Refuses: to find fault with a refusal, if it is a typed one.

mod gateway;
mod host_calls;
mod lines;
mod log;
mod node;
mod receipt;

#[path = "../../tests/common/generate.rs"]
mod generate;
#[path = "../../tests/common/second.rs"]
mod second;

use std::sync::LazyLock;

use tenzik::config::{Allocation, RuntimeConfig, SecurityConfig};
use tenzik::metering::meter;
use tenzik::outcome::Outcome;
use tenzik::pipeline::{Order, Pipeline, RunError};
use tenzik::receipts::{Circumstances, Sealer};
use tenzik::replay::{Evidence, Replay, ReplayError, Replayer};
use tenzik::validation::{FEATURES, ValidationConfig, validate};
use tenzik_receipt::{Claim, Epoch, KeyUse, SecretKey, Timestamp};

use second::Second;

pub use gateway::gateway;
pub use host_calls::host_calls;
pub use lines::lines;
pub use log::{log_files, log_trees, seeds};
pub use node::{bodies, peers_file};
pub use receipt::receipt;

/// Any bytes are accepted or refused with findings; what is accepted is valid by the parser's own judgement.
pub fn validation(bytes: &[u8]) {
    let config = ValidationConfig {
        capsule_bytes_max: 64 * 1024,
    };
    match validate(bytes, &config) {
        Ok(capsule) => {
            assert_eq!(&capsule.bytes()[..], bytes);
            wasmparser::Validator::new_with_features(FEATURES)
                .validate_all(bytes)
                .expect("what is accepted is valid");
        }
        Err(rejection) => {
            assert!(!rejection.findings.is_empty(), "a rejection without a finding");
            assert!(rejection.to_string().len() < 4096, "a message without bound");
        }
    }
}

/// What a capsule becomes is valid, has its reserved exports, and is not too large.
pub fn metering(bytes: &[u8]) {
    let config = ValidationConfig {
        capsule_bytes_max: 64 * 1024,
    };
    let Ok(capsule) = validate(bytes, &config) else {
        return;
    };
    let metered = meter(&capsule).expect("a capsule can be metered");
    wasmparser::Validator::new_with_features(FEATURES)
        .validate_all(metered.bytes())
        .expect("what a capsule becomes is valid");
    assert!(metered.bytes().len() < 300 + 40 * bytes.len(), "it grew without bound");
    assert_eq!(meter(&capsule).expect("again").bytes(), metered.bytes());
}

/// A generated capsule gives the same claim from a pool, mapped on demand, and in a replay, and the interpreter agrees.
pub fn pipeline(bytes: &[u8]) {
    let Ok(order) = generate::order(bytes) else {
        return;
    };
    same_claim(&order);
}

/// Runs an order four times and compares what comes of it.
pub(crate) fn same_claim(order: &Order) {
    let (claim, outcome) = run(&POOLED, order);
    let (other, _) = run(&ON_DEMAND, order);
    if claim.status() == "aborted" || other.status() == "aborted" {
        return;
    }
    assert_eq!(claim, other, "two allocations give two claims");
    if let Some(outcome) = &outcome {
        SECOND.assert_agrees(order, outcome);
    }
    let evidence = Evidence {
        capsule: &order.capsule,
        input: &order.request.input,
        secret: None,
        seed: None,
        transcript: outcome.as_ref().map(Outcome::transcript),
    };
    match REPLAYER.replay(&claim, &evidence) {
        Ok(Replay::Same) | Err(ReplayError::Aborted | ReplayError::NotReplayable { .. }) => {}
        other => panic!("the replay gives {other:?}"),
    }
}

fn run(pipeline: &Pipeline, order: &Order) -> (Claim, Option<Outcome>) {
    let (claim, outcome) = match pipeline.run(order, Circumstances::at(now())) {
        Ok(run) => (run.receipt.claim().clone(), Some(run.outcome)),
        Err(RunError::Aborted { run, .. }) => (run.receipt.claim().clone(), None),
        Err(RunError::Refused { receipt, .. }) => (receipt.claim().clone(), None),
        Err(error) => panic!("{error}"),
    };
    claim.check().expect("a claim that is signed does not contradict itself");
    assert!(!is_host_failure(&claim), "a host function failed: {claim:?}");
    (claim, outcome)
}

/// A host failure is our fault, and never a capsule's.
fn is_host_failure(claim: &Claim) -> bool {
    let Claim::Wasm(claim) = claim else {
        return false;
    };
    let detail = claim.detail.as_ref().and_then(|detail| detail.open());
    detail.is_some_and(|detail| detail.code.as_str() == "host_failure")
}

pub(crate) fn now() -> Timestamp {
    "2026-11-20T08:00:00Z".parse().expect("a time")
}

pub(crate) fn key() -> SecretKey {
    SecretKey::from_seed(&[1; 32], KeyUse::Receipt, now())
}

static POOLED: LazyLock<Pipeline> = LazyLock::new(|| setup(Allocation::Pooled));
static ON_DEMAND: LazyLock<Pipeline> = LazyLock::new(|| setup(Allocation::OnDemand));
static REPLAYER: LazyLock<Replayer> =
    LazyLock::new(|| Replayer::new(20_000).expect("an engine"));

static SECOND: LazyLock<Second> = LazyLock::new(|| {
    let (security, runtime) = settings(Allocation::OnDemand);
    Second::new(&security, &runtime)
});

/// Few slots and few entries: a sanitizer's memory is dear, and each input is a capsule of its own.
fn settings(allocation: Allocation) -> (SecurityConfig, RuntimeConfig) {
    let security = SecurityConfig {
        capsule_bytes_max: 64 * 1024,
        ..SecurityConfig::default()
    };
    let runtime = RuntimeConfig {
        allocation,
        cache_entries_max: 4,
        instances_max: 4,
        ..RuntimeConfig::default()
    };
    (security, runtime)
}

fn setup(allocation: Allocation) -> Pipeline {
    let (security, runtime) = settings(allocation);
    let sealer = Sealer::new(key(), Epoch::from_bytes([2; 16])).expect("a receipt key");
    Pipeline::new(&security, &runtime, sealer).expect("an engine")
}
