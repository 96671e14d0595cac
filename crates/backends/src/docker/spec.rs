//! A container as an engine is asked for it.
//!
//! Enters: a program, its command, its limits, where its files are. Leaves: the body of the request, in which nothing that
//! keeps the program apart is left to the engine's defaults or to the image. Refuses nothing.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};
use tenzik::router::{Limit, Program, RunLimits};
use tenzik_receipt::Sha256;

use crate::filter::SECCOMP;
use crate::launcher::PLACE;
use crate::program::environment;

/// The user and group `nobody`.
const NOBODY: &str = "65534:65534";
/// Processes and threads of this system that one gVisor may have. It is no limit of the run's, as gVisor's own count: it keeps
/// programs that never stop making processes from taking all the numbers that this system has.
const HOST_PIDS_MAX: u64 = 4_096;
/// What shows something of the host, and is of no use to a program.
const MASKED: [&str; 11] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/scsi",
    "/proc/sched_debug",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

pub(super) struct Parts<'a> {
    pub(super) runtime: &'a str,
    pub(super) gvisor: bool,
    pub(super) image: Sha256,
    pub(super) labels: HashMap<String, String>,
    pub(super) code: &'a Path,
    pub(super) way: &'a Path,
    pub(super) program: &'a Program,
    pub(super) words: &'a [String],
    pub(super) tools: bool,
    pub(super) limits: &'a RunLimits,
}

/// The name by which an engine has an image.
pub(super) fn image(digest: Sha256) -> String {
    // A digest's text is `sha256:` and its hexadecimal.
    digest.to_string()
}

pub(super) fn body(parts: &Parts<'_>) -> Value {
    let mut command = parts.words.to_vec();
    command.push(format!("/code/{}", parts.program.tree.entrypoint()));
    command.extend(parts.program.arguments.iter().cloned());
    let variables = environment(parts.program).into_iter();
    let variables: Vec<String> = variables
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    json!({
        "Hostname": "tenzik",
        "User": NOBODY,
        "Env": variables,
        "Entrypoint": [format!("{PLACE}/launch"), if parts.tools { "4" } else { "3" }],
        "Cmd": command,
        "Image": image(parts.image),
        "WorkingDir": "/code",
        // An image's own check would run beside the program.
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": parts.labels,
        "HostConfig": host(parts),
    })
}

fn host(parts: &Parts<'_>) -> Value {
    let memory = parts.limits.get(Limit::MemoryBytes);
    let pids = match parts.gvisor {
        true => Some(HOST_PIDS_MAX),
        false => parts.limits.get(Limit::Pids),
    };
    json!({
        "Runtime": parts.runtime,
        "NetworkMode": "none",
        // A name server of the host's would be told otherwise.
        "Dns": ["127.0.0.1"],
        "DnsSearch": ["."],
        "ReadonlyRootfs": true,
        "Privileged": false,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", format!("seccomp={SECCOMP}")],
        "MaskedPaths": MASKED,
        "ReadonlyPaths": READ_ONLY,
        // The same for memory and swap together: none of it is swapped out.
        "Memory": memory,
        "MemorySwap": memory,
        "PidsLimit": pids,
        "Ulimits": [ulimit("core", 0), ulimit("msgqueue", 0), ulimit("nofile", 1_024)],
        "Tmpfs": {"/tmp": tmp(parts.limits)},
        // Otherwise there is a second place to write, in memory.
        "IpcMode": "none",
        "CgroupnsMode": "private",
        "Mounts": [
            bind(parts.code, "/code", true),
            // gVisor opens no pipe for writing on a mount that is read-only. Only its owner may write there all the same.
            bind(parts.way, PLACE, !parts.gvisor),
        ],
        "Init": false,
        "AutoRemove": false,
        "RestartPolicy": {"Name": "no"},
        "LogConfig": {"Type": "none"},
    })
}

fn tmp(limits: &RunLimits) -> String {
    let size = limits
        .get(Limit::DiskBytes)
        .map(|bytes| format!(",size={bytes}"));
    let size = size.unwrap_or_default();
    format!("rw,noexec,nosuid,nodev,uid=65534,gid=65534,mode=1777{size}")
}

fn bind(source: &Path, target: &str, read_only: bool) -> Value {
    json!({"Type": "bind", "Source": source, "Target": target, "ReadOnly": read_only})
}

fn ulimit(name: &str, most: u64) -> Value {
    json!({"Name": name, "Soft": most, "Hard": most})
}
