//! Any command in the OS sandbox.
//!
//! Enters: a command with its environment, its code, its limits. Leaves: a [`Prepared`] to start, and after that an
//! [`Enclosed`], which looks at it and ends it. Refuses: to let the command begin before every part of its isolation was seen
//! in force, and its group holds it.
//!
//! `bwrap` makes the namespaces and mounts, as `nobody`; the launcher inside confines itself and waits. So what is seen is seen
//! before there is anything to see it: not even the shortest run is over too soon.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use command_fds::FdMapping;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, kill_process};
use tenzik::backend::BackendError;
use tenzik::router::{Held, Limit, PerLimit, RunLimits};
use tenzik_receipt::{Blake3, to_hex};

use super::told::{Wait, first_process, read_line, read_to_end};
use super::view::View;
use crate::cgroup::{Group, GroupLimits};
use crate::confine::{CONFINED, GO, GO_FD, ORDERS_FD, Orders, PROGRAM_FD, TOLD_FD};
use crate::counted::Counted;
use crate::filter::SECCOMP;
use crate::program::NOBODY;
use crate::seen;
use crate::supervise::{Guard, Prepared, lend, pid};

/// Where `bwrap` tells the number of the first process.
const INFO_FD: i32 = 9;
/// How long all that comes before the command may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long what a child said that is not let in is waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// The kinds of namespaces that each command has of its own.
const NAMESPACES: [&str; 7] = ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"];

/// What every command of a backend has in common.
#[derive(Debug)]
pub(crate) struct Enclosure {
    pub(super) bubblewrap: PathBuf,
    pub(super) program: File,
    pub(super) arguments: Vec<String>,
    pub(super) view: View,
}

/// One command.
pub(crate) struct Parts<'a> {
    /// The command as it is started inside, with its arguments.
    pub(crate) words: Vec<String>,
    /// All of its environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// What is at `/code`: a directory that `nobody` can reach, such as [`Private::lent`](crate::program::Private::lent).
    pub(crate) code: &'a Path,
    pub(crate) limits: &'a RunLimits,
    /// Whether descriptor 4 is open and the command's.
    pub(crate) gateway: bool,
}

/// A command that was prepared: what is needed to let it begin.
#[derive(Debug)]
pub(crate) struct Waiting {
    counted: Counted,
    disk_bytes: Option<u64>,
    info: OwnedFd,
    told: OwnedFd,
    go: OwnedFd,
}

/// A command that runs. Dropped, it is ended, and nothing of it is left.
#[derive(Debug)]
pub(crate) struct Enclosed {
    pub(crate) counted: Counted,
    monitor: Pid,
    seen: Vec<&'static str>,
}

impl Enclosure {
    /// Makes the command's group, and what starts it. The caller starts [`Prepared`] with descriptors 3, and 4 where there is
    /// a gateway, and hands the child to [`Waiting::admit`]; until then nothing of the command runs.
    ///
    /// The child ends with the *thread* that started it.
    pub(crate) fn prepare(&self, parts: &Parts<'_>) -> Result<(Prepared, Waiting), BackendError> {
        let failed = |error: std::io::Error| BackendError::failed("prepare the sandbox", error);
        let limits = GroupLimits {
            memory_bytes: parts.limits.get(Limit::MemoryBytes),
            pids: parts.limits.get(Limit::Pids),
        };
        let mut chance = [0; 8];
        getrandom::fill(&mut chance)
            .map_err(|error| BackendError::failed("name a sandbox", error))?;
        let group = Group::create(&format!("sandbox-{}", to_hex(&chance)), limits)
            .map_err(|error| BackendError::failed("make the control group", error))?;
        let disk_bytes = parts.limits.get(Limit::DiskBytes);
        let (info, info_theirs) = pipe().map_err(failed)?;
        let (told, told_theirs) = pipe().map_err(failed)?;
        let (go_theirs, go) = pipe().map_err(failed)?;
        let mut command = Command::new(&self.bubblewrap);
        command
            .env_clear()
            .args(["--info-fd", &INFO_FD.to_string()])
            .args(self.view.arguments(parts.code, disk_bytes))
            .arg("--")
            .arg(format!("/proc/self/fd/{PROGRAM_FD}"))
            .args(&self.arguments)
            // From here on it is nobody, also for the rest of this system.
            .uid(NOBODY)
            .gid(NOBODY);
        let program = self.program.try_clone().map_err(failed)?;
        let mapping = |parent_fd, child_fd| FdMapping {
            parent_fd,
            child_fd,
        };
        let descriptors = vec![
            mapping(program.into(), PROGRAM_FD),
            mapping(told_theirs, TOLD_FD),
            mapping(go_theirs, GO_FD),
            mapping(self.orders(parts)?, ORDERS_FD),
            mapping(info_theirs, INFO_FD),
        ];
        let waiting = Waiting {
            counted: Counted::new(group, *parts.limits),
            disk_bytes,
            info,
            told,
            go,
        };
        Ok((
            Prepared {
                command,
                descriptors,
            },
            waiting,
        ))
    }

    /// The orders, as a file that has no name.
    fn orders(&self, parts: &Parts<'_>) -> Result<OwnedFd, BackendError> {
        let failed =
            |reason: &dyn ToString| BackendError::failed("write the orders", reason.to_string());
        let orders = Orders {
            filter: Blake3::of(SECCOMP.as_bytes()).to_string(),
            gateway: parts.gateway,
            read: self.view.read(),
            look: self.view.look(),
            devices: self.view.devices(),
            write: self.view.write(),
            words: parts.words.clone(),
            environment: parts.environment.clone(),
        };
        let text = serde_json::to_vec(&orders).map_err(|error| failed(&error))?;
        let file = memfd_create("orders", MemfdFlags::CLOEXEC).map_err(|error| failed(&error))?;
        let mut file = File::from(file);
        file.write_all(&text).map_err(|error| failed(&error))?;
        Ok(file.into())
    }
}

/// A pipe that `nobody` can open again by its number.
fn pipe() -> std::io::Result<(OwnedFd, OwnedFd)> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    lend(reader.as_fd())?;
    Ok((reader, writer))
}

impl Waiting {
    /// Looks at a child that was started as prepared, and lets its command begin, in its group and with everything in force
    /// that is to be. If this fails nothing of the command has run, and the child is to be ended by the caller. Where `goes_on`
    /// says no it fails at once.
    pub(crate) fn admit(
        self,
        child: &mut Child,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Enclosed, BackendError> {
        let wait = Wait {
            until: Instant::now() + PATIENCE,
            goes_on,
        };
        self.admit_within(child, &wait).map_err(|reason| {
            // What it said is of no use to whoever no longer wants it.
            match goes_on() {
                true => refused(&reason, child),
                false => BackendError::failed("start", reason),
            }
        })
    }

    fn admit_within(self, child: &Child, wait: &Wait<'_>) -> Result<Enclosed, String> {
        let Self {
            mut counted,
            disk_bytes,
            info,
            told,
            go,
        } = self;
        let monitor = pid(child).ok_or("its monitor has no number")?;
        let first =
            first_process(&info, wait).map_err(|_| "the sandbox did not come to be".to_owned())?;
        let added = counted.group.add(first);
        added.map_err(|error| format!("its control group: {error}"))?;
        let word = read_line(&told, wait).unwrap_or_default();
        if word != CONFINED {
            return Err(String::from_utf8_lossy(&word).into_owned());
        }
        counted.count();
        let unseen = |what: &str| format!("{what} was not seen to be in force");
        let seen = seen_of(first, disk_bytes).map_err(unseen)?;
        if let Some(what) = counted.unbounded() {
            return Err(unseen(what));
        }
        lend_streams(child);
        let go = File::from(go).write_all(&[GO]);
        go.map_err(|error| format!("it did not wait: {error}"))?;
        // The launcher's end is closed when the command has begun; what it says instead is why that could not be.
        match read_to_end(&told, wait) {
            Ok(word) if word.is_empty() => {}
            Ok(word) => return Err(String::from_utf8_lossy(&word).into_owned()),
            Err(error) => return Err(format!("it did not begin: {error}")),
        }
        Ok(Enclosed {
            counted,
            monitor,
            seen,
        })
    }
}

/// Lets the code open its streams by their paths.
fn lend_streams(child: &Child) {
    let streams = [
        child.stdin.as_ref().map(AsFd::as_fd),
        child.stdout.as_ref().map(AsFd::as_fd),
        child.stderr.as_ref().map(AsFd::as_fd),
    ];
    for stream in streams.into_iter().flatten() {
        // Where it is no pipe of this process's, there is the descriptor itself.
        let _ = lend(stream);
    }
}

/// A child that is not let in, with what it or its monitor said.
fn refused(reason: &str, child: &mut Child) -> BackendError {
    // Then its streams come to their end; if some process still has them, not much is lost.
    let _ = child.kill();
    let wait = Wait {
        until: Instant::now() + LAST_WORDS,
        goes_on: &|| true,
    };
    let told = child
        .stderr
        .as_ref()
        .map(|stderr| read_to_end(stderr, &wait));
    let told = told.and_then(Result::ok).unwrap_or_default();
    let told = String::from_utf8_lossy(&told);
    BackendError::failed("start", format!("{} {}", reason.trim(), told.trim()))
}

/// Everything that is to be seen, or the first that is not.
fn seen_of(first: Pid, disk_bytes: Option<u64>) -> Result<Vec<&'static str>, &'static str> {
    let mut seen = seen::of(first, disk_bytes);
    let bounded = disk_bytes.map(|_| "bounded_tmp");
    let missing = seen::APART
        .into_iter()
        .chain(bounded)
        .find(|name| !seen.contains(name));
    let shared = NAMESPACES
        .into_iter()
        .find(|kind| !seen::has_own(first, kind));
    match missing.or(shared) {
        Some(missing) => Err(missing),
        None => {
            // The launcher lists the root directory before and after, and says that it is confined only if it no longer can.
            seen.extend(["landlock", "namespaces"]);
            Ok(seen)
        }
    }
}

impl Enclosed {
    /// What was seen to keep it apart, before it began.
    pub(crate) fn seen(&self) -> &[&'static str] {
        &self.seen
    }

    /// What was done about each limit.
    pub(crate) fn held(&self, held: PerLimit<Held>) -> PerLimit<Held> {
        self.counted.held(held, self.seen.contains(&"bounded_tmp"))
    }

    /// Ends what is left, and removes the group.
    pub(crate) fn remove(&mut self) -> Result<(), BackendError> {
        let removed = self.counted.group.remove();
        removed.map_err(|error| BackendError::failed("remove the control group", error))
    }
}

impl Guard for Enclosed {
    fn limit_reached(&mut self) -> Option<Limit> {
        self.counted.count();
        self.counted.limit_reached()
    }

    fn kill(&mut self) {
        if self.counted.end() {
            // With its last process the monitor ends by itself, and tells how that ended; so it is not killed first.
            return;
        }
        // It is not taken from the kernel yet, so that its number is still its own.
        let _ = kill_process(self.monitor, Signal::KILL);
    }
}
