//! What a process's own files in `/proc` show of what keeps it apart.
//!
//! Enters: a process's number. Leaves: names of what was seen, in order. Refuses: to name what it did not read there.

use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::supervise::is_over;

/// The size of a page, which sizes of what lies in memory are rounded to.
pub(crate) const PAGE_BYTES: u64 = 4_096;

/// What must be seen of a process that a kernel of ours alone keeps apart, before it begins.
pub(crate) const APART: [&str; 6] = [
    "no_capabilities",
    "no_network",
    "no_new_privileges",
    "read_only_root",
    "seccomp",
    "user_nobody",
];

/// A process, held by a descriptor so that no other is taken for it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) pid: Pid,
    pub(crate) process: OwnedFd,
}

impl Held {
    /// The process of this number, if it is the one that is meant; that is asked when its number can be nobody else's any more.
    pub(crate) fn of(pid: Pid, is_meant: impl FnOnce(Pid) -> bool) -> Option<Self> {
        let process = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        let held = Self { pid, process };
        (is_meant(pid) && !held.is_over()).then_some(held)
    }

    pub(crate) fn is_over(&self) -> bool {
        is_over(self.process.as_fd())
    }

    /// What is seen by its number; nothing, where it has ended meanwhile.
    pub(crate) fn see<T: Default>(&self, see: impl FnOnce(Pid) -> T) -> T {
        let seen = see(self.pid);
        match self.is_over() {
            true => T::default(),
            false => seen,
        }
    }

    /// Ends it. It may have ended by itself.
    pub(crate) fn kill(&self) {
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
    }
}

/// What is seen of a process now; nothing, where it is gone.
pub(crate) fn of(pid: Pid, disk_bytes: Option<u64>) -> Vec<&'static str> {
    let file =
        |name: &str| fs::read_to_string(format!("/proc/{}/{name}", pid.as_raw_nonzero())).ok();
    match (file("status"), file("mountinfo"), file("net/dev")) {
        (Some(status), Some(mounts), Some(net)) => seen(&status, &mounts, &net, disk_bytes),
        _ => Vec::new(),
    }
}

/// Whether a process has a namespace of a kind that is not this one's.
pub(crate) fn has_own(pid: Pid, kind: &str) -> bool {
    let own = fs::read_link(format!("/proc/self/ns/{kind}"));
    let other = fs::read_link(format!("/proc/{}/ns/{kind}", pid.as_raw_nonzero()));
    matches!((own, other), (Ok(own), Ok(other)) if own != other)
}

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
    // Two lines of headings; then at most the loopback.
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// What was seen by the number of a process that had ended was another's.
    #[test]
    fn nothing_is_seen_of_a_process_that_has_ended() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
        let pid = crate::supervise::pid(&child).expect("a number");
        assert!(Held::of(pid, |_| false).is_none());
        let held = Held::of(pid, |_| true).expect("it is there");
        assert_eq!(held.see(|found| vec![found]), [pid]);
        held.kill();
        child.wait().expect("its end");
        assert!(held.is_over());
        // Its number may be anybody's now.
        assert_eq!(held.see(|found| vec![found]), []);
        assert!(Held::of(pid, |_| true).is_none());
    }
}
