//! The arrows between the parts, as `docs/architecture.md` draws them, held against the sources.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::path;

/// Every Rust file below a folder, or the file itself.
fn sources(name: &str) -> Vec<PathBuf> {
    let start = path(name);
    if start.is_file() {
        return vec![start];
    }
    let entries = fs::read_dir(&start).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry.expect("an entry").path();
        let below = entry
            .strip_prefix(path(""))
            .expect("below the root")
            .to_path_buf();
        if entry.is_dir() {
            files.extend(sources(&below.to_string_lossy()));
        } else if entry.extension().is_some_and(|ending| ending == "rs") {
            files.push(entry);
        }
    }
    files
}

/// Lines of code: comments may name what code may not.
fn code(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("text");
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    text.lines().filter(is_code).map(str::to_owned).collect()
}

#[track_caller]
fn assert_absent(words: &[&str], files: Vec<PathBuf>) {
    assert!(!files.is_empty());
    for file in files {
        for line in code(&file) {
            for word in words {
                assert!(
                    !line.contains(word),
                    "{}: {word} in: {line}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn validation_never_compiles() {
    let mut files = sources("src/validation");
    files.extend(sources("src/validation.rs"));
    assert_absent(&["wasmtime", "crate::execution", "crate::sandbox"], files);
}

#[test]
fn only_execution_names_an_engine() {
    let execution = path("src/execution");
    let outside = |file: &PathBuf| {
        !file.starts_with(&execution)
            && *file != path("src/execution.rs")
            && *file != path("src/rules.rs")
    };
    let files = sources("src").into_iter().filter(outside).collect();
    assert_absent(
        &["wasmtime::", "use wasmtime", "wasmi::", "use wasmi"],
        files,
    );
}

#[test]
fn neither_engine_knows_of_the_other() {
    let mut interpreter = sources("src/execution/interpreter");
    interpreter.extend(sources("src/execution/interpreter.rs"));
    assert_absent(&["wasmtime", "native::"], interpreter);
    let mut native = sources("src/execution/native");
    native.extend(sources("src/execution/disk"));
    for file in [
        "compiled", "disk", "engine", "memory", "native", "run", "traps",
    ] {
        native.extend(sources(&format!("src/execution/{file}.rs")));
    }
    assert_absent(&["wasmi::", "use wasmi", "interpreter::"], native);
}

/// A line without the router's name for a backend that isolates nothing.
fn named(line: &str) -> String {
    line.replace("unsafe_host", "").replace("unsafe-host", "")
}

#[test]
fn one_file_has_unsafe_code_and_one_block_of_it() {
    let entry = path("src/execution/disk/entry.rs");
    let blocks = code(&entry);
    let blocks = blocks.iter().filter(|line| line.contains("unsafe {"));
    assert_eq!(blocks.count(), 1);
    for file in ["src", "crates/receipt/src", "crates/cli/src"] {
        let others = sources(file).into_iter().filter(|file| *file != entry);
        for file in others {
            for line in code(&file) {
                let forbids = matches!(
                    line.as_str(),
                    "#![deny(unsafe_code)]" | "#![forbid(unsafe_code)]"
                );
                assert!(
                    forbids || !named(&line).contains("unsafe"),
                    "{}: {line}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn code_is_loaded_from_bytes_that_were_authenticated_and_from_nowhere_else() {
    let entry = path("src/execution/disk/entry.rs");
    // The gateway reads JSON of strangers, by a library that calls this so; it names no engine.
    let gateway = path("src/gateway");
    let others = |file: &PathBuf| *file != entry && !file.starts_with(&gateway);
    let others = sources("src").into_iter().filter(others);
    assert_absent(&["deserialize("], others.collect());
    let files = [
        "deserialize_file",
        "deserialize_open_file",
        "deserialize_raw",
    ];
    assert_absent(&files, sources("src"));
    assert_absent(&["std::fs", "File"], vec![entry]);
}

/// Whether a file holds tests, or the suites that other crates run as theirs.
fn is_for_tests(file: &Path) -> bool {
    let names = ["testing", "testing.rs", "tests", "tests.rs"];
    file.iter()
        .any(|part| names.iter().any(|name| part == *name))
}

/// Tests may read what they are about, and the rules' writes their file where the environment asks for it.
#[test]
fn only_the_directory_for_compiled_code_is_on_the_disk() {
    let disk = path("src/execution/disk");
    let outside = |file: &PathBuf| {
        // Code that a caller names is read once, for the router's private copy.
        let may = [
            "src/execution/disk.rs",
            "src/router/code.rs",
            "src/rules.rs",
        ]
        .map(path);
        !is_for_tests(file) && !file.starts_with(&disk) && !may.contains(file)
    };
    let files = sources("src").into_iter().filter(outside).collect();
    let words = ["std::fs", "fs::", "File::", "OpenOptions", "getrandom"];
    assert_absent(&words, files);
}

#[test]
fn host_functions_name_no_engine() {
    let mut files = sources("src/execution/host");
    files.extend(sources("src/execution/host.rs"));
    assert_absent(&["wasmtime", "wasmi", "Store", "Linker"], files);
}

#[test]
fn the_engine_reads_no_clock_but_to_stop_a_run_or_a_wait() {
    // The rules' test writes their file where the environment asks for it.
    let outside = |file: &PathBuf| {
        !file.starts_with(path("src/execution"))
            && *file != path("src/rules.rs")
            && !is_for_tests(file)
    };
    let files: Vec<_> = sources("src").into_iter().filter(outside).collect();
    assert_absent(
        &["SystemTime", "getrandom", "std::env::", "std::net"],
        files.clone(),
    );
    let keeps_time = [
        "src/backend.rs",
        "src/control.rs",
        "src/execution.rs",
        "src/gateway/proxy/client.rs",
        "src/json/tests",
        "src/receipts/gather",
        "src/router",
        "src/router.rs",
    ]
    .map(path);
    let elsewhere = |file: &PathBuf| !keeps_time.iter().any(|below| file.starts_with(below));
    let files = files.into_iter().filter(elsewhere).collect();
    assert_absent(&["Instant"], files);
}

#[test]
fn the_receipt_crate_reads_no_clock_no_file_and_no_chance() {
    let words = [
        "std::",
        "SystemTime",
        "getrandom",
        "Timestamp::now",
        "wasmtime",
        "unsafe",
    ];
    let files = sources("crates/receipt/src");
    let in_code = |file: &PathBuf| {
        let allowed = |line: &String| line.contains("forbid(unsafe_code)");
        code(file)
            .into_iter()
            .filter(|line| !allowed(line))
            .collect::<Vec<_>>()
    };
    for file in files {
        for line in in_code(&file) {
            for word in words {
                assert!(
                    !line.contains(word),
                    "{}: {word} in: {line}",
                    file.display()
                );
            }
        }
    }
}

#[test]
fn the_log_crate_is_without_io_and_runs_nothing() {
    let words = [
        "std::fs",
        "std::net",
        "SystemTime",
        "Instant",
        "getrandom",
        "std::env::",
        "tenzik::",
        "wasmtime",
    ];
    assert_absent(&words, sources("crates/log/src"));
}

#[test]
fn lines_of_sources_know_no_engine_and_open_nothing() {
    let words = [
        "std::fs",
        "std::net",
        "std::env::",
        "SystemTime",
        "tenzik::",
        "wasmtime",
    ];
    assert_absent(&words, sources("crates/lines/src"));
}

#[test]
fn the_store_knows_no_engine_and_no_network_but_its_database() {
    let words = ["tenzik::", "wasmtime", "std::net", "SystemTime"];
    assert_absent(&words, sources("crates/store/src"));
}
