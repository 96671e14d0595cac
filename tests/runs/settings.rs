//! What a host spends cannot be seen in a claim: allocation, cache and slots.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use tenzik::config::{Allocation, Engines, Optimization, RuntimeConfig};
use tenzik_receipt::Claim;

use crate::common::pipeline_with;
use crate::support::{Story, import, lenient, with};

fn stories() -> Vec<Story> {
    let before = [
        import("output_write"),
        import("random_bytes"),
        import("hash_sha256"),
        import("output_result"),
        "(table 100 funcref) (data (i32.const 100) \"seed\")".to_owned(),
    ]
    .concat();
    [
        "",
        "(call $random_bytes (i32.const 0) (i32.const 50)) (call $output_write (i32.const 0) (i32.const 110))",
        "(drop (memory.grow (i32.const 100))) (call $output_write (i32.const 6000000) (i32.const 9))",
        "(drop (memory.grow (i32.const 512)))",
        "(drop (call $hash_sha256 (i32.const 0) (i32.const 60000))) (call $output_result)",
        "(drop (i32.load (i32.const 65533)))",
        "(call_indirect (i32.const 99))",
        "(call_indirect (i32.const 100))",
        "(loop (br 0))",
        "(local f64) (local.set 0 (f64.div (f64.const 0) (f64.const 0))) (f64.store (i32.const 0) (local.get 0)) (call $output_write (i32.const 0) (i32.const 8))",
    ]
    .iter()
    .map(|body| with(&before, body).fuel(5_000_000))
    .collect()
}

fn claims(runtime: &RuntimeConfig) -> Vec<Claim> {
    let pipeline = pipeline_with(&lenient(), runtime);
    let twice = stories()
        .into_iter()
        .flat_map(|story| [story.clone(), story]);
    twice
        .map(|story| story.run_on(&pipeline).receipt.claim().clone())
        .collect()
}

#[test]
fn claims_do_not_depend_on_what_the_host_spends() {
    let usual = RuntimeConfig {
        instances_max: 4,
        ..RuntimeConfig::default()
    };
    let scratch = tempfile::tempdir().expect("a directory");
    let code_dir = Some(scratch.path().join("code"));
    let expected = claims(&usual);
    for other in [
        RuntimeConfig {
            allocation: Allocation::OnDemand,
            ..usual.clone()
        },
        RuntimeConfig {
            cache_entries_max: 0,
            ..usual.clone()
        },
        RuntimeConfig {
            cache_entries_max: 1,
            allocation: Allocation::OnDemand,
            ..usual.clone()
        },
        RuntimeConfig {
            instances_max: 1,
            ..usual.clone()
        },
        RuntimeConfig {
            engines: Engines::Wasmtime,
            ..usual.clone()
        },
        RuntimeConfig {
            engines: Engines::Wasmtime,
            optimization: Optimization::None,
            ..usual.clone()
        },
        // Filled here, and read by the next two.
        RuntimeConfig {
            code_dir: code_dir.clone(),
            engines: Engines::Wasmtime,
            ..usual.clone()
        },
        RuntimeConfig {
            code_dir: code_dir.clone(),
            engines: Engines::Wasmtime,
            ..usual.clone()
        },
        RuntimeConfig {
            code_dir,
            ..usual.clone()
        },
        RuntimeConfig {
            engines: Engines::Wasmi,
            ..usual.clone()
        },
        RuntimeConfig {
            instances_max: 0,
            ..usual
        },
    ] {
        assert_eq!(claims(&other), expected, "{other:?}");
    }
}

#[test]
fn where_all_slots_are_taken_a_run_waits() {
    for allocation in [Allocation::Pooled, Allocation::OnDemand] {
        let runtime = RuntimeConfig {
            instances_max: 1,
            allocation,
            ..RuntimeConfig::default()
        };
        let pipeline = pipeline_with(&lenient(), &runtime);
        let busy = with(
            "",
            "(local i32) (loop (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br_if 0 (i32.lt_u (local.get 0) (i32.const 100000))))",
        );
        let ended = AtomicU32::new(0);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..10 {
                        assert_eq!(busy.run_on(&pipeline).receipt.claim().status(), "ok");
                        ended.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(ended.into_inner(), 80);
    }
}

/// What nobody asked for is not refused for being too much.
#[test]
fn a_default_above_its_ceiling_is_the_ceiling() {
    let mut security = lenient();
    security.limits_max.fuel = 10_000;
    let story = with("", "");
    let run = story.run_on(&pipeline_with(&security, &RuntimeConfig::default()));
    let limits = crate::support::claim(&run).limits;
    assert_eq!(limits.fuel.get(), 10_000);
}
