//! One container: looked at while it runs, ended, and removed.
//!
//! Enters: its name. Leaves: what was seen of it. Refuses: to say that a limit was enforced that it did not read back from the
//! kernel in this run.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tenzik::backend::BackendError;
use tenzik::router::{Held, Limit, PerLimit, RunLimits};

use super::cgroup::Group;
use crate::supervise::Guard;

/// The size of a page, which bounds on memory are rounded to.
const PAGE_BYTES: u64 = 4_096;

#[derive(Debug)]
pub(super) struct Container {
    runtime: PathBuf,
    state: PathBuf,
    id: String,
    pid_file: PathBuf,
    pid: Option<Pid>,
    limits: RunLimits,
    group: Group,
    last: Counted,
    /// Seen of its first process: the bounded place to write, namespaces, no capability, a filter.
    seen: Vec<&'static str>,
}

/// What the kernel last said.
#[derive(Clone, Copy, Debug, Default)]
struct Counted {
    memory_max: Option<u64>,
    memory_peak: Option<u64>,
    memory_kills: Option<u64>,
    pids_max: Option<u64>,
    pids_refused: Option<u64>,
    pids_peak: Option<u64>,
    cpu_ms: Option<u64>,
}

impl Container {
    pub(super) fn new(
        (runtime, state): (PathBuf, PathBuf),
        id: &str,
        pid_file: PathBuf,
        limits: RunLimits,
    ) -> Self {
        Self {
            runtime,
            state,
            id: id.to_owned(),
            pid_file,
            pid: None,
            limits,
            group: Group::new(id),
            last: Counted::default(),
            seen: Vec::new(),
        }
    }

    /// Whether there ever was a process in it.
    pub(super) const fn began(&self) -> bool {
        self.pid.is_some()
    }

    /// What was seen to keep it apart.
    pub(super) fn seen(&self) -> Vec<&'static str> {
        self.seen.clone()
    }

    /// A limit that the kernel made it feel.
    pub(super) fn limit_met(&self) -> Option<Limit> {
        let some = |count: Option<u64>| count.is_some_and(|count| count > 0);
        if some(self.last.memory_kills) {
            return Some(Limit::MemoryBytes);
        }
        some(self.last.pids_refused).then_some(Limit::Pids)
    }

    /// What was done about each limit.
    pub(super) fn held(&self, held: PerLimit<Held>) -> PerLimit<Held> {
        let counted = &self.last;
        let entry = |limit: Limit, in_force: bool, observed| Held {
            applied: self.limits.get(limit),
            enforced: in_force && self.limits.get(limit).is_some(),
            observed,
        };
        let memory = self
            .limits
            .get(Limit::MemoryBytes)
            .map(|bytes| bytes / PAGE_BYTES);
        let memory_held = memory == counted.memory_max.map(|bytes| bytes / PAGE_BYTES);
        let pids_held = self.limits.get(Limit::Pids) == counted.pids_max;
        held.with(
            Limit::MemoryBytes,
            entry(Limit::MemoryBytes, memory_held, counted.memory_peak),
        )
        .with(
            Limit::Pids,
            entry(Limit::Pids, pids_held, counted.pids_peak),
        )
        .with(
            Limit::CpuMs,
            entry(Limit::CpuMs, counted.cpu_ms.is_some(), counted.cpu_ms),
        )
        .with(
            Limit::DiskBytes,
            entry(Limit::DiskBytes, self.seen.contains(&"bounded_tmp"), None),
        )
    }

    /// Removes what the runtime keeps of it. Without this its groups and state would stay.
    pub(super) fn remove(&mut self) -> Result<(), BackendError> {
        self.count();
        let done = Command::new(&self.runtime)
            .env_clear()
            .arg("--root")
            .arg(&self.state)
            .args(["delete", "--force", &self.id])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| BackendError::failed("remove the container", error))?;
        // One that never came to be is not there to be removed, and `--force` says nothing of it.
        match done.status.success() {
            true => Ok(()),
            false => {
                let told = String::from_utf8_lossy(&done.stderr).into_owned();
                Err(BackendError::failed("remove the container", told))
            }
        }
    }

    fn count(&mut self) {
        let (group, last) = (&self.group, &mut self.last);
        let newer = |new: Option<u64>, old: Option<u64>| new.or(old);
        *last = Counted {
            memory_max: newer(group.memory_max(), last.memory_max),
            memory_peak: newer(group.memory_peak(), last.memory_peak),
            memory_kills: newer(group.memory_kills(), last.memory_kills),
            pids_max: newer(group.pids_max(), last.pids_max),
            pids_refused: newer(group.pids_refused(), last.pids_refused),
            pids_peak: group.pids().max(last.pids_peak),
            cpu_ms: newer(group.cpu_ms(), last.cpu_ms),
        };
    }

    /// Looks at its first process, as soon as there is one, until it was seen as it is to be.
    fn look(&mut self) {
        if self.pid.is_none() {
            let text = fs::read_to_string(&self.pid_file).unwrap_or_default();
            self.pid = text.trim().parse().ok().and_then(Pid::from_raw);
        }
        let Some(pid) = self.pid else { return };
        let of = |name: &str| {
            fs::read_to_string(format!("/proc/{pid}/{name}", pid = pid.as_raw_nonzero()))
        };
        if let (Ok(status), Ok(mounts), Ok(net)) = (of("status"), of("mountinfo"), of("net/dev")) {
            let seen = seen(&status, &mounts, &net, self.limits.get(Limit::DiskBytes));
            // A process that is about to end shows less than before.
            if seen.len() > self.seen.len() {
                self.seen = seen;
            }
        }
    }
}

/// What a process's own files in `/proc` show.
fn seen(status: &str, mounts: &str, net: &str, disk_bytes: Option<u64>) -> Vec<&'static str> {
    let has = |line: &str| {
        status
            .lines()
            .any(|found| found.split_whitespace().eq(line.split(' ')))
    };
    let mounted = |place: &str| {
        mounts
            .lines()
            .rev()
            .find(|line| line.split(' ').nth(4) == Some(place))
            .unwrap_or_default()
    };
    let read_only = |line: &str| {
        line.split(' ')
            .nth(5)
            .is_some_and(|flags| flags.split(',').any(|flag| flag == "ro"))
    };
    let size = disk_bytes
        .map(|bytes| format!("size={}k", bytes.div_ceil(PAGE_BYTES) * PAGE_BYTES / 1_024));
    let bounded =
        size.is_some_and(|size| mounted("/tmp").split([' ', ',']).any(|word| word == size));
    // Two lines of headings; then at most the loopback, which is down.
    let interfaces = net
        .lines()
        .skip(2)
        .filter(|line| !line.trim_start().starts_with("lo:"))
        .count();
    [
        (bounded, "bounded_tmp"),
        (
            has("CapEff: 0000000000000000") && has("CapBnd: 0000000000000000"),
            "no_capabilities",
        ),
        (interfaces == 0, "no_network"),
        (has("NoNewPrivs: 1"), "no_new_privileges"),
        (read_only(mounted("/")), "read_only_root"),
        (has("Seccomp: 2"), "seccomp"),
        (has("Uid: 65534 65534 65534 65534"), "user_nobody"),
    ]
    .into_iter()
    .filter_map(|(seen, name)| seen.then_some(name))
    .collect()
}

impl Guard for Container {
    fn limit_reached(&mut self) -> Option<Limit> {
        self.look();
        self.count();
        let allowed = self.limits.get(Limit::CpuMs)?;
        self.last
            .cpu_ms
            .is_some_and(|used| used >= allowed)
            .then_some(Limit::CpuMs)
    }

    /// With its first process all others of its namespace end.
    fn kill(&mut self) {
        self.look();
        if let Some(pid) = self.pid.filter(|pid| is_in(&self.id, *pid)) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Whether a process belongs to a container: one that has ended may have left its number to somebody else.
fn is_in(id: &str, pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{}/cgroup", pid.as_raw_nonzero()))
        .is_ok_and(|groups| groups.contains(id))
}
