//! What a worker's process is in, and how it is looked at, stopped and ended.
//!
//! Enters: a child. Leaves: what was seen of it. Refuses nothing.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{Sender, channel};
use std::thread::Builder;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tenzik::backend::{BackendError, Isolation, Job};
use tenzik::router::{Held, Limit, PerLimit};
use tenzik_receipt::{Blake3, Label};

use crate::filter::SECCOMP;
use crate::process::held;
use crate::sandbox::{Enclosed, Waiting};
use crate::supervise::{Guard, pid, reap};

/// What a worker is in.
pub(super) trait Host: Guard + Send {
    /// Keeps all of it from running, until it is resumed: between calls it does nothing.
    fn pause(&mut self);

    /// Lets it run again.
    fn resume(&mut self);

    /// Whether there is nothing but the worker's own process.
    fn is_alone(&mut self) -> bool;

    /// A call begins: what was counted before is not its own.
    fn begin(&mut self);

    /// A limit that the kernel made it feel.
    fn limit_met(&mut self) -> Option<Limit>;

    /// What was done about each limit of a call that took so long.
    fn held(&self, job: &Job<'_>, wall_ms: u128) -> PerLimit<Held>;

    /// What was seen to keep it apart.
    fn isolation(&self) -> Isolation;
}

/// Starts a worker with a process group of its own.
pub(super) fn plain(mut command: Command) -> Result<(Child, Box<dyn Host>), BackendError> {
    let child = command
        .spawn()
        .map_err(|error| BackendError::failed("start", error))?;
    let host = Plain(pid(&child));
    Ok((child, Box::new(host)))
}

/// Starts a worker in its sandbox, and lets it begin when everything was seen in force.
pub(super) fn sandboxed(
    command: Command,
    waiting: Waiting,
    goes_on: &dyn Fn() -> bool,
) -> Result<(Child, Box<dyn Host>), BackendError> {
    let spawned = Starter::spawn(command).map_err(|error| BackendError::failed("start", error));
    let (mut child, starter) = spawned?;
    let admitted = waiting.admit(&mut child, goes_on).inspect_err(|_| {
        // It may have ended by itself, which may be why it is not let in.
        let _ = child.kill();
        reap(&mut child);
    });
    let host = Sandboxed {
        enclosed: admitted?,
        _starter: starter,
    };
    Ok((child, Box::new(host)))
}

/// The OS sandbox.
struct Sandboxed {
    enclosed: Enclosed,
    /// While this is there the thread is that started the worker: a sandbox ends with that.
    _starter: Starter,
}

impl Sandboxed {
    fn signal(&self, signal: Signal) {
        for pid in self.enclosed.counted.group.processes() {
            // It may be gone by now.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Guard for Sandboxed {
    fn limit_reached(&mut self) -> Option<Limit> {
        self.enclosed.limit_reached()
    }

    fn kill(&mut self) {
        self.enclosed.kill();
    }
}

impl Host for Sandboxed {
    fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    fn is_alone(&mut self) -> bool {
        // Each controller lists them.
        let processes: HashSet<_> = self
            .enclosed
            .counted
            .group
            .processes()
            .into_iter()
            .collect();
        processes.len() == 1
    }

    fn begin(&mut self) {
        self.enclosed.counted.begin();
    }

    fn limit_met(&mut self) -> Option<Limit> {
        self.enclosed.counted.count();
        self.enclosed.counted.limit_met()
    }

    fn held(&self, job: &Job<'_>, wall_ms: u128) -> PerLimit<Held> {
        self.enclosed.held(held(job, wall_ms))
    }

    fn isolation(&self) -> Isolation {
        let seen = self.enclosed.seen().iter().copied();
        Isolation {
            seen: seen.map(Label::constant).collect(),
            seccomp: Some(Blake3::of(SECCOMP.as_bytes())),
            ..Isolation::default()
        }
    }
}

/// A thread that started a child, and does nothing from then on until this is dropped.
struct Starter {
    _goes_on: Sender<()>,
}

impl Starter {
    fn spawn(mut command: Command) -> io::Result<(Child, Self)> {
        let (goes_on, until) = channel();
        let (give, take) = channel();
        Builder::new()
            .name("javascript sandbox".to_owned())
            .spawn(move || {
                let spawned = command.spawn();
                // With it go our copies of the child's descriptors.
                drop(command);
                if give.send(spawned).is_ok() {
                    // There is never anything but the end.
                    let _: Result<(), _> = until.recv();
                }
            })?;
        let child = take.recv().map_err(io::Error::other)??;
        Ok((child, Self { _goes_on: goes_on }))
    }
}

/// A process group and nothing else, for `dev`.
struct Plain(Option<Pid>);

impl Plain {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            // Nobody of it may be left.
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Guard for Plain {
    fn limit_reached(&mut self) -> Option<Limit> {
        None
    }

    fn kill(&mut self) {
        self.signal(Signal::KILL);
    }
}

impl Host for Plain {
    fn pause(&mut self) {
        self.signal(Signal::STOP);
    }

    fn resume(&mut self) {
        self.signal(Signal::CONT);
    }

    /// Children of its threads, which are all that can be found without looking at every process.
    fn is_alone(&mut self) -> bool {
        let Some(pid) = self.0 else { return false };
        let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())) else {
            return false;
        };
        tasks.filter_map(Result::ok).all(|task| {
            fs::read(task.path().join("children")).is_ok_and(|children| children.is_empty())
        })
    }

    fn begin(&mut self) {}

    fn limit_met(&mut self) -> Option<Limit> {
        None
    }

    fn held(&self, job: &Job<'_>, wall_ms: u128) -> PerLimit<Held> {
        held(job, wall_ms)
    }

    fn isolation(&self) -> Isolation {
        Isolation {
            seen: [Label::constant("process_group")].into_iter().collect(),
            ..Isolation::default()
        }
    }
}
