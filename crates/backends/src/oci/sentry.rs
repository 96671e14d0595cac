//! One gVisor sandbox: started in a group of ours, looked at from outside, and ended with the group.
//!
//! Enters: a bundle, a group. Leaves: the command, and what was seen of the Sentry and its gofer. Refuses: to say of what is
//! inside that it was seen: a process in the sandbox is none of this system's, and what the Sentry shows it is its own affair.
//!
//! The runtime's own groups are gone when it is, and with them whether there was a kill for memory. So it makes none; it and
//! all that it starts are in one that outlives it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Pid;
use tenzik::backend::BackendError;
use tenzik::router::{Held, Limit, PerLimit, RunLimits};

use crate::cgroup::{Group, GroupLimits};
use crate::counted::Counted;
use crate::seen;
use crate::supervise::Guard;

/// A shell enters the groups that are its first words, up to `--`, and becomes the command behind them.
const ENTER: &str =
    r#"while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done; shift; exec "$@""#;
/// Processes and threads of this system that one sandbox may have. It is no limit of the run's, as the Sentry's own count: it
/// keeps programs that never stop making processes from taking all the numbers that this system has.
const HOST_PIDS_MAX: u64 = 4_096;

#[derive(Debug)]
pub(super) struct Sentry {
    counted: Counted,
    pid_file: PathBuf,
    sentry: Option<seen::Held>,
    gofer: Option<seen::Held>,
    seen: Vec<&'static str>,
}

impl Sentry {
    /// The limits in force are told without the one on processes.
    pub(super) fn new(
        id: &str,
        pid_file: PathBuf,
        limits: &RunLimits,
    ) -> Result<Self, BackendError> {
        let bounds = GroupLimits {
            memory_bytes: limits.get(Limit::MemoryBytes),
            pids: Some(HOST_PIDS_MAX),
        };
        let group = Group::create(id, bounds)
            .map_err(|error| BackendError::failed("make the control group", error))?;
        Ok(Self {
            counted: Counted::new(group, limits.with(Limit::Pids, None)),
            pid_file,
            sentry: None,
            gofer: None,
            seen: Vec::new(),
        })
    }

    /// The command that enters the group and runs the bundle.
    pub(super) fn command(&self, parts: &Start<'_>) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", ENTER, "enter"])
            .args(self.counted.group.joined())
            .arg("--")
            .arg(parts.runtime)
            .arg("--root")
            .arg(parts.state)
            .args(["--network=none", "--platform=systrap", "--ignore-cgroups"])
            .args(["run", "--pass-fd", "3:3"])
            .args(
                parts
                    .gateway
                    .then_some(["--pass-fd", "4:4"])
                    .into_iter()
                    .flatten(),
            )
            .arg("--pid-file")
            .arg(&self.pid_file)
            .arg("--bundle")
            .arg(parts.bundle)
            .arg(parts.id);
        command
    }

    /// What was seen to keep it apart.
    pub(super) fn seen(&self) -> &[&'static str] {
        &self.seen
    }

    /// A limit that the kernel made it feel.
    pub(super) fn limit_met(&self) -> Option<Limit> {
        self.counted
            .limit_met()
            .filter(|limit| *limit != Limit::Pids)
    }

    /// What was done about each limit. The bound on `/tmp` is the Sentry's, and is not seen from here.
    pub(super) fn held(&self, held: PerLimit<Held>, disk_bounded: bool) -> PerLimit<Held> {
        self.counted
            .held(held, disk_bounded)
            .with(Limit::Pids, Held::default())
    }

    /// Removes the group.
    pub(super) fn remove(&mut self) -> Result<(), BackendError> {
        let removed = self.counted.group.remove();
        removed.map_err(|error| BackendError::failed("remove the control group", error))
    }

    /// Looks at the Sentry and the gofer, as soon as they are there, until they were seen as they are to be.
    fn look(&mut self) {
        let group = &self.counted.group;
        if self.sentry.is_none() {
            let text = fs::read_to_string(&self.pid_file).unwrap_or_default();
            let pid = text.trim().parse().ok().and_then(Pid::from_raw);
            let is_ours = |pid| group.processes().contains(&pid);
            self.sentry = pid.and_then(|pid| seen::Held::of(pid, is_ours));
        }
        let Some(sentry) = &self.sentry else { return };
        if self.gofer.is_none() {
            let mut processes = group.processes().into_iter();
            self.gofer = processes.find_map(|pid| seen::Held::of(pid, is_gofer));
        }
        let seen = seen_of(sentry, self.gofer.as_ref());
        // One that is about to end shows less than before.
        if seen.len() > self.seen.len() {
            self.seen = seen;
        }
    }
}

/// What a sandbox is started with.
pub(super) struct Start<'a> {
    pub(super) runtime: &'a Path,
    pub(super) state: &'a Path,
    pub(super) bundle: &'a Path,
    pub(super) id: &'a str,
    pub(super) gateway: bool,
}

fn is_gofer(pid: Pid) -> bool {
    fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()))
        .is_ok_and(|line| line.starts_with(b"runsc-gofer"))
}

/// The Sentry is apart itself: whoever takes it over has a filter, namespaces and an empty root to get out of. Files come from
/// the gofer, whose root is the container's.
fn seen_of(sentry: &seen::Held, gofer: Option<&seen::Held>) -> Vec<&'static str> {
    let of_sentry = sentry.see(|pid| seen::of(pid, None));
    let filtered = ["no_new_privileges", "read_only_root", "seccomp"]
        .iter()
        .all(|name| of_sentry.contains(name));
    let has_own = |kind: &&str| sentry.see(|pid| seen::has_own(pid, kind));
    let apart = ["ipc", "mnt", "net", "user", "uts"].iter().all(has_own);
    let no_network = of_sentry.contains(&"no_network") && has_own(&"net");
    let of_gofer = gofer.map(|gofer| gofer.see(|pid| seen::of(pid, None)));
    let read_only = of_gofer.is_some_and(|seen| seen.contains(&"read_only_root"));
    [
        (no_network, "no_network"),
        (read_only, "read_only_root"),
        (filtered && apart, "sentry"),
    ]
    .into_iter()
    .filter_map(|(seen, name)| seen.then_some(name))
    .collect()
}

impl Guard for Sentry {
    /// The kernel kills one process of several for want of memory, and the others may wait for it: that is the end too.
    fn limit_reached(&mut self) -> Option<Limit> {
        self.look();
        self.counted.count();
        self.limit_met().or_else(|| self.counted.limit_reached())
    }

    fn kill(&mut self) {
        self.look();
        self.counted.end();
    }
}
