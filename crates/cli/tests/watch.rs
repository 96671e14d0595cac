//! `build --watch` tells what a change makes different, also one that does not build and one that mends it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// How long a line is waited for before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that is stopped when the test is over, however it ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tenzik(home: &Path, folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tenzik"));
    command.env("TENZIK_HOME", home).current_dir(folder);
    command
}

/// All lines to the first that begins so.
fn to(lines: &Receiver<String>, beginning: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let line = lines.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|error| panic!("{error} after {all:?}, for {beginning:?}"));
        all.push(line);
        if all.last().is_some_and(|line| line.starts_with(beginning)) {
            return all;
        }
    }
}

/// The words that a line begins with, so many of them; figures stand behind.
fn begin(lines: &[String], words: usize) -> Vec<String> {
    let first = |line: &String| {
        let words: Vec<_> = line.split_whitespace().take(words).collect();
        words.join(" ")
    };
    lines.iter().map(first).collect()
}

/// A folder `total` in WebAssembly text that is watched.
struct Watched {
    scratch: TempDir,
    _running: Running,
    /// What is told, and what is noted beside it.
    lines: Receiver<String>,
    notes: Receiver<String>,
}

impl Watched {
    fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a directory");
        let home = scratch.path().join("home");
        let made = tenzik(&home, scratch.path())
            .args(["new", "total", "--lang", "wat"])
            .output();
        assert!(made.expect("it starts").status.success());
        let mut child = tenzik(&home, &scratch.path().join("total"))
            .args(["build", "--watch"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let lines = each(child.stdout.take().expect("a pipe"));
        let notes = each(child.stderr.take().expect("a pipe"));
        Self {
            scratch,
            _running: Running(child),
            lines,
            notes,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join("total").join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("a file")
    }

    /// Changes a file at once, as no half of it is to be built, and waits until that is seen.
    fn save(&self, name: &str, text: &str) {
        let whole = self.scratch.path().join("whole");
        fs::write(&whole, text).expect("a file");
        fs::rename(whole, self.path(name)).expect("a file");
        to(&self.lines, "changed");
    }
}

/// The lines of a stream, as they come.
fn each(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    lines
}

#[test]
fn each_change_is_built_and_told() {
    let watched = Watched::new();
    let first = to(&watched.lines, "passed");
    assert_eq!(first[0], "built      768 bytes");
    assert_eq!(first[first.len() - 1], "passed     4 of 4");

    let text = watched.read("total.wat");
    watched.save("total.wat", &text.replace("f64.mul", "f64.add"));
    assert_eq!(
        begin(&to(&watched.lines, "passed"), 2),
        [
            "FAILED example",
            "at /total",
            "expected 10.25",
            "got 7.75",
            "passed 3"
        ]
    );

    // What does not build is nothing to hold the next against: it is held against the one before.
    watched.save("total.wat", "(module");
    to(&watched.notes, "error[build_failed]");
    watched.save("total.wat", &text);
    let mended = to(&watched.lines, "passed");
    assert_eq!(begin(&mended, 2), ["ok example", "passed 4"]);
    assert!(mended[0].contains(", was "), "{mended:?}");
}

#[test]
fn each_difference_is_told_under_its_run() {
    let watched = Watched::new();
    to(&watched.lines, "passed");
    let text = watched.read("capsule.json");
    let wrong = text.replace("/items/0/price: missing", "none");
    let wrong = wrong.replace("{\\\"count\\\":0", "{\\\"count\\\":9");
    watched.save("capsule.json", &wrong);
    assert_eq!(
        begin(&to(&watched.lines, "passed"), 3),
        [
            "FAILED no items",
            "at /count",
            "expected 9",
            "got 0",
            "FAILED no price",
            "at the message",
            "expected none",
            "got /items/0/price: missing",
            "passed 2 of"
        ]
    );
}

#[test]
fn another_example_is_tested_without_a_build() {
    let watched = Watched::new();
    to(&watched.lines, "passed");
    let module = || {
        let data = fs::metadata(watched.path("total.wasm"));
        data.and_then(|data| data.modified()).expect("a module")
    };
    let built = module();
    watched.save("example.json", "{\"items\":[]}");
    let told = to(&watched.lines, "passed");
    assert_eq!(begin(&told[..1], 2), ["FAILED example"]);
    assert_eq!(module(), built);
    // The source is compiled again, and if nothing in it is other.
    watched.save("total.wat", &(watched.read("total.wat") + "\n"));
    to(&watched.lines, "passed");
    assert_ne!(module(), built);
}
