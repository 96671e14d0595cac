//! What the kernel's control groups hold and count, in either of their versions.
//!
//! Enters: a group's name. Leaves: numbers, each read from the kernel. Refuses nothing: what cannot be read is `None`, and
//! what is `None` was not seen.

use std::fs;
use std::path::{Path, PathBuf};

const MOUNT: &str = "/sys/fs/cgroup";

/// Which of the two forms the system has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    One,
    Two,
}

impl Version {
    /// The one that this process can make groups in; `None` if it cannot.
    pub(super) fn found() -> Option<Self> {
        let mount = Path::new(MOUNT);
        let writable = |path: &Path| rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok();
        if let Ok(controllers) = fs::read_to_string(mount.join("cgroup.controllers")) {
            let has = |name: &str| controllers.split_whitespace().any(|found| found == name);
            return (["cpu", "memory", "pids"].into_iter().all(has) && writable(mount))
                .then_some(Self::Two);
        }
        let has = |name: &str| writable(&mount.join(name));
        ["cpuacct", "memory", "pids"]
            .into_iter()
            .all(has)
            .then_some(Self::One)
    }
}

/// One run's group.
#[derive(Debug)]
pub(super) struct Group {
    version: Option<Version>,
    name: String,
}

impl Group {
    pub(super) fn new(name: &str) -> Self {
        Self {
            version: Version::found(),
            name: name.to_owned(),
        }
    }

    fn read(&self, one: (&str, &str), two: &str) -> Option<String> {
        let mount = PathBuf::from(MOUNT);
        let path = match self.version? {
            Version::One => mount
                .join(one.0)
                .join("tenzik")
                .join(&self.name)
                .join(one.1),
            Version::Two => mount.join("tenzik").join(&self.name).join(two),
        };
        fs::read_to_string(path).ok()
    }

    fn number(&self, one: (&str, &str), two: &str) -> Option<u64> {
        self.read(one, two)?.trim().parse().ok()
    }

    /// A number of a file that has a name and a number in each line.
    fn named(&self, one: (&str, &str), two: &str, name: &str) -> Option<u64> {
        let text = self.read(one, two)?;
        text.lines().find_map(|line| {
            let (found, number) = line.split_once(' ')?;
            (found == name).then(|| number.trim().parse().ok())?
        })
    }

    /// The bound on memory.
    pub(super) fn memory_max(&self) -> Option<u64> {
        self.number(("memory", "memory.limit_in_bytes"), "memory.max")
    }

    /// The most memory at one time.
    pub(super) fn memory_peak(&self) -> Option<u64> {
        self.number(("memory", "memory.max_usage_in_bytes"), "memory.peak")
    }

    /// How many processes were killed for want of memory.
    pub(super) fn memory_kills(&self) -> Option<u64> {
        self.named(
            ("memory", "memory.oom_control"),
            "memory.events",
            "oom_kill",
        )
    }

    /// The bound on processes.
    pub(super) fn pids_max(&self) -> Option<u64> {
        self.number(("pids", "pids.max"), "pids.max")
    }

    /// How often a process could not be made.
    pub(super) fn pids_refused(&self) -> Option<u64> {
        self.named(("pids", "pids.events"), "pids.events", "max")
    }

    /// How many processes and threads there are now.
    pub(super) fn pids(&self) -> Option<u64> {
        self.number(("pids", "pids.current"), "pids.current")
    }

    /// Processor time of all that is or was in it, in milliseconds.
    pub(super) fn cpu_ms(&self) -> Option<u64> {
        match self.version? {
            Version::One => self
                .number(("cpuacct", "cpuacct.usage"), "")
                .map(|ns| ns / 1_000_000),
            Version::Two => self
                .named(("", ""), "cpu.stat", "usage_usec")
                .map(|us| us / 1_000),
        }
    }
}
