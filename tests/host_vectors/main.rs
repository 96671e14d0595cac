//! The published vectors of the host functions, `tests/vectors/host`, run on each engine.
//!
//! Enters: the files as `tests/vectors/README.md` describes them. Each case is run as small modules that differ in
//! nothing but the call. Refuses: a case that gives another answer, another ending, or another charge, by one fuel.

mod case;
mod module;
mod run;

use case::cases;
use run::Runner;

fn check(file: &str) {
    let cases = cases(file);
    for runner in Runner::on_each_engine() {
        let failures: Vec<_> = cases
            .iter()
            .filter_map(|case| {
                runner
                    .check(case)
                    .err()
                    .map(|why| format!("{}: {why}", case.name))
            })
            .collect();
        assert!(
            failures.is_empty(),
            "{} of {} cases in {file}, on {}:\n{}",
            failures.len(),
            cases.len(),
            runner.engine,
            failures.join("\n")
        );
    }
}

#[test]
fn base64() {
    check("base64");
}

#[test]
fn hash() {
    check("hash");
}

#[test]
fn input_and_output() {
    check("io");
}

#[test]
fn json_by_handle() {
    check("json");
}

#[test]
fn json_by_path() {
    check("path");
}

#[test]
fn numbers() {
    check("number");
}

#[test]
fn pointers() {
    check("pointers");
}

#[test]
fn random() {
    check("random");
}

#[test]
fn text_and_results() {
    check("text");
}

#[test]
fn time() {
    check("time");
}

#[test]
fn every_host_function_has_vectors() {
    let mut called: Vec<_> = case::FILES
        .iter()
        .flat_map(|file| cases(file))
        .map(|case| case.call.name().to_owned())
        .collect();
    called.sort();
    called.dedup();
    // The gateway that `tool_call` needs is not there yet, so nothing can call it.
    let known: Vec<_> = tenzik::capability::IMPORTS
        .iter()
        .map(|row| row.name)
        .filter(|name| *name != "tool_call")
        .collect();
    assert_eq!(called, known);
}
