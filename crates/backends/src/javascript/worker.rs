//! A process that calls functions, from its start until nothing of it is left.
//!
//! Enters: a command. Leaves: a worker that said it is ready, before any code of a guest's was loaded in it.
//! Refuses: to wait for it longer than it may, and to be used again once there was anything about it that should not be.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::Mode;
use rustix::pipe::{PipeFlags, pipe_with};
use serde::Deserialize;
use tenzik::backend::BackendError;

use super::host::Host;
use crate::program::Private;
use crate::supervise::{CHUNK, Prepared, RESULT_FD, Stream, TICK, has_ended, reap, unblock};

/// The longest line with which a worker says it is ready.
const READY_BYTES_MAX: usize = 4_096;
/// How much of what a worker that did not start wrote is told.
const COMPLAINT_BYTES_MAX: usize = 400;

/// What the worker's own script says before it has loaded anything.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ready {
    /// What the runtime says it denies.
    pub(super) denies: Vec<String>,
}

pub(super) struct Worker {
    child: Child,
    pub(super) host: Box<dyn Host>,
    pub(super) stdin: Option<File>,
    pub(super) stdout: Stream,
    pub(super) stderr: Stream,
    pub(super) said: Stream,
    pub(super) ready: Ready,
    /// How its process ended, once that was taken from the system.
    status: Option<ExitStatus>,
    /// How many calls it had.
    pub(super) calls: u64,
    /// Its files, which go when it does.
    _private: Option<Private>,
    /// Where the code is, as it sees that.
    pub(super) code: PathBuf,
}

impl Worker {
    /// Starts the command and waits until it is ready, for as long as `goes_on` says.
    pub(super) fn start(
        prepared: Prepared,
        begin: impl FnOnce(Command) -> Result<(Child, Box<dyn Host>), BackendError>,
        goes_on: impl Fn() -> bool,
    ) -> Result<Self, BackendError> {
        let (reader, writer) = pipe()?;
        let Prepared {
            mut command,
            mut descriptors,
        } = prepared;
        descriptors.push(FdMapping {
            parent_fd: writer,
            child_fd: RESULT_FD,
        });
        command
            .fd_mappings(descriptors)
            .map_err(|error| BackendError::failed("pipe", error))?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let (mut child, host) = begin(command)?;
        let stdin = child.stdin.take().filter(|stdin| unblock(stdin.as_fd()));
        let mut worker = Self {
            host,
            stdin: stdin.map(OwnedFd::from).map(File::from),
            stdout: Stream::new(child.stdout.take().map(Into::into), 0),
            stderr: Stream::new(child.stderr.take().map(Into::into), COMPLAINT_BYTES_MAX),
            said: Stream::new(Some(reader), 0),
            child,
            ready: Ready::default(),
            status: None,
            calls: 0,
            _private: None,
            code: PathBuf::new(),
        };
        worker.ready = worker.until_ready(goes_on)?;
        Ok(worker)
    }

    /// Keeps its files for as long as it is there.
    pub(super) fn with(mut self, private: Private, code: PathBuf) -> Self {
        self._private = Some(private);
        self.code = code;
        self
    }

    fn until_ready(&mut self, goes_on: impl Fn() -> bool) -> Result<Ready, BackendError> {
        let mut line = Vec::new();
        while goes_on() {
            // What it wrote before its end is in the pipe by now.
            let ended = self.has_ended();
            self.wait();
            self.drain();
            let mut byte = [0];
            // One line and no more: what comes behind it is a call's.
            while let Some(1) = self.said.read(&mut byte) {
                if byte[0] == b'\n' {
                    return read_ready(&line).ok_or_else(|| {
                        self.complaint("it said something else than that it is ready")
                    });
                }
                line.push(byte[0]);
                if line.len() > READY_BYTES_MAX {
                    return Err(self.complaint("it said too much"));
                }
            }
            if ended || self.said.file.is_none() {
                return Err(self.complaint("it ended before it was ready"));
            }
        }
        Err(self.complaint("it did not get ready in time"))
    }

    fn complaint(&self, what: &str) -> BackendError {
        let told = String::from_utf8_lossy(&self.stderr.captured.bytes);
        BackendError::failed("start", format!("{what}: {}", told.trim()))
    }

    /// Takes what is on its output, as much as there is now.
    pub(super) fn drain(&mut self) {
        let mut buffer = [0; CHUNK];
        for _ in 0..64 {
            let (mut some, streams) = (false, [&mut self.stdout, &mut self.stderr]);
            for stream in streams {
                if let Some(count) = stream.read(&mut buffer) {
                    stream.keep(&buffer[..count]);
                    some = true;
                }
            }
            if !some {
                return;
            }
        }
    }

    fn wait(&self) {
        let streams = [&self.stdout, &self.stderr, &self.said];
        let files = streams
            .into_iter()
            .filter_map(|stream| stream.file.as_ref());
        let mut fds: Vec<_> = files.map(|file| PollFd::new(file, PollFlags::IN)).collect();
        // An interrupted wait is a short one.
        let _ = poll(&mut fds, Some(&tick()));
    }

    pub(super) fn has_ended(&self) -> bool {
        has_ended(&self.child)
    }

    /// Whether there is anything about it that should not be: it ended, or it wrote what nobody asked for, or it closed what
    /// it is to write to, or it has children.
    fn is_spoilt(&mut self) -> bool {
        let pending = |stream: &mut Stream| match &mut stream.file {
            Some(file) => file.read(&mut [0]).is_ok(),
            None => true,
        };
        self.has_ended()
            || self.stdin.is_none()
            || [&mut self.stdout, &mut self.stderr, &mut self.said]
                .into_iter()
                .any(pending)
            || !self.host.is_alone()
    }

    /// Stops it until it is used again. `false` if it must not be.
    pub(super) fn rest(&mut self) -> bool {
        self.host.pause();
        !self.is_spoilt()
    }

    /// Lets it run again. `false` if it must not be used: since it was stopped it can have done nothing more.
    pub(super) fn wake(&mut self) -> bool {
        let fresh = !self.is_spoilt();
        if fresh {
            self.host.resume();
        }
        fresh
    }

    /// Ends all of it, and says how its process ended.
    pub(super) fn end(&mut self) -> Option<ExitStatus> {
        // Once its number was given back to the system it may be somebody else's.
        if self.status.is_none() {
            self.host.kill();
            self.status = reap(&mut self.child);
        }
        self.status
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}

/// The pipe of a worker's word. Deno opens it by its name, which whoever the worker runs as must be allowed to.
fn pipe() -> Result<(OwnedFd, OwnedFd), BackendError> {
    let failed = |error| BackendError::failed("pipe", error);
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    rustix::fs::fchmod(&writer, Mode::from_raw_mode(0o622)).map_err(failed)?;
    Ok((reader, writer))
}

fn read_ready(line: &[u8]) -> Option<Ready> {
    serde_json::from_slice(line.strip_prefix(b"ready ")?).ok()
}

pub(super) fn tick() -> Timespec {
    Timespec {
        tv_sec: 0,
        tv_nsec: TICK.subsec_nanos().into(),
    }
}

/// Starts again and again, with pauses that double, until there is a worker or it is no use.
pub(super) fn start_until(
    backoff: &super::config::Backoff,
    goes_on: impl Fn() -> bool,
    mut attempt: impl FnMut(Instant) -> Result<Worker, BackendError>,
) -> Result<Worker, BackendError> {
    const LONGEST: Duration = Duration::from_secs(30);
    // No run may take longer.
    const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600);
    let began = Instant::now();
    let once = backoff.elapsed.is_zero();
    let until = began
        + if once {
            LONGEST
        } else {
            backoff.elapsed.min(WEEK)
        };
    let mut pauses = backoff.pauses();
    loop {
        let error = match attempt(until) {
            Ok(worker) => return Ok(worker),
            Err(error) => error,
        };
        let pause = pauses.next().unwrap_or(backoff.max);
        // A pause that no clock can hold has no end either.
        let Some(resume) = Instant::now().checked_add(pause) else {
            return Err(error);
        };
        if once || !error.retryable || resume >= until || !goes_on() {
            return Err(error);
        }
        while Instant::now() < resume {
            if !goes_on() {
                return Err(error);
            }
            std::thread::sleep(TICK.min(resume.saturating_duration_since(Instant::now())));
        }
    }
}
