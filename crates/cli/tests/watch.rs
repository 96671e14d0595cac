//! `build --watch` tells what a change makes different, also one that does not build and one that mends it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

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

/// The first line from here on that begins so.
fn wait_for(lines: &Receiver<String>, beginning: &str) -> String {
    loop {
        let line = lines.recv_timeout(PATIENCE);
        let line =
            line.unwrap_or_else(|error| panic!("no line begins with {beginning:?}: {error}"));
        if line.starts_with(beginning) {
            return line;
        }
    }
}

#[test]
fn each_change_is_built_and_told() {
    let scratch = tempfile::tempdir().expect("a directory");
    let home = scratch.path().join("home");
    let made = tenzik(&home, scratch.path())
        .args(["new", "total", "--lang", "wat"])
        .output();
    assert!(made.expect("it starts").status.success());
    let folder = scratch.path().join("total");
    let mut child = tenzik(&home, &folder)
        .args(["build", "--watch"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let (sender, lines) = channel();
    let stdout = child.stdout.take().expect("a pipe");
    let _running = Running(child);
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    assert_eq!(wait_for(&lines, "built"), "built      768 bytes");
    assert_eq!(wait_for(&lines, "passed"), "passed     4 of 4");

    let source = folder.join("total.wat");
    let text = fs::read_to_string(&source).expect("the source");
    fs::write(&source, text.replace("f64.mul", "f64.add")).expect("a file");
    assert!(wait_for(&lines, "changed").ends_with("total.wat"));
    assert!(wait_for(&lines, "FAILED").contains("example"));
    assert_eq!(wait_for(&lines, "  at"), "  at       /total");

    fs::write(&source, "(module").expect("a file");
    wait_for(&lines, "changed");
    fs::write(&source, text).expect("a file");
    wait_for(&lines, "changed");
    assert_eq!(wait_for(&lines, "passed"), "passed     4 of 4");
}
