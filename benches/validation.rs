//! Validation against the parser's own validator, which is the least that any check can cost.
//!
//! `cargo bench --bench validation`

mod common;

use std::hint::black_box;
use std::sync::Arc;

use criterion::Criterion;
use tenzik::validation::{FEATURES, ValidationConfig, validate};
use wasmparser::Validator;

fn main() {
    let table = common::Table::start();
    let capsule: Arc<[u8]> =
        Arc::from(&include_bytes!("../capsules/sbom-licenses/sbom-licenses.wasm")[..]);
    println!("capsule of {} bytes", capsule.len());
    let config = ValidationConfig::default();
    let mut criterion = Criterion::default().configure_from_args();
    criterion.bench_function("validation/ours", |b| {
        b.iter(|| validate(black_box(Arc::clone(&capsule)), &config).expect("valid"));
    });
    criterion.bench_function("validation/floor", |b| {
        b.iter(|| {
            let mut validator = Validator::new_with_features(FEATURES);
            validator.validate_all(black_box(&capsule)).expect("valid")
        });
    });
    table.print(&[common::Row {
        what: "validation, against wasmparser alone",
        ours: "validation/ours",
        floor: "validation/floor",
        target: 1.5,
    }]);
    criterion.final_summary();
}
