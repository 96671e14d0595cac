//! One container: looked at while it runs, ended, and removed.
//!
//! Enters: its name. Leaves: what was seen of it. Refuses: to say that a limit was enforced that it did not read back from the
//! kernel in this run.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tenzik::backend::BackendError;
use tenzik::router::{Limit, RunLimits};

use crate::cgroup::Group;
use crate::counted::Counted;
use crate::seen;
use crate::supervise::{CHUNK, Guard, Stream, reap};

/// How long the runtime may take to remove a container, all of whose processes have ended.
const REMOVED_WITHIN: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);

#[derive(Debug)]
pub(super) struct Container {
    runtime: PathBuf,
    state: PathBuf,
    id: String,
    pid_file: PathBuf,
    /// Whether the runtime told its first process: that may have ended before it was looked at.
    began: bool,
    first: Option<seen::Held>,
    /// The runtime's own process, which is this process's child.
    starter: Option<Pid>,
    removed: bool,
    disk_bytes: Option<u64>,
    pub(super) counted: Counted,
    /// Seen of its first process: the bounded place to write, namespaces, no capability, a filter.
    seen: Vec<&'static str>,
}

impl Container {
    pub(super) fn new(
        (runtime, state): (PathBuf, PathBuf),
        id: &str,
        pid_file: PathBuf,
        limits: RunLimits,
        starter: Option<Pid>,
    ) -> Self {
        Self {
            starter,
            removed: false,
            runtime,
            state,
            id: id.to_owned(),
            pid_file,
            began: false,
            first: None,
            disk_bytes: limits.get(Limit::DiskBytes),
            counted: Counted::new(Group::of_another(id), limits),
            seen: Vec::new(),
        }
    }

    /// Whether there ever was a process in it.
    pub(super) const fn began(&self) -> bool {
        self.began
    }

    /// What was seen to keep it apart.
    pub(super) fn seen(&self) -> &[&'static str] {
        &self.seen
    }

    /// Removes what the runtime keeps of it. Without this its groups and state would stay.
    pub(super) fn remove(&mut self) -> Result<(), BackendError> {
        self.removed = true;
        self.counted.count();
        let mut command = Command::new(&self.runtime);
        command
            .env_clear()
            .arg("--root")
            .arg(&self.state)
            .args(["delete", "--force", &self.id]);
        // One that never came to be is not there to be removed, and `--force` says nothing of it.
        done_within(command, REMOVED_WITHIN)
            .map_err(|reason| BackendError::failed("remove the container", reason))
    }

    /// Looks at its first process, as soon as there is one, until it was seen as it is to be.
    fn look(&mut self) {
        if self.first.is_none() {
            let text = fs::read_to_string(&self.pid_file).unwrap_or_default();
            let pid = text.trim().parse().ok().and_then(Pid::from_raw);
            self.began |= pid.is_some();
            self.first = pid.and_then(|pid| seen::Held::of(pid, |pid| is_in(&self.id, pid)));
        }
        let Some(first) = &self.first else { return };
        let seen = first.see(|pid| seen::of(pid, self.disk_bytes));
        // A process that is about to end shows less than before.
        if seen.len() > self.seen.len() {
            self.seen = seen;
        }
    }
}

impl Guard for Container {
    fn limit_reached(&mut self) -> Option<Limit> {
        self.look();
        self.counted.count();
        self.counted.limit_reached()
    }

    /// With its first process all others of its namespace end. The runtime tells its number only after it has begun: what is
    /// ended before that is ended by its group, after the runtime, so that nothing new begins.
    fn kill(&mut self) {
        self.look();
        if let Some(first) = &self.first {
            first.kill();
        }
        if self.began {
            return;
        }
        if let Some(starter) = self.starter {
            // It is not taken from the kernel yet, so that its number is still its own.
            let _ = kill_process(starter, Signal::KILL);
        }
        self.counted.end();
    }
}

impl Drop for Container {
    /// One of which nobody came to know the end.
    fn drop(&mut self) {
        if !self.removed {
            self.counted.end();
            // Whoever wants to know calls `remove`.
            let _ = self.remove();
        }
    }
}

/// Runs a command of a runtime's to its end, and gives what it said to standard error. One that takes too long is ended.
fn done_within(mut command: Command, within: Duration) -> Result<(), String> {
    let failed = |error: std::io::Error| error.to_string();
    let spawned = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.map_err(failed)?;
    let until = Instant::now() + within;
    let mut told = Stream::new(child.stderr.take().map(Into::into), CHUNK);
    let mut buffer = [0; CHUNK];
    loop {
        let status = child.try_wait().map_err(failed)?;
        while let Some(count) = told.read(&mut buffer) {
            told.keep(&buffer[..count]);
        }
        match status {
            Some(status) if status.success() => return Ok(()),
            Some(_) => return Err(String::from_utf8_lossy(&told.captured.bytes).into_owned()),
            None if Instant::now() < until => std::thread::sleep(PAUSE),
            None => {
                // It may have ended by now.
                let _ = child.kill();
                reap(&mut child);
                return Err(format!("it took longer than {} s", within.as_secs()));
            }
        }
    }
}

/// Whether a process belongs to a container.
fn is_in(id: &str, pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{}/cgroup", pid.as_raw_nonzero()))
        .is_ok_and(|groups| groups.contains(id))
}
