//! A machine on which nothing was done yet, for tests that run the command.
#![allow(dead_code)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Asks a tool with its own input, and gives what it said.
pub(crate) const ASK: &str = r#"(module
  (import "tenzik_v1" "input_len" (func $len (result i32)))
  (import "tenzik_v1" "input_read" (func $read (param i32)))
  (import "tenzik_v1" "tool_call" (func $call (param i32 i32 i32 i32) (result i32)))
  (import "tenzik_v1" "output_result" (func $give))
  (memory (export "memory") 1)
  (data (i32.const 0) "text:echo")
  (func (export "run")
    (call $read (i32.const 16))
    (drop (call $call (i32.const 0) (i32.const 9) (i32.const 16) (call $len)))
    (call $give)))"#;

/// A fresh machine.
pub(crate) struct Machine(pub(crate) TempDir);

impl Machine {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, bytes).expect("a file");
        text(&path)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tenzik"));
        command
            .args(args)
            .env("TENZIK_HOME", self.path("home"))
            .current_dir(self.0.path());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("the command starts")
    }

    /// Runs, and holds the exit code against what is expected. A panic's would be 101.
    pub(crate) fn exits(&self, code: i32, args: &[&str]) -> Output {
        let output = self.run(args);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {told}");
        output
    }

    pub(crate) fn fed(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        // A command that refuses early closes its end.
        let _ = stdin.write_all(input);
        drop(stdin);
        child.wait_with_output().expect("it ends")
    }
}

pub(crate) fn text(path: &Path) -> String {
    path.to_str().expect("a plain path").to_owned()
}

pub(crate) fn capsule(name: &str) -> String {
    format!(
        "{}/../../capsules/{name}/{name}.wasm",
        env!("CARGO_MANIFEST_DIR")
    )
}

pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("one JSON object")
}
