//! `exec` in the OS sandbox, whose launcher the command is itself.
#![cfg(target_os = "linux")]

mod machine;

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use machine::{Machine, json};

/// A fresh machine whose sandbox is ready; told where it is not, and an error in continuous integration.
fn machine() -> Option<Machine> {
    let machine = Machine::new();
    let told = json(&machine.run(&["--json", "doctor"]));
    let parts = told["parts"].as_array().expect("parts");
    let sandbox = parts.iter().find(|part| part["name"] == "sandbox");
    let sandbox = sandbox.expect("it is one of the parts");
    if sandbox["state"] == "ready" {
        return Some(machine);
    }
    let ci = std::env::var("CI").as_deref() == Ok("true");
    assert!(!ci, "in CI nothing may be missing: {sandbox}");
    eprintln!("skipped: {sandbox}");
    None
}

#[test]
fn the_command_is_its_own_launcher() {
    let Some(machine) = machine() else { return };
    let text = r#"printf '{"ok":"%s"}\n' "$(id -u)" >&3"#;
    let standard = ["--json", "exec", "--profile", "standard", "--lang", "shell"];
    let rest = ["--code", text, "--limit", "pids=16"];
    let output = machine.exits(0, &[&standard[..], &rest].concat());
    let told = json(&output);
    assert_eq!(told["readiness"]["state"], "ready");
    assert!(told["readiness"]["version"].is_string(), "{told}");
    for limit in told["limits"].as_array().expect("limits") {
        let asked = (limit["limit"] == "pids").then_some(16);
        assert_eq!(limit["asked"].as_u64(), asked, "{limit}");
    }
    assert_eq!(told["backend"], "sandbox");
    assert_eq!(told["output"], "\"65534\"");
    let seen = told["isolation"].as_array().expect("a list");
    assert!(seen.iter().any(|name| name == "landlock"), "{seen:?}");
}

/// The parts of a sandbox end with who started it, however that ended.
#[test]
fn a_command_that_is_killed_leaves_nothing_that_runs() {
    let Some(machine) = machine() else { return };
    let standard = ["exec", "--profile", "standard", "--lang", "shell"];
    let mut command = machine.command(&[&standard[..], &["--code", "sleep 95771"]].concat());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut running = command.spawn().expect("it starts");
    assert!(waited(|| sleeper("95771").is_some()), "it never ran");
    let groups = sleeper("95771").map(|pid| fs::read_to_string(format!("/proc/{pid}/cgroup")));
    let groups = groups.and_then(Result::ok).expect("it runs");
    running.kill().expect("it is ours");
    running.wait().expect("it ends");
    assert!(waited(|| sleeper("95771").is_none()), "it still runs");
    // Groups without processes are what is left; whoever was killed cannot remove them.
    let own = groups
        .split("/tenzik/")
        .nth(1)
        .and_then(|name| name.lines().next());
    let own = own.expect("it has a group");
    for controller in ["", "cpuacct", "memory", "pids"] {
        let group = format!("/sys/fs/cgroup/{controller}/tenzik/{own}");
        assert!(waited(
            || !fs::exists(&group).is_ok_and(|is| is) || fs::remove_dir(&group).is_ok()
        ));
    }
}

#[test]
fn by_hand_the_launcher_does_nothing() {
    let machine = Machine::new();
    let output = machine.exits(125, &["confine-in-sandbox"]);
    assert!(output.stdout.is_empty());
}

/// The number of a process that sleeps for so many seconds.
fn sleeper(seconds: &str) -> Option<String> {
    let entries = fs::read_dir("/proc").expect("processes");
    let found = entries.filter_map(Result::ok).find(|entry| {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).collect();
        words == [b"sleep".as_slice(), seconds.as_bytes(), b""]
    });
    found.and_then(|entry| entry.file_name().into_string().ok())
}

fn waited(is_so: impl Fn() -> bool) -> bool {
    (0..1_000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        is_so()
    })
}
