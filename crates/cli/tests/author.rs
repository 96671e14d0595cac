//! `build` and `test` where a folder, a compiler or an editor does not do what it should.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A scratch directory with a capsule's folder in it.
struct Author {
    scratch: TempDir,
}

/// What a command left.
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Author {
    /// With a folder `total`, made by `tenzik new`.
    fn new(language: &str) -> Self {
        let author = Self {
            scratch: tempfile::tempdir().expect("a directory"),
        };
        let made = author.run(&["new", "total", "--lang", language], &[]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        author
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join("total").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file")
    }

    /// A program of the system's shell, by its path.
    fn program(&self, name: &str, script: &str) -> String {
        let path = self.scratch.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
        path.to_str().expect("text").to_owned()
    }

    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_tenzik"))
            .args(arguments)
            .envs(environment.iter().copied())
            .env("TENZIK_HOME", self.scratch.path().join("home"))
            .current_dir(self.scratch.path())
            .output()
            .expect("it starts");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Said {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// Gives its input back.
const COPY: &str = r#"(module
  (import "tenzik_v1" "input_len" (func $len (result i32)))
  (import "tenzik_v1" "input_read" (func $read (param i32)))
  (import "tenzik_v1" "output_write" (func $write (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "run") (call $read (i32.const 0)) (call $write (i32.const 0) (call $len))))"#;

/// A folder of a capsule that gives its input back, with these runs.
fn copying(cases: &str) -> Author {
    let author = Author::new("wat");
    author.write("total.wat", COPY);
    author.write(
        "capsule.json",
        &format!(
            r#"{{"name":"total","description":"","grants":[],"input_type":"json","example":{{"input":"example.json","output":"expected.json"}},"cases":[{cases}]}}"#
        ),
    );
    author.write("example.json", "[1]");
    author
}

#[test]
fn the_first_expected_output_is_written_by_refresh() {
    let author = copying(r#"{"name":"deep","input":"2","output_file":"new/folder/out.json"}"#);
    fs::remove_file(author.path("expected.json")).expect("it is there");
    let built = author.run(&["build", "total"], &[]);
    assert_eq!(built.code, Some(0), "a build without it: {}", built.stderr);
    let tested = author.run(&["test", "total"], &[]);
    assert_eq!(tested.code, Some(3));
    let place =
        "  at       expected.json, which is not there\n  expected nothing\n  got      [1]\n";
    assert!(tested.stdout.contains(place), "{}", tested.stdout);
    let refreshed = author.run(&["test", "total", "--refresh"], &[]);
    assert_eq!(refreshed.code, Some(0), "{}", refreshed.stderr);
    assert_eq!(author.read("expected.json"), "[1]");
    assert_eq!(author.read("new/folder/out.json"), "2");
    assert_eq!(author.run(&["test", "total"], &[]).code, Some(0));
}

#[test]
fn two_outputs_for_one_file_are_told_and_nothing_is_written() {
    let author = copying(
        r#"{"name":"one","input":"1","output":"0"},{"name":"two","input":"2","output_file":"./expected.json"}"#,
    );
    author.write("expected.json", "[1]");
    author.run(&["build", "total"], &[]);
    let description = author.read("capsule.json");
    let refreshed = author.run(&["test", "total", "--refresh"], &[]);
    assert_eq!(refreshed.code, Some(2));
    let words = "error[shared]: example and two give other outputs than each other, and both expect ./expected.json";
    assert!(refreshed.stderr.starts_with(words), "{}", refreshed.stderr);
    assert_eq!(author.read("expected.json"), "[1]");
    assert_eq!(author.read("capsule.json"), description);
    // The same output twice is no conflict.
    author.write(
        "capsule.json",
        &description.replace(r#""input":"2""#, r#""input":"[1]""#),
    );
    let refreshed = author.run(&["test", "total", "--refresh"], &[]);
    assert_eq!(refreshed.code, Some(0), "{}", refreshed.stderr);
}

#[test]
fn refresh_keeps_the_manifest_at_what_the_folder_says() {
    let author = copying(r#"{"name":"one","input":"1","output":"0"}"#);
    author.write("expected.json", "[0]");
    let manifest = "{\n  \"manifest\": 1,   \"examples\": [\n    0\n  ], \"other\": 1.50 }\n";
    author.write("total.manifest.json", manifest);
    author.run(&["build", "total"], &[]);
    let refreshed = author.run(&["test", "total", "--refresh"], &[]);
    assert_eq!(refreshed.code, Some(0), "{}", refreshed.stderr);
    assert_eq!(
        author.read("total.manifest.json"),
        manifest.replace(
            "[\n    0\n  ]",
            r#"[
    {
      "input": "[1]",
      "output": "[1]"
    },
    {
      "name": "one",
      "input": "1",
      "output": "1"
    }
  ]"#
        )
    );
}

#[test]
fn a_compiler_that_writes_no_module_is_told() {
    let words = "error[build_failed]: the compiler ended well, and wrote no module";
    let author = Author::new("c");
    let silent = author.program("silent", "exit 0");
    let built = author.run(&["build", "total"], &[("ZIG", &silent)]);
    assert_eq!(built.code, Some(1));
    assert!(built.stderr.starts_with(words), "{}", built.stderr);

    let author = Author::new("rust");
    author.program("bin/cargo", "exit 0");
    let rustc = author.program("rustc", "echo /");
    let folder = author.scratch.path().join("bin");
    let environment = [("PATH", folder.to_str().expect("text")), ("RUSTC", &rustc)];
    let built = author.run(&["build", "total"], &environment);
    assert_eq!(built.code, Some(1));
    assert!(built.stderr.starts_with(words), "{}", built.stderr);

    // The module of before is not taken for a new one.
    let author = Author::new("assemblyscript");
    let tool = author.path("node_modules/@tenzik/sdk/bin/tenzik-asc.js");
    fs::create_dir_all(tool.parent().expect("a directory")).expect("a directory");
    fs::write(&tool, "").expect("a file");
    author.program("bin/node", "exit 0");
    author.write("total.wasm", "of before");
    let folder = author.scratch.path().join("bin");
    let built = author.run(
        &["build", "total"],
        &[("PATH", folder.to_str().expect("text"))],
    );
    assert_eq!(built.code, Some(1));
    assert!(built.stderr.starts_with(words), "{}", built.stderr);
    assert_eq!(author.read("total.wasm"), "of before");
}

#[test]
fn lines_are_left_beside_a_capsule_only_if_its_code_is_theirs() {
    let author = Author::new("c");
    let module = |text: &str| {
        let text = text.replace("run", r#"(export "run")) (memory (export "memory") 1)"#);
        wat::parse_str(text).expect("a module")
    };
    let plain = module("(module (func run)");
    let named = module("(module (func $start run)");
    let other = module("(module (func $start run (func (nop)))");
    fs::write(author.path("plain"), &plain).expect("a file");
    fs::write(author.path("named"), &named).expect("a file");
    fs::write(author.path("other"), other).expect("a file");
    let compiler = author.program(
        "compiler",
        "case \" $* \" in *\" -gline-tables-only \"*) echo twice >&2; from=$WITH_LINES;; *) from=plain;; esac
while [ \"$1\" != -o ]; do shift; done; cp \"$from\" \"$2\"",
    );
    for (with_lines, note) in [
        (
            "other",
            "note: no lines: with them the compiler makes other code, so total.debug.wasm was not written\n",
        ),
        (
            "missing",
            "note: no lines: the compiler ended with exit status: 1\n",
        ),
        ("named", ""),
    ] {
        let environment = [("ZIG", &compiler[..]), ("WITH_LINES", with_lines)];
        let built = author.run(&["build", "total"], &environment);
        assert_eq!((built.code, &built.stderr[..]), (Some(0), note));
        assert_eq!(
            fs::read(author.path("total.wasm")).expect("a module"),
            plain
        );
        let debug = fs::read(author.path("total.debug.wasm")).ok();
        assert_eq!(debug.is_some(), with_lines == "named");
        assert!(debug.is_none_or(|debug| debug == named));
    }
}

#[test]
fn a_source_steers_no_terminal() {
    let author = Author::new("c");
    let loud = author.program(
        "loud",
        r#"printf 'out \033[2J\n'; printf 'err \033]0;title\007 \302\233\342\200\256 \\n\n' >&2; exit 1"#,
    );
    let built = author.run(&["build", "total"], &[("ZIG", &loud)]);
    let words =
        "out \\u{1b}[2J\nerr \\u{1b}]0;title\\u{7} \\u{9b}\\u{202e} \\n\nerror[build_failed]";
    assert!(built.stderr.starts_with(words), "{:?}", built.stderr);

    let author = Author::new("wat");
    author.write("total.wat", "(module \u{1b}[2J)");
    let built = author.run(&["build", "total"], &[]);
    assert_eq!(built.code, Some(1));
    assert!(!built.stderr.contains('\u{1b}'), "{:?}", built.stderr);
}

#[test]
fn a_module_of_other_sources_is_not_tested() {
    let author = Author::new("wat");
    let test = || author.run(&["test", "total"], &[]);
    assert_eq!(author.run(&["build", "total"], &[]).code, Some(0));
    assert_eq!(test().code, Some(0));
    let source = author.read("total.wat");
    author.write("total.wat", &source.replace("f64.mul", "f64.add"));
    let refused = test();
    assert_eq!(
        (refused.code, &refused.stdout[..], &refused.stderr[..]),
        (
            Some(9),
            "",
            "error[stale]: total/total.wasm was built from other sources: total.wat has changed\n  hint: build it again with `tenzik build`\n"
        )
    );
    // Nothing is expected that an old module gives, and a build that fails leaves it old.
    assert_eq!(
        author.run(&["test", "total", "--refresh"], &[]).code,
        Some(9)
    );
    author.write("total.wat", "(module");
    assert_eq!(author.run(&["build", "total"], &[]).code, Some(1));
    assert_eq!(test().code, Some(9));
    // The source of before is that of the module, whenever it was saved.
    author.write("total.wat", &source);
    assert_eq!(test().code, Some(0));
    author.write("total.wat", &source.replace("f64.mul", "f64.add"));
    assert_eq!(author.run(&["build", "total"], &[]).code, Some(0));
    assert_eq!(test().code, Some(3));

    author.write("total.sources.json", "{}");
    let refused = test();
    assert_eq!(refused.code, Some(9));
    let words = "error[stale]: total/total.sources.json is not what a build leaves: missing field";
    assert!(refused.stderr.starts_with(words), "{}", refused.stderr);
    // Of a module that another tool made, and of one without its source, nothing is known.
    author.write("total.wat", &source);
    assert_eq!(author.run(&["build", "total"], &[]).code, Some(0));
    fs::remove_file(author.path("total.wat")).expect("it is there");
    assert_eq!(test().code, Some(0));
    author.write("total.wat", COPY);
    let module = wat::parse_str(COPY).expect("a module");
    fs::write(author.path("total.wasm"), module).expect("a file");
    assert_eq!(test().code, Some(3));
}

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

#[test]
fn only_a_capsules_folder_is_watched() {
    let author = Author::new("wat");
    let watched =
        |folder: &Path| author.run(&["build", "--watch", folder.to_str().expect("text")], &[]);
    let refused = watched(Path::new("/"));
    assert_eq!(refused.code, Some(9));
    assert!(
        refused.stderr.starts_with("error[not_found]"),
        "{}",
        refused.stderr
    );
    for name in 0..10_001 {
        author.write(&format!("{name}.txt"), "");
    }
    let refused = watched(&author.path(""));
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.starts_with("error[too_many_files]"),
        "{}",
        refused.stderr
    );
}
