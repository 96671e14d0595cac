//! A capsule that no run has seen, from its bytes to the signed receipt: its code from the disk, against what the other ways
//! to begin cost.
//!
//! `cargo bench --bench cold`

mod common;

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;

use criterion::Criterion;
use tenzik::capability::Capability;
use tenzik::config::{Engines, RuntimeConfig, SecurityConfig};
use tenzik::outcome::Request;
use tenzik::pipeline::{Order, Pipeline};
use tenzik::receipts::{Circumstances, Sealer};
use tenzik::sandbox::Terms;
use tenzik_receipt::{Epoch, KeyUse, SecretKey, Timestamp};

const CAPSULE: &[u8] = include_bytes!("../capsules/sbom-licenses/sbom-licenses.wasm");
const INPUT: &[u8] = include_bytes!("../capsules/sbom-licenses/example.json");
const EXPECTED: &[u8] = include_bytes!("../capsules/sbom-licenses/expected.json");

fn main() {
    let table = common::Table::start();
    println!("capsule of {} bytes", CAPSULE.len());
    let scratch = tempfile::tempdir().expect("a directory");
    let kept = Some(scratch.path().join("code"));
    let mut criterion = Criterion::default().configure_from_args();
    // The first run fills the directory.
    cold(&mut criterion, "cold/disk", Engines::Wasmtime, kept.clone());
    cold(&mut criterion, "cold/disk-both", Engines::Both, kept);
    cold(&mut criterion, "cold/compiled", Engines::Wasmtime, None);
    cold(&mut criterion, "cold/interpreted", Engines::Wasmi, None);
    // Last: its compiler goes on for a while.
    cold(&mut criterion, "cold/both", Engines::Both, None);
    let row = |what, ours, floor, target| common::Row {
        what,
        ours,
        floor,
        target,
    };
    table.print(&[
        row(
            "from the disk, against compiling",
            "cold/disk",
            "cold/compiled",
            0.1,
        ),
        row(
            "from the disk, against interpreting",
            "cold/disk",
            "cold/interpreted",
            1.0,
        ),
        row(
            "both engines with the disk, against without",
            "cold/disk-both",
            "cold/both",
            1.0,
        ),
        row(
            "both engines, against compiling",
            "cold/both",
            "cold/compiled",
            0.1,
        ),
    ]);
    criterion.final_summary();
}

/// Runs by a pipeline that remembers nothing, so each is of a capsule it has not seen.
fn cold(criterion: &mut Criterion, name: &str, engines: Engines, code_dir: Option<PathBuf>) {
    let runtime = RuntimeConfig {
        cache_entries_max: 0,
        code_dir,
        engines,
        instances_max: 16,
        ..RuntimeConfig::default()
    };
    let now: Timestamp = "2026-11-20T08:00:00Z".parse().expect("a time");
    let key = SecretKey::from_seed(&[1; 32], KeyUse::Receipt, now);
    let sealer = Sealer::new(key, Epoch::from_bytes([2; 16])).expect("a receipt key");
    let pipeline = Pipeline::new(&SecurityConfig::default(), &runtime, sealer).expect("an engine");
    let order = Order {
        capsule: Arc::from(CAPSULE),
        terms: Terms {
            grants: Capability::Json.into(),
            ..Terms::default()
        },
        request: Request::json(INPUT),
    };
    criterion.bench_function(name, |b| {
        b.iter(|| {
            let run = pipeline.run(black_box(&order), Circumstances::at(now));
            let run = run.expect("a run");
            assert_eq!(run.outcome.output(), Some(EXPECTED.trim_ascii_end()));
            run.receipt.to_bytes()
        });
    });
}
