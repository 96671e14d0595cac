//! Compiled code on the disk: one process leaves it, the next begins with it, and no crash or neighbour gets in between.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// `(module (memory (export "memory") 1) (func (export "run") (loop (br 0))))`
const SPIN: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x05\x03\x01\0\x01\
    \x07\x10\x02\x06memory\x02\0\x03run\0\0\x0a\x09\x01\x07\0\x03\x40\x0c\0\x0b\x0b";

/// More than is interpreted before a compiler is done, and a time for it that lets fuel stop the run.
const LONG: [&str; 4] = ["--fuel", "300000000", "--timeout", "10000"];
/// Less than is interpreted in one go.
const SHORT: [&str; 4] = ["--fuel", "20000", "--timeout", "10000"];
/// The exit code of a run that used up its fuel.
const LIMIT_HIT: i32 = 8;

/// A fresh machine whose user keeps compiled code.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().expect("a directory"));
        fs::write(machine.path("spin.wasm"), SPIN).expect("a file");
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn directory(&self) -> PathBuf {
        self.path("code")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenzik"));
        command
            .args(args)
            .env("TENZIK_HOME", self.path("home"))
            .env("TENZIK_CODE_DIR", self.directory())
            .current_dir(self.0.path());
        command
    }

    fn spin(&self, limits: &[&str]) -> Command {
        self.command(&[&["--json", "run", "spin.wasm"], limits].concat())
    }

    /// What ran it, by its receipt.
    fn engine(&self, limits: &[&str]) -> String {
        let output = self.spin(limits).output().expect("it starts");
        assert_eq!(output.status.code(), Some(LIMIT_HIT), "{output:?}");
        let engine = &json(&output)["receipt"]["advisory"]["engine"];
        engine.as_str().expect("an engine").to_owned()
    }

    fn entries(&self) -> Vec<PathBuf> {
        let names = files(&self.directory()).into_iter();
        let entries = names.filter(|name| name.ends_with(".code"));
        entries.map(|name| self.directory().join(name)).collect()
    }

    fn forget(&self) {
        for entry in self.entries() {
            fs::remove_file(entry).expect("it is ours");
        }
    }
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one object")
}

fn files(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory).expect("a directory");
    let mut names: Vec<_> = files
        .map(|file| file.expect("a file").file_name())
        .map(|name| name.into_string().expect("a plain name"))
        .collect();
    names.sort();
    names
}

fn is_native(engine: &str) -> bool {
    engine.starts_with("wasmtime ")
}

#[test]
fn the_second_run_begins_with_what_the_first_compiled() {
    let machine = Machine::new();
    assert!(!is_native(&machine.engine(&SHORT)), "nothing is there yet");
    assert!(is_native(&machine.engine(&LONG)));
    assert_eq!(machine.entries().len(), 1);
    for _ in 0..5 {
        assert!(is_native(&machine.engine(&SHORT)));
    }
    assert_eq!(machine.entries().len(), 1);
}

#[test]
fn many_processes_at_once_have_one_key_and_leave_whole_entries() {
    let machine = Machine::new();
    // The user's own key for receipts is made once, before.
    machine.command(&["init"]).output().expect("it starts");
    let started: Vec<_> = (0..8)
        .map(|_| {
            let mut command = machine.spin(&LONG);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("it starts")
        })
        .collect();
    for process in started {
        let output = process.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(LIMIT_HIT), "{output:?}");
    }
    assert_eq!(machine.entries().len(), 1);
    assert!(is_native(&machine.engine(&SHORT)));
    let names = files(&machine.directory());
    assert_eq!(names[1..], ["code.key", "code.lock"], "{names:?}");
}

/// Whenever a process ends, the next finds nothing or a whole entry.
#[test]
fn a_process_that_is_killed_leaves_no_half_entry() {
    let machine = Machine::new();
    machine.command(&["init"]).output().expect("it starts");
    for delay_ms in 0..40 {
        let mut command = machine.spin(&LONG);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().expect("it starts");
        thread::sleep(Duration::from_millis(delay_ms));
        process.kill().expect("it is ours");
        process.wait().expect("it ends");
        let native = machine.directory().exists() && machine.entries().len() == 1;
        assert_eq!(is_native(&machine.engine(&SHORT)), native, "{delay_ms} ms");
        // The next one that is killed is to write again.
        machine.forget();
    }
    assert!(is_native(&machine.engine(&LONG)));
}

#[test]
fn a_directory_that_others_can_get_at_is_refused_and_doctor_says_so() {
    let machine = Machine::new();
    let doctor = || {
        let output = machine.command(&["--json", "doctor"]).output();
        let parts = json(&output.expect("it starts"))["parts"].clone();
        let mut parts = parts.as_array().expect("parts").clone().into_iter();
        let part = parts.find(|part| part["name"] == "code");
        part.expect("the part")["state"].to_string()
    };
    assert_eq!(doctor(), "\"not_yet\"");
    assert!(!machine.directory().exists(), "doctor makes nothing");
    fs::create_dir(machine.directory()).expect("a directory");
    let open = fs::Permissions::from_mode(0o755);
    fs::set_permissions(machine.directory(), open).expect("it is ours");
    assert_eq!(doctor(), "\"not_ready\"");
    let output = machine.spin(&SHORT).output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    let error = &json(&output)["error"];
    assert_eq!(error["code"], "code_dir");
    assert!(error["hint"].to_string().contains("chmod"), "{error}");
    let private = fs::Permissions::from_mode(0o700);
    fs::set_permissions(machine.directory(), private).expect("it is ours");
    machine.engine(&SHORT);
    assert_eq!(doctor(), "\"ready\"");
}

/// A project could bring a directory with a key and code of its author's.
#[test]
fn the_directory_is_chosen_by_the_user_alone() {
    let machine = Machine::new();
    let relative = machine.spin(&SHORT).env("TENZIK_CODE_DIR", "code").output();
    let relative = relative.expect("it starts");
    assert_eq!(json(&relative)["error"]["code"], "code_dir");
    let project = format!("code_dir = {:?}\n", machine.directory());
    fs::write(machine.path("tenzik.toml"), project).expect("a file");
    let output = machine.spin(&SHORT).env_remove("TENZIK_CODE_DIR").output();
    let output = output.expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(json(&output)["error"]["code"], "config");
    assert!(!machine.directory().exists());
}
