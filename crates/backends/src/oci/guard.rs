//! One container: looked at while it runs, ended, and removed.
//!
//! Enters: its name. Leaves: what was seen of it. Refuses: to say that a limit was enforced that it did not read back from the
//! kernel in this run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process};
use tenzik::backend::BackendError;
use tenzik::router::{Limit, RunLimits};

use crate::cgroup::Group;
use crate::counted::Counted;
use crate::seen;
use crate::supervise::Guard;

#[derive(Debug)]
pub(super) struct Container {
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
        state: PathBuf,
        id: &str,
        pid_file: PathBuf,
        limits: RunLimits,
        starter: Option<Pid>,
    ) -> Self {
        Self {
            starter,
            removed: false,
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

    /// Removes what the runtime keeps of it, which would stay: its groups, and a folder of its state. The runtime's own `delete`
    /// does no more for a container without hooks, but is one more start of the runtime.
    pub(super) fn remove(&mut self) -> Result<(), BackendError> {
        self.removed = true;
        self.counted.end();
        let state = self.state.join(&self.id);
        let removed = self.counted.group.remove_all().and(gone(&state));
        removed.map_err(|error| BackendError::failed("remove the container", error))
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
            // Whoever wants to know calls `remove`.
            let _ = self.remove();
        }
    }
}

/// Removes a folder; one that never came to be is not there to be removed.
fn gone(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Whether a process belongs to a container.
fn is_in(id: &str, pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{}/cgroup", pid.as_raw_nonzero()))
        .is_ok_and(|groups| groups.contains(id))
}
