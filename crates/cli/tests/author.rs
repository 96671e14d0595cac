//! `build` and `test` where a folder, a compiler or an editor does not do what it should.
#![cfg(unix)]

mod authoring;

use std::fs;
use std::path::Path;

use authoring::{Author, COPY, copying};

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
