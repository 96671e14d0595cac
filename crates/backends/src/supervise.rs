//! One child process, from its start until nothing of it is left.
//!
//! Enters: a command, what to feed it, and when to stop it. Leaves: how it ended, and what it wrote.
//! Refuses: to wait longer than the deadline, to keep more than the limit, to believe anything that the child says of its own
//! end but its result.
//!
//! One thread does all of it with `poll`: no thread is left waiting for a pipe that some grandchild holds open.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Gid, OFlags, Uid, fchown, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use tenzik::backend::{Attempt, BackendError, Captured, Ended, Job};
use tenzik::router::Limit;
use tenzik_receipt::Label;

use crate::guest::{ResultLine, failed};
use crate::launcher::{Report, ReportLine};
use crate::process::held;
use crate::program::NOBODY;
use crate::tools::{self, Tools};

/// The descriptor of the result.
pub(crate) const RESULT_FD: i32 = 3;
/// The descriptor of the gateway, where the run has one.
pub(crate) const GATEWAY_FD: i32 = 4;
/// How often limits are looked at.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// How long a process that gave its result may take to leave by itself, and how long after a process's end its output is
/// still read. What it writes later is lost.
pub(crate) const GRACE: Duration = Duration::from_millis(200);
/// How long the end of a killed child is waited for. The kernel ends it as soon as it may.
const REAP: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);
pub(crate) const CHUNK: usize = 64 * 1024;
/// What a sandbox exits with if its first process was ended for a forbidden system call: 128 and SIGSYS.
const FORBIDDEN_CALL: i32 = 128 + 31;

/// What ends a child and all that is its own, and what is looked at while it runs.
pub(crate) trait Guard {
    /// A limit that was reached, by the kernel's own count.
    fn limit_reached(&mut self) -> Option<Limit>;

    /// Ends everything, at once. It may be called more than once.
    fn kill(&mut self);
}

/// A command, with what it finds open beside its input, its output, its result and its tools.
pub(crate) struct Prepared {
    pub(crate) command: Command,
    pub(crate) descriptors: Vec<FdMapping>,
}

impl Prepared {
    /// Starts it without input, result and tools.
    pub(crate) fn spawn_alone(mut self) -> std::io::Result<Child> {
        self.command
            .fd_mappings(self.descriptors)
            .map_err(std::io::Error::other)?
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
    }
}

impl From<Command> for Prepared {
    fn from(command: Command) -> Self {
        Self {
            command,
            descriptors: Vec::new(),
        }
    }
}

/// A child that is gone.
pub(crate) struct Gone {
    pub(crate) ended: Ended,
    pub(crate) status: Option<ExitStatus>,
    /// What the launcher said, where there is one.
    pub(crate) report: Option<Report>,
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
    pub(crate) wall: Duration,
}

/// A child that was started, and is followed by nobody yet.
pub(crate) struct Started {
    pub(crate) child: Child,
    result: OwnedFd,
    reports: bool,
    tools: Option<Tools>,
    at: Instant,
}

/// Starts a command and stays with it to its end. `guard` is asked for as soon as there is a child.
pub(crate) fn supervise<G: Guard>(
    prepared: impl Into<Prepared>,
    job: &Job<'_>,
    guard: impl FnOnce(&Child) -> G,
) -> Result<(Gone, G), BackendError> {
    let started = Started::new(prepared, job)?;
    let guard = guard(&started.child);
    started.follow(job, guard)
}

impl Started {
    /// Starts a command. Whoever does not follow it ends it.
    pub(crate) fn new(prepared: impl Into<Prepared>, job: &Job<'_>) -> Result<Self, BackendError> {
        let at = Instant::now();
        let (tools, theirs) = job.gateway.map(tools::open).transpose()?.unzip();
        let (child, result) = start(prepared.into(), theirs)?;
        Ok(Self {
            child,
            result,
            reports: false,
            tools,
            at,
        })
    }

    /// One in which the launcher's report comes before the result.
    pub(crate) fn reporting(mut self) -> Self {
        self.reports = true;
        self
    }

    /// Ends it, where it is not to go on.
    pub(crate) fn end(mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        reap(&mut self.child);
    }

    /// Stays with it to its end.
    pub(crate) fn follow<G: Guard>(
        self,
        job: &Job<'_>,
        mut guard: G,
    ) -> Result<(Gone, G), BackendError> {
        let Self {
            mut child,
            result,
            reports,
            tools,
            at,
        } = self;
        let streams = Streams {
            stdin: child.stdin.take().map(Into::into),
            stdout: child.stdout.take().map(Into::into),
            stderr: child.stderr.take().map(Into::into),
            result: Some(result),
        };
        let mut watched = Watched::new(streams, job);
        watched.report = reports.then(ReportLine::default);
        let stopped = watched.until_over(&First::child(&child), job, &mut guard);
        guard.kill();
        // With the run its way to tools is over, and its token is worth nothing.
        drop(tools);
        let status = reap(&mut child);
        // What was written before the end is in the pipes.
        watched.drain();
        let gone = watched.gone(stopped, status, at.elapsed());
        match status {
            Some(_) => Ok((gone, guard)),
            None => Err(BackendError::lost(
                "end",
                "the child did not end when it was killed",
            )),
        }
    }
}

fn start(prepared: Prepared, gateway: Option<OwnedFd>) -> Result<(Child, OwnedFd), BackendError> {
    let Prepared {
        mut command,
        descriptors,
    } = prepared;
    let (reader, writer) =
        pipe_with(PipeFlags::CLOEXEC).map_err(|error| BackendError::failed("pipe", error))?;
    // Who cannot give it away is who the program runs as.
    let _ = lend(reader.as_fd());
    let mapping = |parent_fd, child_fd| FdMapping {
        parent_fd,
        child_fd,
    };
    let mut mappings = descriptors;
    mappings.push(mapping(writer, RESULT_FD));
    mappings.extend(gateway.map(|stream| mapping(stream, GATEWAY_FD)));
    command
        .fd_mappings(mappings)
        .map_err(|error| BackendError::failed("pipe", error))?
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command
        .spawn()
        .map_err(|error| BackendError::failed("start", error))?;
    // `command` holds our end of what the child writes to: it is dropped here, so that the end of the pipe can be seen.
    Ok((child, reader))
}

/// Lets `nobody` open a pipe again by its path, as `/dev/fd/3`: some runtimes write to descriptors in no other way.
pub(crate) fn lend(pipe: BorrowedFd<'_>) -> std::io::Result<()> {
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    Ok(fchown(pipe, Some(user), Some(group))?)
}

/// Waits for a killed child, and gives up where the kernel cannot end it.
pub(crate) fn reap(child: &mut Child) -> Option<ExitStatus> {
    let until = Instant::now() + REAP;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => std::thread::sleep(PAUSE),
            _ => return None,
        }
    }
}

/// Whether a child has ended. It is not taken from the kernel yet: until its group was killed, nobody else may get its number.
pub(crate) fn has_ended(child: &Child) -> bool {
    let Some(pid) = pid(child) else { return true };
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::Pid(pid), look), Ok(None))
}

/// A child's number.
pub(crate) fn pid(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// Whether a process has ended, by a descriptor of it.
pub(crate) fn is_over(process: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(process, PollFlags::IN)];
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    poll(&mut fds, Some(&now)).is_ok_and(|count| count > 0)
}

/// A run's first process.
pub(crate) enum First<'a> {
    /// A child of this one, with a descriptor that tells of its end, where the kernel gives one. What it leaves behind may go
    /// on writing.
    Child(&'a Child, Option<OwnedFd>),
    /// The first of a process namespace, by a descriptor of it: with it all others of the namespace have ended.
    OfNamespace(BorrowedFd<'a>),
}

impl<'a> First<'a> {
    /// A child that nobody has waited for yet, so that its number is its own.
    pub(crate) fn child(child: &'a Child) -> Self {
        let open = |pid| pidfd_open(pid, PidfdFlags::empty()).ok();
        Self::Child(child, pid(child).and_then(open))
    }

    fn has_ended(&self) -> bool {
        match self {
            Self::Child(child, _) => has_ended(child),
            Self::OfNamespace(process) => is_over(*process),
        }
    }

    /// What is readable from its end on.
    fn end(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Child(_, process) => process.as_ref().map(|process| process.as_fd()),
            Self::OfNamespace(process) => Some(*process),
        }
    }
}

/// Our ends of a run's streams.
pub(crate) struct Streams {
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
    pub(crate) result: Option<OwnedFd>,
}

/// Why a run was stopped.
pub(crate) enum Stopped {
    Cancelled,
    Limit(Limit),
}

impl Stopped {
    /// Whether its caller or the clock wants a job stopped.
    pub(crate) fn of(job: &Job<'_>) -> Option<Self> {
        if job.control.is_cancelled() {
            return Some(Self::Cancelled);
        }
        job.deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
            .then_some(Self::Limit(Limit::WallMs))
    }

    /// A run that was stopped before its program began.
    pub(crate) fn before_it_began(&self, job: &Job<'_>, version: Label, wall: Duration) -> Attempt {
        let mut attempt = Attempt::new(self.ended(), version, wall);
        attempt.limits = held(job, wall.as_millis());
        attempt
    }

    /// How a run ended that was stopped.
    pub(crate) fn ended(&self) -> Ended {
        match self {
            Self::Limit(limit) => Ended::LimitReached(*limit),
            Self::Cancelled => Ended::Aborted {
                code: Label::constant("cancelled"),
            },
        }
    }
}

/// The streams of a run, served until it is over.
pub(crate) struct Watched<'a> {
    input: &'a [u8],
    stdin: Option<File>,
    stdout: Stream,
    stderr: Stream,
    result: Stream,
    /// The launcher's line before the result's, where there is one.
    report: Option<ReportLine>,
    line: ResultLine,
    /// What the result line says, and when it came.
    said: Option<(Ended, Instant)>,
    exited: Option<Instant>,
}

/// One pipe that is read.
pub(crate) struct Stream {
    pub(crate) file: Option<File>,
    pub(crate) captured: Captured,
    pub(crate) room: usize,
}

impl Stream {
    pub(crate) fn new(fd: Option<OwnedFd>, room: usize) -> Self {
        let file = fd.filter(|fd| unblock(fd.as_fd())).map(File::from);
        Self {
            file,
            captured: Captured::default(),
            room,
        }
    }

    /// Reads what is there. `false` at the end of the pipe, or where there is nothing now.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let read = self.file.as_mut()?.read(buffer);
        match read {
            Ok(0) => self.file = None,
            Ok(count) => return Some(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => return Some(0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.file = None,
        }
        None
    }

    pub(crate) fn keep(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(self.room - self.captured.bytes.len());
        self.captured.bytes.extend_from_slice(&bytes[..kept]);
        self.captured.dropped += (bytes.len() - kept) as u64;
    }
}

pub(crate) fn unblock(fd: BorrowedFd<'_>) -> bool {
    fcntl_getfl(fd)
        .and_then(|flags| fcntl_setfl(fd, flags | OFlags::NONBLOCK))
        .is_ok()
}

impl<'a> Watched<'a> {
    pub(crate) fn new(streams: Streams, job: &Job<'a>) -> Self {
        let output = job.limits.get(Limit::OutputBytes);
        let room = output.map_or(usize::MAX, |bytes| {
            usize::try_from(bytes).unwrap_or(usize::MAX)
        });
        let stdin = streams.stdin.filter(|stdin| unblock(stdin.as_fd()));
        Self {
            input: job.input,
            stdin: stdin.map(File::from),
            stdout: Stream::new(streams.stdout, room),
            stderr: Stream::new(streams.stderr, room),
            result: Stream::new(streams.result, 0),
            report: None,
            line: ResultLine::new(job.input_type, output),
            said: None,
            exited: None,
        }
    }

    /// Serves the pipes until the run is over or has to be stopped.
    pub(crate) fn until_over(
        &mut self,
        first: &First<'_>,
        job: &Job<'_>,
        guard: &mut impl Guard,
    ) -> Option<Stopped> {
        let mut looked = Instant::now();
        loop {
            self.wait(first);
            self.serve();
            let now = Instant::now();
            if let Some(stopped) = Stopped::of(job) {
                return Some(stopped);
            }
            if now - looked >= TICK {
                looked = now;
                if let Some(limit) = guard.limit_reached() {
                    return Some(Stopped::Limit(limit));
                }
            }
            if self.exited.is_none() && first.has_ended() {
                self.exited = Some(now);
            }
            let all = matches!(first, First::OfNamespace(_));
            if self.is_over(now) || (all && self.exited.is_some()) {
                return None;
            }
        }
    }

    fn is_over(&self, now: Instant) -> bool {
        let past = |since: Instant| now - since >= GRACE;
        let silent =
            self.result.file.is_none() && self.stdout.file.is_none() && self.stderr.file.is_none();
        match (&self.said, self.exited) {
            (Some(_), Some(_)) => true,
            (Some((_, since)), None) => past(*since),
            (None, Some(since)) => silent || past(since),
            (None, None) => false,
        }
    }

    /// Waits until a pipe has something, the first process ends, or a tick has passed.
    fn wait(&self, first: &First<'_>) {
        let reading = [&self.stdout, &self.stderr, &self.result];
        let mut fds: Vec<PollFd<'_>> = reading
            .into_iter()
            .filter_map(|stream| stream.file.as_ref())
            .map(|file| PollFd::new(file, PollFlags::IN))
            .collect();
        if let Some(stdin) = &self.stdin {
            fds.push(PollFd::new(stdin, PollFlags::OUT));
        }
        if let Some(process) = first.end().filter(|_| self.exited.is_none()) {
            fds.push(PollFd::from_borrowed_fd(process, PollFlags::IN));
        }
        let tick = Timespec {
            tv_sec: 0,
            tv_nsec: TICK.subsec_nanos().into(),
        };
        // An interrupted wait is a short one.
        let _ = poll(&mut fds, Some(&tick));
    }

    fn serve(&mut self) {
        self.feed();
        let mut buffer = [0; CHUNK];
        // One piece of each, so that a flood of one does not keep the others and the clock from being looked at.
        if let Some(count) = self.stdout.read(&mut buffer) {
            self.stdout.keep(&buffer[..count]);
        }
        if let Some(count) = self.stderr.read(&mut buffer) {
            self.stderr.keep(&buffer[..count]);
        }
        if let Some(count) = self
            .result
            .read(&mut buffer)
            .filter(|_| self.said.is_none())
        {
            let bytes = &buffer[..count];
            let line = match &mut self.report {
                Some(report) => report.take(bytes),
                None => bytes,
            };
            let ended = self.line.take(line);
            self.said = ended.map(|ended| (ended, Instant::now()));
        }
    }

    fn feed(&mut self) {
        let Some(stdin) = &mut self.stdin else { return };
        match stdin.write(self.input) {
            Ok(count) => self.input = &self.input[count..],
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            // It does not want its input, which is its own affair.
            Err(_) => self.input = &[],
        }
        if self.input.is_empty() {
            self.stdin = None;
        }
    }

    /// Takes what is in the pipes when nothing writes to them any more, or as much of it as a writer that got away allows.
    pub(crate) fn drain(&mut self) {
        self.stdin = None;
        for _ in 0..64 {
            let before = (
                self.stdout.captured.bytes.len(),
                self.stderr.captured.bytes.len(),
            );
            self.serve();
            if before
                == (
                    self.stdout.captured.bytes.len(),
                    self.stderr.captured.bytes.len(),
                )
            {
                break;
            }
        }
    }

    /// Whether there is a result.
    pub(crate) const fn has_said(&self) -> bool {
        self.said.is_some()
    }

    /// How it went, when nothing of it is left.
    pub(crate) fn gone(
        mut self,
        stopped: Option<Stopped>,
        status: Option<ExitStatus>,
        wall: Duration,
    ) -> Gone {
        Gone {
            ended: match (stopped, self.said.take()) {
                (Some(stopped), _) => stopped.ended(),
                (None, Some((said, _))) => said,
                (None, None) => without_result(status),
            },
            status,
            report: self.report.and_then(|line| line.report()),
            stdout: self.stdout.captured,
            stderr: self.stderr.captured,
            wall,
        }
    }
}

/// The end, with a limit that the kernel made it feel: a program that was killed for its memory says nothing itself.
pub(crate) fn ended_with(gone: &Gone, limit_met: Option<Limit>, filtered: Filtered) -> Ended {
    with_limit(&gone.ended, gone.status, limit_met, filtered)
}

/// Whether a filter was in force that ends a process for a call. Where none was, an exit code that looks like that end is the
/// program's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filtered {
    NotOurs,
    Ours,
}

pub(crate) fn with_limit(
    ended: &Ended,
    status: Option<ExitStatus>,
    limit_met: Option<Limit>,
    filtered: Filtered,
) -> Ended {
    match ended {
        Ended::Failed { code, .. } if !code.as_str().starts_with("own:") => {
            match (limit_met, status.and_then(exit_code)) {
                (Some(limit), _) => Ended::LimitReached(limit),
                (None, Some(FORBIDDEN_CALL)) if filtered == Filtered::Ours => {
                    Ended::SandboxViolation {
                        what: Label::constant("system_call"),
                    }
                }
                (None, _) => ended.clone(),
            }
        }
        ended => ended.clone(),
    }
}

fn exit_code(status: ExitStatus) -> Option<i32> {
    let signal = || status.signal().map(|signal| 128 + signal);
    status.code().or_else(signal)
}

/// The end of a program that said nothing.
pub(crate) fn without_result(status: Option<ExitStatus>) -> Ended {
    let told = status.and_then(|status| {
        let signal = status.signal().map(|signal| format!("signal:{signal}"));
        let code = status.code().filter(|code| *code != 0);
        signal.or_else(|| code.map(|code| format!("exit:{code}")))
    });
    match told.and_then(|told| Label::new(told).ok()) {
        Some(code) => Ended::Failed {
            code,
            message: None,
        },
        None => failed("no_result", None),
    }
}
