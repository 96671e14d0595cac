//! The metering pass by itself.

mod common;

#[path = "common/generate.rs"]
mod generate;

use tenzik::metering::meter;
use tenzik::validation::{FEATURES, ValidationConfig, validate};

fn revalidated(bytes: &[u8]) -> Option<(usize, usize)> {
    let config = ValidationConfig {
        capsule_bytes_max: 1024 * 1024,
    };
    let capsule = validate(bytes.to_vec(), &config).ok()?;
    let metered = meter(&capsule).expect("a valid capsule can be metered");
    wasmparser::Validator::new_with_features(FEATURES)
        .validate_all(metered.bytes())
        .unwrap_or_else(|error| panic!("{error}"));
    Some((bytes.len(), metered.bytes().len()))
}

#[test]
fn every_committed_capsule_is_valid_when_metered() {
    for entry in std::fs::read_dir(common::path("capsules")).expect("the folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name");
        let Ok(bytes) = std::fs::read(entry.path().join(format!("{name}.wasm"))) else {
            continue;
        };
        let (before, after) = revalidated(&bytes).expect("a capsule");
        println!("{name}: {before} -> {after}");
    }
}

#[test]
fn generated_capsules_are_valid_when_metered() {
    let (mut seen, mut before, mut after) = (0, 0, 0);
    for number in 0..2_000 {
        let bytes = generate::stream(number, 4_096);
        let Ok(order) = generate::order(&bytes) else {
            continue;
        };
        let Some((from, to)) = revalidated(&order.capsule) else {
            continue;
        };
        seen += 1;
        before += from;
        after += to;
    }
    println!("{seen} modules, {before} -> {after} bytes");
    assert!(seen > 1_500);
}
