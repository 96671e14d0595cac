//! The processes of one run, as this system has them.
//!
//! Enters: words that only that run has, and the run. Leaves: which processes had each while it went on, and whether they are
//! gone. That a word is nowhere says something only if it was somewhere before.
//!
//! A process that a guest of gVisor's starts is none of this system's. There the run's own Sentry and gofer stand for all that
//! is in them: those whose container's configuration has the word, which [`marked`] puts into its variables.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tenzik::router::{Code, ExecuteRequest, Execution};

/// How often it is looked.
const PAUSE: Duration = Duration::from_millis(10);
/// How often at most until all is gone: the kernel ends what was killed in its own time.
const LOOKS_MAX: usize = 3_000;

/// A process, which is not taken for another that has its number later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Process {
    number: i32,
    started: u64,
}

/// What was seen of a run while it went on.
#[derive(Debug)]
pub(crate) struct Found(Vec<(String, BTreeSet<Process>)>);

/// A request whose container's configuration has these words.
pub(crate) fn marked(mut request: ExecuteRequest, words: &[&str]) -> ExecuteRequest {
    if let Code::Program(program) = &mut request.code {
        let name = "MARK".to_owned();
        program.environment.insert(name, words.join(" "));
    }
    request
}

/// A shell's request of which each process that it forks has this argument.
pub(crate) fn argued(mut request: ExecuteRequest, word: &str) -> ExecuteRequest {
    if let Code::Program(program) = &mut request.code {
        program.arguments = vec![word.to_owned()];
    }
    request
}

/// Whether more than one of [`BOMB`](super::hostile::BOMB) went off, by what they wrote.
pub(crate) fn bombed(execution: &Execution) -> bool {
    let told = String::from_utf8_lossy(&execution.stderr.bytes);
    told.matches("bomb\n").count() > 1
}

/// Does it, and looks meanwhile for processes that have these words.
pub(crate) fn watched<T>(words: &[&str], act: impl FnOnce() -> T) -> (T, Found) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let looking = scope.spawn(|| look(words, &over));
        // Also where it panics: the scope waits for whoever looks.
        let ends = Ends(&over);
        let came = act();
        drop(ends);
        (came, looking.join().expect("it only looks"))
    })
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn look(words: &[&str], over: &AtomicBool) -> Found {
    let mut found = Found(Vec::new());
    for word in words {
        found.0.push(((*word).to_owned(), BTreeSet::new()));
    }
    while !over.load(Ordering::SeqCst) {
        for (word, processes) in &mut found.0 {
            processes.extend(having(word));
        }
        std::thread::sleep(PAUSE);
    }
    found
}

impl Found {
    /// Whether each word was seen.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.iter().all(|(_, processes)| !processes.is_empty())
    }

    /// Waits until no process that was seen is there, and none that has a word.
    pub(crate) fn is_gone(&self) -> bool {
        (0..LOOKS_MAX).any(|_| {
            std::thread::sleep(PAUSE);
            self.left().is_empty()
        })
    }

    /// Ends what is left: what got away from a backend is the test's own to end.
    pub(crate) fn end(&self) {
        for process in self.left() {
            if let Some(pid) = Pid::from_raw(process.number) {
                // It may have ended by now.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }

    fn left(&self) -> BTreeSet<Process> {
        let seen = self.0.iter().flat_map(|(_, processes)| processes).copied();
        let new = self.0.iter().flat_map(|(word, _)| having(word));
        seen.filter(|process| started(process.number) == Some(process.started))
            .chain(new)
            .collect()
    }
}

/// The processes that have a word among their arguments, and gVisor's own of a container that has it in its configuration.
fn having(word: &str) -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").expect("processes");
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let arguments: Vec<&str> = line.split('\0').collect();
            let has = arguments.contains(&word) || is_of_a_sandbox(&arguments, word);
            let started = started(number)?;
            has.then_some(Process { number, started })
        })
        .collect()
}

/// Whether a command is the Sentry's or the gofer's of a bundle that has this word.
fn is_of_a_sandbox(arguments: &[&str], word: &str) -> bool {
    let own = matches!(
        arguments.first(),
        Some(&("runsc-sandbox" | "runsc-gofer" | "runsc-fsgofer"))
    );
    let bundle = arguments.iter().enumerate().find_map(|(at, argument)| {
        let next = || arguments.get(at + 1).copied();
        match argument.trim_start_matches('-').split_once('=') {
            Some(("bundle", bundle)) => Some(bundle),
            _ => (argument.trim_start_matches('-') == "bundle").then(next)?,
        }
    });
    own && bundle.is_some_and(|bundle| {
        let spec = std::fs::read_to_string(Path::new(bundle).join("config.json"));
        spec.is_ok_and(|spec| spec.contains(word))
    })
}

/// When a process began, in the kernel's ticks; `None` if there is none, or nothing of it but its end.
fn started(number: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // Its name may have anything in it, so what counts is behind the last bracket.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18)?.parse().ok())?
}
