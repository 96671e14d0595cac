//! What `build`, `test` and `bench` tell an author to do, and that it is what helps.
#![cfg(unix)]

mod authoring;

use std::fs;

use authoring::{Author, COPY, Said, copying};

#[test]
fn a_grant_that_is_missing_is_named() {
    let author = Author::new("wat");
    let description = author.read("capsule.json");
    let granted = r#""grants": ["json"]"#;
    author.write(
        "capsule.json",
        &description.replace(granted, r#""grants": ["hash"]"#),
    );
    let words = "add \"json\" to `grants` in capsule.json";
    let built = author.run(&["build", "total"], &[]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    assert!(
        built.stdout.contains(&format!("missing    {words}\n")),
        "{}",
        built.stdout
    );
    let told = author.run(&["build", "total", "--json"], &[]).stdout;
    assert!(told.contains(r#""grants_missing":["json"]"#), "{told}");
    let tested = author.run(&["test", "total"], &[]);
    assert_eq!(tested.code, Some(3));
    let hint = format!("\n  hint: {words}\n");
    assert!(tested.stderr.ends_with(&hint), "{}", tested.stderr);

    author.write("capsule.json", &description);
    let built = author.run(&["build", "total"], &[]);
    assert!(!built.stdout.contains("missing"), "{}", built.stdout);
    assert_eq!(author.run(&["test", "total"], &[]).code, Some(0));
}

/// Fails with a message, as the SDKs word it.
fn failing(message: &str) -> String {
    let length = message.len();
    format!(
        r#"(module (import "tenzik_v1" "fail" (func $fail (param i32 i32)))
  (memory (export "memory") 1) (data (i32.const 8) "{message}")
  (func (export "run") (call $fail (i32.const 8) (i32.const {length}))))"#
    )
}

#[test]
fn a_number_that_would_be_rounded_is_told_to_be_a_string() {
    let author = copying("");
    author.write("expected.json", "[1]");
    let hint = "\n  hint: beyond 2^53 a whole number is a string of digits, in quotes";
    for (message, has_hint) in [
        ("/big: not an i64", true),
        ("/big: not a u64", true),
        ("/big: not an i32", false),
    ] {
        author.write("total.wat", &failing(message));
        assert_eq!(author.run(&["build", "total"], &[]).code, Some(0));
        let ran = author.run(&["run", "total/total.wasm", "--input=1"], &[]);
        let tested = author.run(&["test", "total"], &[]);
        assert_eq!((ran.code, tested.code), (Some(7), Some(3)));
        for said in [ran.stderr, tested.stderr] {
            assert_eq!(said.contains(hint), has_hint, "{said}");
        }
    }
}

#[test]
fn code_in_assemblyscript_is_told_by_where_it_was_written() {
    let author = Author::new("assemblyscript");
    let tool = author.path("node_modules/@tenzik/sdk/bin/tenzik-asc.js");
    fs::create_dir_all(tool.parent().expect("a directory")).expect("a directory");
    fs::write(&tool, "").expect("a file");
    // In place of the compiler: what it once made of `debugging/faulty.ts`. Its map is without texts, so no function has a name.
    let made = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/debugging/faulty.debug.wasm"
    );
    author.program(
        "bin/node",
        &format!("cp {made} \"$4\"; cp {made}.map \"$4.map\""),
    );
    let path = format!(
        "{}:/usr/bin:/bin",
        author.scratch.path().join("bin").display()
    );
    let built = author.run(&["build", "total", "--debug", "--json"], &[("PATH", &path)]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let told: serde_json::Value = serde_json::from_str(&built.stdout).expect("JSON");
    let parts = told["parts"].as_array().expect("parts");
    let named: Vec<_> = parts
        .iter()
        .map(|part| [&part["origin"], &part["name"]].map(|word| word.as_str().unwrap_or_default()))
        .collect();
    assert_eq!(
        named,
        [
            ["own", "faulty/index.ts"],
            ["sdk", "input.ts"],
            ["sdk", "output.ts"]
        ]
    );
    // Each byte of code is of one part; the section has a length for each function beside.
    let all: u64 = parts.iter().filter_map(|part| part["bytes"].as_u64()).sum();
    let by_origin = told["code"].as_object().expect("origins").values();
    assert_eq!(
        all,
        by_origin.filter_map(serde_json::Value::as_u64).sum::<u64>()
    );
    let section = told["sections"]["code"].as_u64().expect("a section");
    assert!(all < section && section < all + 64, "{all} of {section}");
}

#[test]
fn a_folder_is_measured_on_its_example() {
    let author = copying("");
    author.write("expected.json", "[1]");
    let bench = |more: &[&str]| {
        let arguments = [&["bench", "total", "--calls", "2", "--json"], more].concat();
        author.run(&arguments, &[])
    };
    let unbuilt = bench(&[]);
    assert_eq!(unbuilt.code, Some(9));
    assert!(unbuilt.stdout.contains("not_built"), "{}", unbuilt.stdout);
    assert_eq!(author.run(&["build", "total"], &[]).code, Some(0));
    let fuel = |said: &Said| {
        let told: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
        assert_eq!(told["status"], "ok", "{told}");
        told["fuel"].as_u64().expect("a figure")
    };
    // A byte more costs more; the example is `[1]`.
    let [own, same, more] =
        [&[][..], &["--input=[1]"], &["--input=[10]"]].map(|more| fuel(&bench(more)));
    assert!(own == same && own < more, "{own} {same} {more}");
    author.write("total.wat", &COPY.replace("(i32.const 0)", "(i32.const 8)"));
    assert!(bench(&[]).stdout.contains("\"stale\""));
}

/// As `if (TENZIK_DEBUG) trace("x")` becomes with `--debug`.
const TRACING: &str = r#"(module
  (import "env" "trace" (func $trace (param i32 i32 f64 f64 f64 f64 f64)))
  (memory (export "memory") 1) (data (i32.const 8) "x")
  (func $traced (export "run") (call $trace (i32.const 8) (i32.const 0)
    (f64.const 0) (f64.const 0) (f64.const 0) (f64.const 0) (f64.const 0))))"#;

#[test]
fn a_source_that_traces_is_built_for_debugging_with_a_note() {
    let author = copying("");
    author.write("expected.json", "[1]");
    assert_eq!(author.run(&["build", "total"], &[]).code, Some(0));
    author.write("total.wat", TRACING);
    let small = [("TENZIK_SECURITY_CAPSULE_BYTES_MAX", "60")];
    for environment in [&[][..], &small] {
        let built = author.run(&["build", "total", "--debug"], environment);
        assert_eq!(built.code, Some(0), "{}{}", built.stdout, built.stderr);
        assert!(
            built
                .stdout
                .starts_with("built      total/total.debug.wasm, ")
                && built.stdout.contains(" bytes, for debugging\n"),
            "{}",
            built.stdout
        );
        assert_eq!(
            built.stderr,
            "note: the source in total traces: `tenzik run total/total.debug.wasm --debug DIR` runs what was built, and nothing else does\n"
        );
    }
    // What else is wrong is told all the same.
    author.write("total.wat", &TRACING.replace("\"run\"", "\"ran\""));
    let built = author.run(&["build", "total", "--debug"], &[]);
    assert_eq!(built.code, Some(6));
    assert!(
        built.stdout.contains("export_missing") && !built.stdout.contains("import_unknown"),
        "{}",
        built.stdout
    );
    // Without names it is a capsule that traces, which nobody runs.
    author.write("total.wat", TRACING);
    assert_eq!(author.run(&["build", "total"], &[]).code, Some(6));
}

#[test]
fn the_lines_of_a_source_that_traces_are_told_by_its_own_run() {
    let author = copying("");
    author.write("expected.json", "[1]");
    assert_eq!(author.run(&["build", "total"], &[]).code, Some(0));
    let module = wat::parse_str(TRACING).expect("a module");
    fs::write(author.path("total.debug.wasm"), module).expect("a file");
    let debugging = [("TENZIK_SECURITY_ENABLE_DEBUGGING", "true")];
    let tested = author.run(&["test", "total", "--debug", "seen"], &debugging);
    let note = "total/total.debug.wasm has other code, as its source traces: `tenzik run total/total.debug.wasm --debug DIR`";
    assert!(
        tested.stdout.contains(note) && !tested.stdout.contains("build both again"),
        "{}{}",
        tested.stdout,
        tested.stderr
    );
}

#[test]
fn names_are_not_held_against_the_limit_and_what_runs_is() {
    let author = copying("");
    let build = |bytes_max: &str| {
        let limit = [("TENZIK_SECURITY_CAPSULE_BYTES_MAX", bytes_max)];
        author.run(&["build", "total", "--debug"], &limit)
    };
    let built = build("5120");
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    let size = |word: &str| {
        let words: Vec<&str> = built.stdout.split_whitespace().collect();
        let at = words.iter().position(|is| *is == word);
        words[at.expect("it is told") - 1].to_owned()
    };
    // `… N bytes; without names N of 5120`
    let [with_names, without] =
        ["bytes;", "of"].map(|word| size(word).parse::<u32>().expect("a number"));
    assert!(without < with_names);
    assert_eq!(build(&without.to_string()).code, Some(0));
    let over = build(&(without - 1).to_string());
    assert_eq!(over.code, Some(6));
    assert!(
        over.stdout.contains("smaller    1 bytes must go\n") && over.stdout.contains("size_limit"),
        "{}",
        over.stdout
    );
}
