//! `build --watch`: built and tested again whenever a file changes, with what has changed by that.
//!
//! Enters: a folder, until somebody stops it. Leaves: a line for each file, size and run that changed. Refuses: a folder without a
//! description, and one that is too large to be a capsule's. What does not build is told, and the next change is waited for.
//! Files are looked at, four times a second: no two systems tell of changes in the same way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use super::{Built, sources};
use crate::args::Context;
use crate::capsule::diff::Difference;
use crate::capsule::trial::Trial;
use crate::capsule::{DESCRIPTION, Folder};
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::{check, text};

/// How often the files are looked at.
const TICK: Duration = Duration::from_millis(250);
/// How many files and folders are looked at; what has more is no capsule's folder.
const ENTRIES_MAX: usize = 10_000;

/// What a build came to, to be held against the next.
#[derive(Debug, Default, PartialEq, Eq)]
struct State {
    bytes: Option<usize>,
    /// By name: whether it passed, and its fuel.
    runs: BTreeMap<String, (bool, Option<u64>)>,
}

/// Watches a folder for ever.
pub(super) fn watch(path: &Path, context: &Context) -> Result<Reply, Failure> {
    if !path.join(DESCRIPTION).exists() {
        // It says so, and nothing that is saved here would make it a capsule's.
        Folder::open(path)?;
    }
    let mut seen = times(path, ENTRIES_MAX)?;
    let mut before = State::default();
    let mut changed = Vec::new();
    loop {
        // What does not build is told; the next that does is held against the last that did.
        if let Some(state) = once(path, &before, &changed, context)? {
            before = state;
        }
        // What was changed while it was built is built too: the times are those of before.
        let mut now = times(path, ENTRIES_MAX)?;
        while now == seen {
            sleep(TICK);
            now = times(path, ENTRIES_MAX)?;
        }
        changed = changes(&seen, &now);
        for path in &changed {
            let line = format!("changed    {}\n", text::path(path));
            context.console.data(line.as_bytes())?;
        }
        seen = now;
    }
}

/// Builds and tests, and tells what is other than before. Nothing where it does not build.
fn once(
    path: &Path,
    before: &State,
    changed: &[PathBuf],
    context: &Context,
) -> Result<Option<State>, Failure> {
    let built = match built(path, changed, context) {
        Ok(built) => built,
        Err(failure) => {
            context.console.note(&failure.to_string());
            return Ok(None);
        }
    };
    let (trials, rejection) = match &built.state {
        Ok(trials) => (&trials[..], None),
        Err(rejection) => (&[][..], Some(rejection)),
    };
    let state = State {
        bytes: Some(built.module.len()),
        runs: trials.iter().map(run).collect(),
    };
    let wrong: BTreeMap<&str, String> = trials
        .iter()
        .map(|trial| (&trial.name[..], differences(trial)))
        .collect();
    let mut lines = difference(before, &state, &wrong);
    if let Some(rejection) = rejection {
        let reply = check::rejected(rejection);
        lines.push(String::from_utf8_lossy(&reply.data).into_owned());
    }
    context.console.data(lines.concat().as_bytes())?;
    Ok(Some(state))
}

fn built(path: &Path, changed: &[PathBuf], context: &Context) -> Result<Built, Failure> {
    let folder = Folder::open(path)?;
    match Built::kept(&folder, changed, context)? {
        Some(kept) => Ok(kept),
        None => Built::make(&folder, false, context),
    }
}

fn run(trial: &Trial) -> (String, (bool, Option<u64>)) {
    let fuel = trial.usage.as_ref().map(|usage| usage.fuel);
    (trial.name.clone(), (trial.passed(), fuel))
}

fn differences(trial: &Trial) -> String {
    let lines = trial.differences.iter().map(Difference::lines);
    lines.collect()
}

/// What is other than it was. What is wrong with a run stands under its line, and a run that is wrong is told each time.
fn difference(before: &State, now: &State, wrong: &BTreeMap<&str, String>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(bytes) = now.bytes.filter(|_| before.bytes != now.bytes) {
        let from = before
            .bytes
            .map_or(String::new(), |bytes| format!(", were {bytes}"));
        lines.push(format!("built      {bytes} bytes{from}\n"));
    }
    for (name, is) in &now.runs {
        let old = before.runs.get(name);
        if !is.0 || old != Some(is) {
            lines.push(run_line(name, *is, old.filter(|old| *old != is)));
            lines.extend(wrong.get(&name[..]).cloned());
        }
    }
    let passed = now.runs.values().filter(|(passed, _)| *passed).count();
    lines.push(format!("passed     {passed} of {}\n", now.runs.len()));
    lines
}

fn run_line(
    name: &str,
    (passed, fuel): (bool, Option<u64>),
    old: Option<&(bool, Option<u64>)>,
) -> String {
    let word = if passed { "ok" } else { "FAILED" };
    let told = |fuel: Option<u64>| {
        fuel.map_or_else(|| "no fuel".to_owned(), |fuel| format!("{fuel} fuel"))
    };
    let from = old.map_or(String::new(), |(_, fuel)| format!(", was {}", told(*fuel)));
    format!(
        "{word:<10} {:<40} {}{from}\n",
        text::shown(name, 60),
        told(fuel)
    )
}

type Times = BTreeMap<PathBuf, (Option<SystemTime>, u64)>;

/// When each file of the folder was changed, without what builds make.
fn times(root: &Path, entries_max: usize) -> Result<Times, Failure> {
    let mut times = Times::new();
    let mut folders = vec![root.to_owned()];
    let mut looked_at = 0;
    while let Some(folder) = folders.pop() {
        // What cannot be read now may be read the next time.
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| !is_made(&entry.path())) {
            looked_at += 1;
            if looked_at > entries_max {
                return Err(too_many(root, entries_max));
            }
            let Ok(data) = entry.metadata() else { continue };
            if data.is_dir() {
                folders.push(entry.path());
            } else {
                times.insert(entry.path(), (data.modified().ok(), data.len()));
            }
        }
    }
    Ok(times)
}

fn too_many(root: &Path, entries_max: usize) -> Failure {
    Failure::new(
        Exit::Usage,
        "too_many_files",
        format!(
            "{} has more than {entries_max} files and folders",
            text::path(root)
        ),
        "watch the folder of one capsule; node_modules, target and names with a dot before do not count",
    )
}

pub(super) fn is_made(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let made = [".wasm", ".manifest.json", sources::RECORD_END, ".wasm.map"];
    name.starts_with('.')
        || name == "node_modules"
        || name == "target"
        || made.iter().any(|end| name.ends_with(end))
}

fn changes(before: &Times, now: &Times) -> Vec<PathBuf> {
    let gone = before.keys().filter(|path| !now.contains_key(*path));
    let other = now
        .iter()
        .filter(|(path, time)| before.get(*path) != Some(time));
    other.map(|(path, _)| path).chain(gone).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_builds_make_is_no_change() {
        let folder = tempfile::tempdir().expect("a directory");
        let write = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
            std::fs::write(path, "x").expect("a file");
        };
        write("index.ts");
        let times = || times(folder.path(), 3).unwrap_or_else(|_| panic!("few files"));
        let before = times();
        for made in [
            "a.wasm",
            "a.manifest.json",
            "node_modules/x/y.ts",
            ".cache",
            "target/z",
        ] {
            write(made);
        }
        assert!(changes(&before, &times()).is_empty());
        write("cases/new.json");
        std::fs::remove_file(folder.path().join("index.ts")).expect("it is there");
        let changed = changes(&before, &times());
        assert_eq!(
            changed,
            [
                folder.path().join("cases/new.json"),
                folder.path().join("index.ts")
            ]
        );
    }

    #[test]
    fn a_folder_as_large_as_a_disk_is_refused_early() {
        let folder = tempfile::tempdir().expect("a directory");
        for name in ["a/b/c", "d"] {
            std::fs::create_dir_all(folder.path().join(name)).expect("a directory");
        }
        assert!(times(folder.path(), 4).is_ok());
        let refused = times(folder.path(), 3).expect_err("too many");
        assert_eq!(refused.code, "too_many_files");
        assert!(
            refused
                .message
                .ends_with("has more than 3 files and folders")
        );
    }

    #[test]
    fn only_what_changed_is_told() {
        let state = |bytes, fuel, passed| State {
            bytes: Some(bytes),
            runs: BTreeMap::from([
                ("a".to_owned(), (true, Some(5))),
                ("b".to_owned(), (passed, Some(fuel))),
            ]),
        };
        let wrong = BTreeMap::from([("b", "  at       /x\n".to_owned())]);
        let lines = difference(&state(10, 7, true), &state(12, 9, false), &wrong).concat();
        assert_eq!(
            lines,
            format!(
                "built      12 bytes, were 10\nFAILED     {:<40} 9 fuel, was 7 fuel\n  at       /x\npassed     1 of 2\n",
                "b"
            )
        );
        let none = BTreeMap::new();
        assert_eq!(
            difference(&state(1, 1, true), &state(1, 1, true), &none),
            ["passed     2 of 2\n"]
        );
        // One that is still wrong is told again, with what is wrong.
        assert_eq!(
            difference(&state(1, 1, false), &state(1, 1, false), &wrong).concat(),
            format!(
                "FAILED     {:<40} 1 fuel\n  at       /x\npassed     1 of 2\n",
                "b"
            )
        );
    }
}
