//! What is not as the suite has it, and why. Whatever is not explained here fails the test.

use tenzik::validation::FEATURES;
use wasmparser::{Validator, WasmFeatures};

use crate::script::Source;

/// Directives that are left out, by file and line.
const LEFT_OUT: [(&str, &str, &[usize], &str); 3] = [
    ("wasm-v2", "linking.wast", &[275, 288], NEVER_MADE),
    ("wasm-latest", "linking.wast", &[410, 423], NEVER_MADE),
    (
        "mutable-global",
        "linking.wast",
        &[236, 248, 342, 354],
        "before there were bulk operators, nothing was written by a module that could not be made; `wasm-v2` has the same \
         modules with what holds today",
    ),
];

const NEVER_MADE: &str = "calls a function of an instance that could not be made, through another's table: no host can set its \
    fuel, no capsule can import a table, and wasmi 2.0.0 itself did not survive the call";

/// The features that the files of a set may need beyond ours. Newer versions of the suite have everything.
const MAY_NEED: [(&str, &[&str]); 5] = [
    ("wasm-v2", &["reference types"]),
    ("finite-wasm", &["reference types"]),
    ("wasm-v3", EVERYTHING),
    ("wasm-latest", EVERYTHING),
    // Its tests of tables have two of them, and references in them.
    (
        "bulk-memory",
        &["reference types", "typed references", "garbage collection"],
    ),
];

const EVERYTHING: &[&str] = &[
    "reference types",
    "extended constants",
    "several memories",
    "tail calls",
    "typed references",
    "garbage collection",
    "exceptions",
    "several of these",
    "directives of later versions",
];

/// The features that are off, each with what it needs.
const OFF: [(&str, WasmFeatures); 8] = [
    ("reference types", REFERENCES),
    ("extended constants", WasmFeatures::EXTENDED_CONST),
    ("several memories", WasmFeatures::MULTI_MEMORY),
    ("tail calls", WasmFeatures::TAIL_CALL),
    ("typed references", TYPED),
    ("garbage collection", TYPED.union(WasmFeatures::GC)),
    ("exceptions", TYPED.union(WasmFeatures::EXCEPTIONS)),
    ("several of these", WasmFeatures::all()),
];

const REFERENCES: WasmFeatures = WasmFeatures::REFERENCE_TYPES.union(WasmFeatures::GC_TYPES);
const TYPED: WasmFeatures = REFERENCES.union(WasmFeatures::FUNCTION_REFERENCES);

/// Why the directive on this line is not run, if it is not.
pub(crate) fn left_out(source: Source<'_>, line: usize) -> Option<&'static str> {
    let found = LEFT_OUT.iter().find(|(set, file, lines, _)| {
        (*set, *file) == (source.set, source.file) && lines.contains(&line)
    });
    found.map(|(.., why)| *why)
}

/// All lines that are left out.
pub(crate) fn lines_left_out() -> usize {
    LEFT_OUT.iter().map(|(_, _, lines, _)| lines.len()).sum()
}

/// Whether a file of the set may need the feature.
pub(crate) fn may_need(set: &str, feature: &str) -> bool {
    MAY_NEED
        .iter()
        .any(|(one, features)| *one == set && features.contains(&feature))
}

pub(crate) fn is_valid(module: &[u8], features: WasmFeatures) -> bool {
    Validator::new_with_features(features)
        .validate_all(module)
        .is_ok()
}

/// The feature without which the module is not valid; `None` if it is not valid with all of them.
pub(crate) fn feature(module: &[u8]) -> Option<&'static str> {
    let found = OFF
        .iter()
        .find(|(_, feature)| is_valid(module, FEATURES.union(*feature)));
    found.map(|(name, _)| *name)
}
