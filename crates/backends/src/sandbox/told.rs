//! What is told while a sandbox comes to be, by `bwrap` and by the launcher.
//!
//! Enters: a pipe, and until when. Leaves: what was written to it. Refuses: to wait longer, and to read more than some lines.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Pid;
use serde::Deserialize;

/// The most that is read of what is told on the way.
const TOLD_BYTES_MAX: usize = 4_096;
/// What `bwrap` tells.
#[derive(Deserialize)]
struct Info {
    #[serde(rename = "child-pid")]
    child_pid: i32,
}

/// The number of the first process inside, as this system has it.
pub(super) fn first_process(info: &OwnedFd, until: Instant) -> io::Result<Pid> {
    let info: Info =
        serde_json::from_slice(&read_to_end(info, until)?).map_err(io::Error::other)?;
    Pid::from_raw(info.child_pid).ok_or(io::ErrorKind::InvalidData.into())
}

/// What comes until the other end is closed.
pub(super) fn read_to_end(pipe: &impl AsFd, until: Instant) -> io::Result<Vec<u8>> {
    read_until(pipe, until, |_| false)
}

/// What comes until the end of a line, or until the other end is closed.
pub(super) fn read_line(pipe: &impl AsFd, until: Instant) -> io::Result<Vec<u8>> {
    read_until(pipe, until, |bytes| bytes.ends_with(b"\n"))
}

fn read_until(
    pipe: &impl AsFd,
    until: Instant,
    is_all: impl Fn(&[u8]) -> bool,
) -> io::Result<Vec<u8>> {
    let (mut bytes, mut byte) = (Vec::new(), [0]);
    while !is_all(&bytes) && bytes.len() < TOLD_BYTES_MAX {
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Err(Errno::INTR) => continue,
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
