//! What is told while a sandbox comes to be, by `bwrap` and by the launcher.
//!
//! Enters: a pipe, and for how long it is listened to. Leaves: what was written to it. Refuses: to wait longer, and to read more than some lines.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Pid;
use serde::Deserialize;

use crate::supervise::TICK;

/// The most that is read of what is told on the way.
const TOLD_BYTES_MAX: usize = 4_096;
/// What `bwrap` tells.
#[derive(Deserialize)]
struct Info {
    #[serde(rename = "child-pid")]
    child_pid: i32,
}

/// For how long something is waited for.
pub(super) struct Wait<'a> {
    pub(super) until: Instant,
    /// Whether whoever wants it still does.
    pub(super) goes_on: &'a dyn Fn() -> bool,
}

/// The number of the first process inside, as this system has it.
pub(super) fn first_process(info: &OwnedFd, wait: &Wait<'_>) -> io::Result<Pid> {
    let info: Info = serde_json::from_slice(&read_to_end(info, wait)?).map_err(io::Error::other)?;
    Pid::from_raw(info.child_pid).ok_or(io::ErrorKind::InvalidData.into())
}

/// What comes until the other end is closed.
pub(super) fn read_to_end(pipe: &impl AsFd, wait: &Wait<'_>) -> io::Result<Vec<u8>> {
    read_until(pipe, wait, |_| false)
}

/// What comes until the end of a line, or until the other end is closed.
pub(super) fn read_line(pipe: &impl AsFd, wait: &Wait<'_>) -> io::Result<Vec<u8>> {
    read_until(pipe, wait, |bytes| bytes.ends_with(b"\n"))
}

fn read_until(
    pipe: &impl AsFd,
    wait: &Wait<'_>,
    is_all: impl Fn(&[u8]) -> bool,
) -> io::Result<Vec<u8>> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    let tick = Timespec {
        tv_sec: 0,
        tv_nsec: TICK.subsec_nanos().into(),
    };
    while !is_all(&bytes) && bytes.len() < TOLD_BYTES_MAX {
        if Instant::now() >= wait.until || !(wait.goes_on)() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&tick)) {
            Ok(0) | Err(Errno::INTR) => continue,
            ready => ready?,
        };
        match rustix::io::read(pipe, &mut byte) {
            Ok(0) => break,
            Ok(_) => bytes.extend(byte),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(bytes)
}
