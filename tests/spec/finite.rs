//! The cases of finite-wasm, which meters modules by another model: its texts are run as the suite's are, and its analysis
//! says how high a function's operands get. Its figures of fuel are those of its own model, and apply to nothing here.

use std::collections::HashSet;
use std::path::PathBuf;
use std::process::Command;

use finite_wasm::max_stack::SizeConfig;
use finite_wasm::prefix_sum_vec::PrefixSumVec;
use finite_wasm::{Analysis, wasmparser as theirs};
use serde::Deserialize;
use wasmparser::{FunctionBody, Operator, Parser, Payload};

use crate::report::examine;
use crate::script::{Accepted, Source};

const SET: &str = "finite-wasm";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

/// The folder of the package's cases, wherever this build has the package from.
fn folder() -> PathBuf {
    let host = Command::new("rustc").arg("-vV").output().expect("rustc");
    let host = String::from_utf8(host.stdout).expect("text");
    let host = host.lines().find_map(|line| line.strip_prefix("host: "));
    // What only other platforms need was never fetched.
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(["--filter-platform", host.expect("a host")])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo");
    let metadata: Metadata = serde_json::from_slice(&metadata.stdout).expect("metadata");
    let mut packages = metadata.packages.into_iter();
    let package = packages.find(|package| package.name == SET);
    let package = package.expect("a dependency of the tests");
    package.manifest_path.with_file_name("tests")
}

/// Cases of its own, and older copies of the suite. Its folder of vectors is of a feature that is off.
fn cases() -> Vec<(String, String)> {
    let suite = crate::files();
    let suite: HashSet<_> = suite.iter().map(|file| file.raw()).collect();
    let mut cases = Vec::new();
    for folder in [folder().join("local"), folder()] {
        for entry in std::fs::read_dir(folder).expect("the cases") {
            let path = entry.expect("an entry").path();
            if path
                .extension()
                .is_some_and(|extension| extension == "wast")
            {
                let name = path.file_name().expect("a name").to_string_lossy();
                let text = std::fs::read_to_string(&path).expect("text");
                cases.push((name.into_owned(), text));
            }
        }
    }
    cases.retain(|(_, text)| !suite.contains(text.as_str()));
    cases
}

#[test]
fn its_cases_pass_when_their_modules_are_metered() {
    let cases = cases();
    let sources = cases.iter().map(|(file, text)| Source {
        set: SET,
        file,
        text,
    });
    let report = examine(&sources.collect::<Vec<_>>());
    println!("{report}");
    report.assert_all_is_well();
    assert!(cases.len() >= 21, "{}", cases.len());
}

/// One unit a value.
struct Units;

impl SizeConfig for Units {
    fn size_of_value(&self, _: theirs::ValType) -> u8 {
        1
    }

    fn size_of_function_activation(&self, locals: &PrefixSumVec<theirs::ValType, u32>) -> u64 {
        locals.max_index().map_or(0, |index| u64::from(*index) + 1)
    }
}

/// Compares the frame of each function of a module with what its analysis finds, and gives the number of those that were equal.
pub(crate) fn same_frames(module: &Accepted, name: &str) -> usize {
    let theirs = Analysis::new().with_stack(Units).analyze(&module.original);
    let theirs = theirs.expect("a valid module");
    let (mut types, mut functions, mut bodies) = (Vec::new(), Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(&module.original) {
        match payload.expect("a valid module") {
            Payload::TypeSection(section) => {
                let all = section.into_iter_err_on_gc_types();
                types.extend(all.map(|ty| ty.expect("a type").results().len() as u64));
            }
            Payload::FunctionSection(section) => {
                functions.extend(section.into_iter().map(|ty| ty.expect("a number")));
            }
            Payload::CodeSectionEntry(body) => bodies.push(body),
            _ => {}
        }
    }
    let mut equal = 0;
    for (at, ours) in frames(&module.metered)
        .into_iter()
        .take(bodies.len())
        .enumerate()
    {
        // At the end of a function whose last operators are dead, it forgets the results.
        let height = theirs.function_operand_stack_sizes[at].max(types[functions[at] as usize]);
        let theirs = 8 + theirs.function_frame_sizes[at] + height;
        if calls_indirectly(&bodies[at]) {
            // It does not take the index off the operands.
            assert!(ours <= theirs, "{name}, function {at}: {ours} of {theirs}");
        } else {
            assert_eq!(ours, theirs, "{name}, function {at}");
            equal += 1;
        }
    }
    equal
}

/// The frames that a metered module takes: the number at the start of each function.
fn frames(metered: &[u8]) -> Vec<u64> {
    let payloads = Parser::new(0).parse_all(metered);
    let frames = payloads.filter_map(|payload| match payload.expect("a valid module") {
        Payload::CodeSectionEntry(body) => {
            let mut operators = body.get_operators_reader().expect("a body");
            operators.read().expect("the stack that is left");
            match operators.read().expect("the frame") {
                Operator::I64Const { value } => Some(value as u64),
                // The function that grows the memory has no frame.
                _ => None,
            }
        }
        _ => None,
    });
    frames.collect()
}

fn calls_indirectly(body: &FunctionBody<'_>) -> bool {
    let operators = body.get_operators_reader().expect("a body");
    operators
        .into_iter()
        .any(|operator| matches!(operator, Ok(Operator::CallIndirect { .. })))
}
