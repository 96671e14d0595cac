//! Containers of a host that is gone.
//!
//! Enters: the containers that have our label. Leaves: those whose host ended without removing them. Refuses: to name one whose
//! host may be alive, such as another host on the same engine.
//!
//! A label names the host's boot, its namespaces of processes and of time, its process, and when that began. One of the same
//! boot and namespaces is dead if the kernel has no such process, or one that began at another time. A process that is there
//! and shows nothing, as where `/proc` hides others', may be the host. One of another namespace is not known. One of another
//! boot is dead if its container does not run and is older than an hour.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use tenzik::backend::BackendError;

use super::engine::{Engine, Listed};

/// The label that each container of ours has.
pub(super) const OWNER: &str = "tenzik.owner";
const HOUR: u64 = 3_600;

/// A host's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    boot: String,
    namespace: String,
    pid: u32,
    /// In the kernel's ticks since the boot.
    began: u64,
}

impl Owner {
    /// This process.
    pub(super) fn this() -> Result<Self, BackendError> {
        let unknown = || BackendError::failed("name this host", "/proc does not tell");
        let namespace = |kind: &str| fs::read_link(format!("/proc/self/ns/{kind}")).ok();
        let of_pids = namespace("pid").ok_or_else(unknown)?;
        // By the time's namespace the kernel shifts when a process began. An older one has none.
        let of_time = namespace("time").unwrap_or_default();
        Ok(Self {
            boot: read("/proc/sys/kernel/random/boot_id").ok_or_else(unknown)?,
            namespace: format!("{}+{}", of_pids.display(), of_time.display()),
            pid: std::process::id(),
            began: began("self").ok_or_else(unknown)?,
        })
    }

    /// As a label's value.
    pub(super) fn label(&self) -> String {
        format!(
            "{} {} {} {}",
            self.boot, self.namespace, self.pid, self.began
        )
    }

    fn read(label: &str) -> Option<Self> {
        let mut parts = label.split(' ');
        let mut next = || parts.next();
        let owner = Self {
            boot: next()?.to_owned(),
            namespace: next()?.to_owned(),
            pid: next()?.parse().ok()?,
            began: next()?.parse().ok()?,
        };
        next().is_none().then_some(owner)
    }
}

/// What is known of a process by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Process {
    /// There is none.
    None,
    /// It began at this tick.
    Since(u64),
    /// There is one, which shows nothing.
    Unknown,
}

/// The ids of what hosts left behind that are gone.
pub(super) fn dead(engine: &Engine<'_>, this: &Owner) -> Result<Vec<String>, BackendError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let all = engine.labelled(OWNER)?.into_iter();
    let dead = all.filter(|container| is_dead(container, this, now, process));
    Ok(dead.map(|container| container.id).collect())
}

fn is_dead(container: &Listed, this: &Owner, now: u64, process: impl Fn(u32) -> Process) -> bool {
    let label = container.labels.get(OWNER);
    let Some(owner) = label.and_then(|label| Owner::read(label)) else {
        return false;
    };
    if owner.boot == this.boot {
        return owner.namespace == this.namespace
            && match process(owner.pid) {
                Process::None => true,
                Process::Since(began) => began != owner.began,
                Process::Unknown => false,
            };
    }
    matches!(container.state.as_str(), "created" | "exited" | "dead")
        && container.created.saturating_add(HOUR) < now
}

/// Asks the kernel, whatever `/proc` shows: that may hide what is another user's, or be of another namespace.
fn process(number: u32) -> Process {
    let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
    let Some(pid) = pid else {
        return Process::None;
    };
    if test_kill_process(pid) == Err(Errno::SRCH) {
        return Process::None;
    }
    let shown = fs::read_link("/proc/self").ok();
    let is_ours = shown.is_some_and(|own| own.as_os_str() == &*std::process::id().to_string());
    let began = is_ours.then(|| began(&number.to_string())).flatten();
    began.map_or(Process::Unknown, Process::Since)
}

/// When a process began, as `/proc` shows it. Its name may hold anything, and ends at the last parenthesis.
fn began(name: &str) -> Option<u64> {
    let told = fs::read_to_string(format!("/proc/{name}/stat")).ok()?;
    let (_, behind) = told.rsplit_once(") ")?;
    behind.split(' ').nth(19)?.parse().ok()
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    fn owner(boot: &str, namespace: &str, pid: u32) -> Owner {
        Owner {
            boot: boot.to_owned(),
            namespace: namespace.to_owned(),
            pid,
            began: 77,
        }
    }

    fn container(label: String, state: &str, created: u64) -> Listed {
        Listed {
            id: String::new(),
            labels: HashMap::from([(OWNER.to_owned(), label)]),
            state: state.to_owned(),
            created,
        }
    }

    #[test]
    fn only_what_is_known_to_be_dead_is_dead() {
        let this = owner("b", "pid:[1]", 1);
        // Process 2 is there since tick 77, process 3 since another, process 4 is not there, process 5 shows nothing.
        let process = |pid| match pid {
            2 => Process::Since(77),
            3 => Process::Since(78),
            5 => Process::Unknown,
            _ => Process::None,
        };
        let dead = |label: String, state: &str, created| {
            is_dead(&container(label, state, created), &this, 10_000, process)
        };
        assert!(!dead(owner("b", "pid:[1]", 2).label(), "running", 0));
        assert!(dead(owner("b", "pid:[1]", 3).label(), "running", 0));
        assert!(dead(owner("b", "pid:[1]", 4).label(), "created", 9_999));
        assert!(!dead(owner("b", "pid:[1]", 5).label(), "running", 0));
        assert!(!dead(owner("b", "pid:[2]", 4).label(), "exited", 0));
        assert!(!dead(owner("c", "pid:[1]", 4).label(), "running", 0));
        assert!(!dead(owner("c", "pid:[1]", 4).label(), "exited", 9_000));
        assert!(dead(owner("c", "pid:[1]", 4).label(), "exited", 5_000));
        assert!(!dead("somebody's".to_owned(), "exited", 0));
    }

    #[test]
    fn this_process_is_named_so_that_it_is_found_alive() {
        let this = Owner::this().expect("a process");
        assert_eq!(Owner::read(&this.label()), Some(this.clone()));
        assert_eq!(process(this.pid), Process::Since(this.began));
        assert_eq!(Owner::read(&format!("{} more", this.label())), None);
    }

    #[test]
    fn a_process_that_is_killed_is_there_until_it_is_waited_for() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep");
        let number = child.id();
        assert!(matches!(process(number), Process::Since(_)));
        child.kill().expect("it is ours");
        assert!(matches!(process(number), Process::Since(_)));
        child.wait().expect("its end");
        assert_eq!(process(number), Process::None);
    }

    /// Not a test of its own: the next one starts it where `/proc` hides what is another user's.
    #[test]
    #[ignore = "started by another test, as a process"]
    fn the_first_process_is_there_and_shows_nothing() {
        assert_eq!(process(1), Process::Unknown);
    }

    /// A host of another user's was taken for dead where `/proc` hid it, and its running container was removed.
    #[test]
    fn a_process_that_is_hidden_is_not_known_to_be_dead() {
        let is_root = rustix::process::geteuid().is_root();
        if !is_root {
            assert_ne!(
                std::env::var("CI").as_deref(),
                Ok("true"),
                "in CI it is root"
            );
            eprintln!("skipped: only root can mount such a /proc");
            return;
        }
        // `nobody` must be able to execute it.
        let directory = tempfile::tempdir().expect("a directory");
        let everybody = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), everybody).expect("it is ours");
        let tests = directory.path().join("tests");
        fs::copy(std::env::current_exe().expect("a path"), &tests).expect("a copy");
        let told = Command::new("unshare")
            .args(["--mount", "sh", "-c"])
            .arg(
                r#"mount -t proc -o hidepid=2 proc /proc &&
                exec setpriv --reuid=65534 --regid=65534 --clear-groups "$0" --ignored first_process_is_there"#,
            )
            .arg(&tests)
            .output()
            .expect("util-linux");
        let text = String::from_utf8_lossy(&told.stdout);
        assert!(text.contains("1 passed") && told.status.success(), "{text}");
    }
}
