//! Containers of a host that is gone.
//!
//! Enters: the containers that have our label. Leaves: none whose host ended without removing it. Refuses: to touch one whose
//! host may be alive, such as another host on the same engine.
//!
//! A label names the host's boot, its namespace of processes, its process, and when that began. One of the same boot and
//! namespace is dead if no such process is there. One of another namespace is not known. One of another boot is dead if its
//! container does not run and is older than an hour.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

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
        let pid = std::process::id();
        Ok(Self {
            boot: read("/proc/sys/kernel/random/boot_id").ok_or_else(unknown)?,
            namespace: fs::read_link("/proc/self/ns/pid")
                .map_err(|_| unknown())?
                .to_string_lossy()
                .into_owned(),
            pid,
            began: began(pid).ok_or_else(unknown)?,
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

/// Removes what hosts left behind that are gone.
pub(super) fn sweep(engine: &Engine, this: &Owner) -> Result<(), BackendError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    for container in engine.labelled(OWNER)? {
        if is_dead(&container, this, now, began) {
            engine.remove(&container.id)?;
        }
    }
    Ok(())
}

fn is_dead(container: &Listed, this: &Owner, now: u64, began: impl Fn(u32) -> Option<u64>) -> bool {
    let label = container.labels.get(OWNER);
    let Some(owner) = label.and_then(|label| Owner::read(label)) else {
        return false;
    };
    if owner.boot == this.boot {
        return owner.namespace == this.namespace && began(owner.pid) != Some(owner.began);
    }
    matches!(container.state.as_str(), "created" | "exited" | "dead")
        && container.created.saturating_add(HOUR) < now
}

/// When a process began; `None` if there is none. Its name may hold anything, and ends at the last parenthesis.
fn began(pid: u32) -> Option<u64> {
    let told = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind) = told.rsplit_once(") ")?;
    behind.split(' ').nth(19)?.parse().ok()
}

fn read(path: &str) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

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
        // Process 2 is there since tick 77, process 3 since another, process 4 is not there.
        let began = |pid| match pid {
            2 => Some(77),
            3 => Some(78),
            _ => None,
        };
        let dead = |label: String, state: &str, created| {
            is_dead(&container(label, state, created), &this, 10_000, began)
        };
        assert!(!dead(owner("b", "pid:[1]", 2).label(), "running", 0));
        assert!(dead(owner("b", "pid:[1]", 3).label(), "running", 0));
        assert!(dead(owner("b", "pid:[1]", 4).label(), "created", 9_999));
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
        assert_eq!(began(this.pid), Some(this.began));
        assert_eq!(Owner::read(&format!("{} more", this.label())), None);
    }
}
