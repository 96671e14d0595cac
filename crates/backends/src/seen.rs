//! What a process's own files in `/proc` show of what keeps it apart.
//!
//! Enters: a process's number. Leaves: names of what was seen, in order. Refuses: to name what it did not read there.

use std::fs;

use rustix::process::Pid;

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
