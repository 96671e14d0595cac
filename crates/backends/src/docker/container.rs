//! One container: begun, looked at before its program begins and while it runs, ended, removed.
//!
//! Enters: what is to run. Leaves: what was seen of it. Refuses: to let a program begin where the engine did not do what it was
//! asked, and to say that something was in force that it did not see.

use std::fs;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Pid;
use serde_json::Value;
use tenzik::backend::{BackendError, Job};
use tenzik::router::{Held, Limit, PerLimit, RunLimits};

use super::engine::{Engine, Removed, Told};
use super::way::Way;
use crate::cgroup::Group;
use crate::counted::Counted;
use crate::launcher::Report;
use crate::seen;
use crate::supervise::{Guard, Stopped, is_over};

/// How often the launcher is looked for.
const TICK: Duration = Duration::from_millis(1);
/// How long an engine may take to start the launcher, or to tell that a container has ended.
const SOON: Duration = Duration::from_secs(30);
/// What must be seen under gVisor of the process that runs the program, before that begins.
const MUST_OF_GVISOR: [&str; 5] = [
    "gvisor",
    "no_network",
    "no_new_privileges",
    "read_only_root",
    "seccomp",
];

/// A container by name, removed when it is dropped.
pub(super) struct Container<'a> {
    engine: &'a Engine<'a>,
    name: String,
    id: String,
    removed: bool,
    limits: RunLimits,
    gvisor: Option<&'a Path>,
    first: Option<First>,
    seen: Vec<&'static str>,
}

/// The first process, with what is counted of its group.
struct First {
    held: seen::Held,
    counted: Counted,
}

impl First {
    /// `None` if it has ended, or is not on this machine: its group has the container's name.
    fn of(pid: Pid, id: &str, limits: RunLimits) -> Option<Self> {
        let mut group = None;
        let is_meant = |pid| {
            group = Group::of_process(pid, id);
            group.is_some()
        };
        let held = seen::Held::of(pid, is_meant)?;
        Some(Self {
            held,
            counted: Counted::new(group?, limits),
        })
    }
}

/// How the engine saw it end.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) code: i32,
    pub(super) out_of_memory: bool,
}

impl<'a> Container<'a> {
    /// Makes it and starts its launcher.
    pub(super) fn start(
        engine: &'a Engine<'a>,
        name: String,
        body: &Value,
        limits: &RunLimits,
        gvisor: Option<&'a Path>,
    ) -> Result<Self, BackendError> {
        let mut container = Self {
            engine,
            id: String::new(),
            name,
            removed: false,
            // Under gVisor there is none on processes.
            limits: match gvisor {
                Some(_) => limits.with(Limit::Pids, None),
                None => *limits,
            },
            gvisor,
            first: None,
            seen: Vec::new(),
        };
        container.id = engine.create(&container.name, body)?;
        engine.start(&container.id)?;
        Ok(container)
    }

    /// Waits for the launcher's report, or for the job to be stopped before.
    pub(super) fn wait(
        &mut self,
        image: &str,
        way: &mut Way,
        job: &Job<'_>,
    ) -> Result<Result<Report, Stopped>, BackendError> {
        self.find(image)?;
        let until = Instant::now() + SOON;
        loop {
            if let Some(report) = way.report()? {
                return Ok(Ok(report));
            }
            if let Some(stopped) = Stopped::of(job) {
                return Ok(Err(stopped));
            }
            if self.is_over() || Instant::now() >= until {
                return Err(BackendError::failed(
                    "start",
                    "the launcher did not come through: the engine must be on this machine, and gVisor's runtime needs \
                     --host-fifo=open and --host-uds=open",
                ));
            }
            std::thread::sleep(TICK);
        }
    }

    /// Finds its first process, which waits for our word, and holds that no other image and no other place to write is there
    /// than was asked for.
    fn find(&mut self, image: &str) -> Result<(), BackendError> {
        let told = self.engine.inspect(&self.id)?;
        let denied = |what: String| Err(BackendError::denied("look at the container", what));
        if told.image != image {
            return denied("the engine took another image".to_owned());
        }
        if let Some(place) = volume(&told) {
            return denied(format!(
                "the image has a volume at {place}, which has no bound"
            ));
        }
        let pid = Pid::from_raw(told.state.pid);
        self.first = pid.and_then(|pid| First::of(pid, &self.id, self.limits));
        Ok(())
    }

    /// Looks whether all is as it was asked for, before the program begins.
    pub(super) fn check(&mut self, report: Report) -> Result<(), BackendError> {
        let Some(first) = &mut self.first else {
            return Err(undone("its process"));
        };
        let disk_bytes = self.limits.get(Limit::DiskBytes);
        self.seen = first.held.see(|pid| seen::of(pid, disk_bytes));
        let must: &[&str] = match self.gvisor {
            Some(runtime) => {
                self.seen = of_gvisor(&self.seen, first.held.pid, runtime, report, disk_bytes);
                &MUST_OF_GVISOR
            }
            None => &seen::APART,
        };
        let bounded = disk_bytes.map(|_| "bounded_tmp");
        let mut all = must.iter().copied().chain(bounded);
        if let Some(what) = all.find(|what| !self.seen.contains(what)) {
            return Err(undone(what));
        }
        first.counted.count();
        match first.counted.unbounded() {
            // What was seen was its own, if it is still there.
            None if first.held.is_over() => Err(undone("its process")),
            None => Ok(()),
            Some(what) => Err(undone(what)),
        }
    }

    /// The descriptor of its first process.
    pub(super) fn process(&self) -> Option<BorrowedFd<'_>> {
        self.first.as_ref().map(|first| first.held.process.as_fd())
    }

    /// The executable that its first process is, as long as that is not over, which under gVisor is the runtime's.
    pub(super) fn executable(&self) -> Option<PathBuf> {
        let pid = self.first.as_ref()?.held.pid;
        Some(format!("/proc/{}/exe", pid.as_raw_nonzero()).into())
    }

    pub(super) fn seen(&self) -> &[&'static str] {
        &self.seen
    }

    /// A limit that the kernel made it feel. Under gVisor a bound on processes is not the run's.
    pub(super) fn limit_met(&self) -> Option<Limit> {
        let met = self.first.as_ref()?.counted.limit_met()?;
        (self.gvisor.is_none() || met != Limit::Pids).then_some(met)
    }

    /// Whether the memory's peak, as it was last seen, was within a quarter of its bound.
    pub(super) fn was_full(&self) -> bool {
        let bound = self.limits.get(Limit::MemoryBytes);
        let peak = self
            .first
            .as_ref()
            .and_then(|first| first.counted.memory_peak());
        bound
            .zip(peak)
            .is_some_and(|(bound, peak)| peak >= bound - bound / 4)
    }

    pub(super) fn held(&self, held: PerLimit<Held>) -> PerLimit<Held> {
        let Some(first) = &self.first else {
            return held;
        };
        let held = first.counted.held(held, self.seen.contains(&"bounded_tmp"));
        match self.gvisor {
            // What was counted are gVisor's own threads.
            Some(_) => held.with(Limit::Pids, Held::default()),
            None => held,
        }
    }

    /// How it ended, as soon as the engine knows, or until the job is to stop.
    pub(super) fn end(&self, job: &Job<'_>) -> Result<Result<End, Stopped>, BackendError> {
        let until = Instant::now() + SOON;
        loop {
            let state = match self.engine.inspect(&self.id) {
                Ok(told) => told.state,
                // An engine that is slow takes nothing of what is known.
                Err(error) => return Stopped::of(job).map(Err).ok_or(error),
            };
            if !state.running {
                return Ok(Ok(End {
                    code: state.exit_code,
                    out_of_memory: state.out_of_memory,
                }));
            }
            if let Some(stopped) = Stopped::of(job) {
                return Ok(Err(stopped));
            }
            if Instant::now() >= until {
                return Err(BackendError::failed(
                    "end",
                    "the engine does not see that the container has ended",
                ));
            }
            std::thread::sleep(TICK);
        }
    }

    /// Ends and removes it, and says whether the engine has. Where it is slow, nothing of the container may run any more.
    pub(super) fn remove(mut self) -> Result<bool, BackendError> {
        self.removed = true;
        match self.engine.remove(&self.name) {
            Ok(Removed::Done | Removed::NotThere) => Ok(true),
            Ok(Removed::UnderWay) | Err(_) if self.is_empty() => Ok(false),
            Ok(Removed::UnderWay) => Err(BackendError::failed(
                "remove the container",
                "it runs still",
            )),
            Err(error) => Err(error),
        }
    }

    /// Whether no process of it is there.
    fn is_empty(&self) -> bool {
        let first = self.first.as_ref();
        self.is_over() && first.is_none_or(|first| first.counted.group.processes().is_empty())
    }

    /// Whether its first process has ended, or never was.
    pub(super) fn is_over(&self) -> bool {
        self.process().is_none_or(is_over)
    }
}

fn undone(what: &str) -> BackendError {
    BackendError::denied(
        "look at the container",
        format!("the engine did not do what it was asked: {what}"),
    )
}

/// Where a container has something mounted that we did not ask for.
fn volume(told: &Told) -> Option<&str> {
    told.mounts
        .iter()
        .find(|mount| !matches!(mount.kind.as_str(), "bind" | "tmpfs"))
        .map(|mount| mount.destination.as_str())
}

/// What is seen of gVisor: of its own process from here, of what is inside by the launcher's word.
fn of_gvisor(
    seen: &[&'static str],
    pid: Pid,
    runtime: &Path,
    report: Report,
    disk_bytes: Option<u64>,
) -> Vec<&'static str> {
    let outside = ["no_network", "no_new_privileges", "seccomp"];
    let mut found: Vec<_> = seen
        .iter()
        .copied()
        .filter(|what| outside.contains(what))
        .collect();
    let identity = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    let executable = format!("/proc/{}/exe", pid.as_raw_nonzero());
    let is_runtime =
        identity(Path::new(&executable)).is_some_and(|exe| Some(exe) == identity(runtime));
    let bounded = disk_bytes.is_some_and(|bytes| report.bounds_tmp(bytes));
    for (is, what) in [
        (bounded, "bounded_tmp"),
        (is_runtime, "gvisor"),
        (report.root_read_only, "read_only_root"),
    ] {
        if is {
            found.push(what);
        }
    }
    found.sort_unstable();
    found
}

impl Guard for Container<'_> {
    fn limit_reached(&mut self) -> Option<Limit> {
        let first = self.first.as_mut()?;
        first.counted.count();
        let reached = first.counted.limit_reached();
        // The kernel ends one process of gVisor's for want of memory, and the others may wait for it.
        let met = self.gvisor.and_then(|_| self.limit_met());
        reached.or(met)
    }

    /// With its first process all others of its namespace end, but gVisor's, which are in the group and not in one namespace.
    /// Where we may not end them, the container's removal does.
    fn kill(&mut self) {
        if let Some(first) = &mut self.first {
            match self.gvisor {
                // Its group is the engine's, which removes it.
                Some(_) => drop(first.counted.end()),
                None => first.counted.count(),
            }
            first.held.kill();
        }
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        if !self.removed {
            self.kill();
            // Whoever has given up waiting for an engine has another remove it.
            if self.engine.has_given_up() {
                return;
            }
            // An engine that is gone cannot be asked; the next host removes what it left.
            let _ = self.engine.remove(&self.name);
        }
    }
}
