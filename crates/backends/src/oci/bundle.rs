//! A container's `config.json`, as the OCI runtime specification (1.0.2) has it.
//!
//! Enters: a program, its command, its limits. Leaves: the whole of the specification; nothing is left to the runtime's
//! defaults. Refuses nothing.

use std::path::Path;

use serde_json::{Value, json};
use tenzik::router::{Limit, Program, RunLimits};

use crate::filter::SECCOMP;
use crate::launcher::PLACE;
use crate::program::{NOBODY, environment};

pub(super) struct Parts<'a> {
    pub(super) id: &'a str,
    pub(super) root: &'a Path,
    pub(super) code: &'a Path,
    /// The launcher's directory, where the program has one before it.
    pub(super) launcher: Option<&'a Path>,
    pub(super) program: &'a Program,
    pub(super) words: &'a [String],
    pub(super) limits: &'a RunLimits,
}

pub(super) fn spec(parts: &Parts<'_>) -> Value {
    let namespaces = ["cgroup", "ipc", "mount", "network", "pid", "uts"];
    let namespaces: Vec<Value> = namespaces.map(|kind| json!({"type": kind})).into();
    json!({
        "ociVersion": "1.0.2",
        "hostname": "tenzik",
        "root": {"path": parts.root, "readonly": true},
        "process": process(parts),
        "mounts": mounts(parts),
        "linux": {
            "cgroupsPath": format!("/tenzik/{}", parts.id),
            "namespaces": namespaces,
            "resources": resources(parts.limits),
            "seccomp": serde_json::from_str::<Value>(SECCOMP).unwrap_or_default(),
            "maskedPaths": [
                "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/scsi",
                "/proc/sched_debug", "/proc/timer_list", "/proc/timer_stats", "/sys/firmware"
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    })
}

/// The same without what gVisor does not take from a bundle here: groups, which are its caller's, and a filter, which its own
/// is instead.
pub(super) fn spec_for_sentry(parts: &Parts<'_>) -> Value {
    let mut spec = spec(parts);
    if let Some(linux) = spec["linux"].as_object_mut() {
        linux.retain(|name, _| name == "namespaces");
    }
    spec
}

fn process(parts: &Parts<'_>) -> Value {
    let launcher = parts
        .launcher
        .map(|_| [format!("{PLACE}/launch"), "open".to_owned()]);
    let mut arguments: Vec<String> = launcher.into_iter().flatten().collect();
    arguments.extend_from_slice(parts.words);
    arguments.push(format!("/code/{}", parts.program.tree.entrypoint()));
    arguments.extend(parts.program.arguments.iter().cloned());
    let environment: Vec<String> = environment(parts.program)
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    json!({
        "terminal": false,
        "user": {"uid": NOBODY, "gid": NOBODY},
        "args": arguments,
        "env": environment,
        "cwd": "/code",
        "noNewPrivileges": true,
        "capabilities": {"bounding": [], "effective": [], "inheritable": [], "permitted": [], "ambient": []},
        "rlimits": [
            {"type": "RLIMIT_CORE", "hard": 0, "soft": 0},
            {"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024},
        ],
    })
}

fn mounts(parts: &Parts<'_>) -> Value {
    // Without a limit there is none on the memory either.
    let size = parts
        .limits
        .get(Limit::DiskBytes)
        .map(|bytes| format!("size={bytes}"));
    let mut tmp = vec![
        "nosuid".to_owned(),
        "nodev".to_owned(),
        "noexec".to_owned(),
        "mode=1777".to_owned(),
    ];
    tmp.extend(size);
    let launcher = parts.launcher.map(|place| read_only(place, PLACE));
    let own = json!([
        {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "nodev"]},
        {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
            "options": ["nosuid", "noexec", "strictatime", "mode=755", "size=64k"]},
        {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs", "options": tmp},
        read_only(parts.code, "/code"),
    ]);
    let own = own.as_array().into_iter().flatten().cloned();
    own.chain(launcher).collect()
}

fn read_only(source: &Path, destination: &str) -> Value {
    json!({"destination": destination, "type": "bind", "source": source, "options": ["bind", "ro", "nosuid", "nodev"]})
}

fn resources(limits: &RunLimits) -> Value {
    let mut resources = json!({"devices": [{"allow": false, "access": "rwm"}]});
    if let Some(bytes) = limits.get(Limit::MemoryBytes) {
        // The same for memory and swap together: none of it is swapped out.
        resources["memory"] = json!({"limit": bytes, "swap": bytes});
    }
    if let Some(count) = limits.get(Limit::Pids) {
        resources["pids"] = json!({"limit": count});
    }
    resources
}
