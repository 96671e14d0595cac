//! A capsule's folder and the commands of its author, for tests.
#![allow(dead_code, reason = "each test takes what it needs of it")]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// A scratch directory with a capsule's folder in it.
pub(crate) struct Author {
    pub(crate) scratch: TempDir,
}

/// What a command left.
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Author {
    /// With a folder `total`, made by `tenzik new`.
    pub(crate) fn new(language: &str) -> Self {
        let author = Self {
            scratch: tempfile::tempdir().expect("a directory"),
        };
        let made = author.run(&["new", "total", "--lang", language], &[]);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        author
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join("total").join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file")
    }

    /// A program of the system's shell, by its path. Another process writes it: what this one has open, a child that another
    /// test is about to start has open too, and a file that somebody may write to cannot be run.
    pub(crate) fn program(&self, name: &str, script: &str) -> String {
        let path = self.scratch.path().join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        let write = r#"printf '#!/bin/sh\n%s\n' "$1" >"$0" && chmod 755 "$0""#;
        let written = Command::new("sh")
            .args(["-c", write])
            .arg(&path)
            .arg(script)
            .status();
        assert!(written.expect("it starts").success());
        path.to_str().expect("text").to_owned()
    }

    pub(crate) fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Said {
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
pub(crate) const COPY: &str = r#"(module
  (import "tenzik_v1" "input_len" (func $len (result i32)))
  (import "tenzik_v1" "input_read" (func $read (param i32)))
  (import "tenzik_v1" "output_write" (func $write (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "run") (call $read (i32.const 0)) (call $write (i32.const 0) (call $len))))"#;

/// A folder of a capsule that gives its input back, with these runs.
pub(crate) fn copying(cases: &str) -> Author {
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
