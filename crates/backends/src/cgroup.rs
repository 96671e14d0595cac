//! What the kernel's control groups hold and count, in either of their versions.
//!
//! Enters: a group's name, and what its processes may use. Leaves: numbers, each read from the kernel. Refuses: to keep a group
//! that was made here longer than its owner. What cannot be read is `None`, and what is `None` was not seen.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Access, access};
use rustix::process::{Pid, Signal, kill_process};

const MOUNT: &str = "/sys/fs/cgroup";
/// Below it are all of ours.
const PARENT: &str = "tenzik";
/// The controllers of version 1 that a run needs. `cpuacct` is last: it only counts.
const ONE: [&str; 3] = ["memory", "pids", "cpuacct"];
/// How long the kernel may take to end what was killed, and to let go of a group.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(1);

/// Which of the two forms the system has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

impl Version {
    /// The one that this process can make groups in; `None` if it cannot.
    pub(crate) fn found() -> Option<Self> {
        Self::with(Access::WRITE_OK)
    }

    /// The one whose groups this process can look at.
    fn readable() -> Option<Self> {
        Self::with(Access::READ_OK)
    }

    fn with(access_to: Access) -> Option<Self> {
        let mount = Path::new(MOUNT);
        let may = |path: &Path| access(path, access_to).is_ok();
        if let Ok(controllers) = fs::read_to_string(mount.join("cgroup.controllers")) {
            let has = |name: &str| controllers.split_whitespace().any(|found| found == name);
            return (["cpu", "memory", "pids"].into_iter().all(has) && may(mount))
                .then_some(Self::Two);
        }
        let has = |name: &str| may(&mount.join(name));
        ["cpuacct", "memory", "pids"]
            .into_iter()
            .all(has)
            .then_some(Self::One)
    }
}

/// What all processes of a group together may use; `None` is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GroupLimits {
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) pids: Option<u64>,
}

/// One run's group.
#[derive(Debug)]
pub(crate) struct Group {
    version: Option<Version>,
    /// What it is below, from the mount, or from each controller's.
    parent: PathBuf,
    name: String,
    /// Whether it was made here, and so is removed here.
    own: bool,
}

impl Group {
    /// A group that somebody else makes and removes.
    pub(crate) fn of_another(name: &str) -> Self {
        Self {
            version: Version::found(),
            parent: PathBuf::from(PARENT),
            name: name.to_owned(),
            own: false,
        }
    }

    /// The group that a process is in, as the kernel tells it, if this is its name, or part of it.
    pub(crate) fn of_process(pid: Pid, name: &str) -> Option<Self> {
        let version = Version::readable()?;
        let told = fs::read_to_string(format!("/proc/{}/cgroup", pid.as_raw_nonzero())).ok()?;
        let path = path_in(&told, version)?;
        let own_name = path.file_name()?.to_str()?;
        own_name.contains(name).then(|| Self {
            version: Some(version),
            parent: path.parent().unwrap_or(Path::new("")).to_owned(),
            name: own_name.to_owned(),
            own: false,
        })
    }

    /// Makes a group in each controller, with its limits set. Dropped, it ends all that is in it and is removed.
    pub(crate) fn create(name: &str, limits: GroupLimits) -> io::Result<Self> {
        let version = Version::found().ok_or(io::ErrorKind::Unsupported)?;
        let mut group = Self {
            version: Some(version),
            parent: PathBuf::from(PARENT),
            name: name.to_owned(),
            own: false,
        };
        let directories = group.directories();
        for parent in directories
            .iter()
            .filter_map(|directory| directory.parent())
        {
            fs::create_dir_all(parent)?;
        }
        if version == Version::Two {
            enable(Path::new(MOUNT))?;
            enable(&Path::new(MOUNT).join(PARENT))?;
        }
        for directory in &directories {
            fs::create_dir(directory)?;
            // From the first on, what was made before a failure goes with `group`.
            group.own = true;
        }
        group.limit(limits)?;
        Ok(group)
    }

    fn limit(&self, limits: GroupLimits) -> io::Result<()> {
        if let Some(bytes) = limits.memory_bytes {
            self.write(("memory", "memory.limit_in_bytes"), "memory.max", bytes)?;
            // None of it is swapped out: version 1 counts memory and swap together, version 2 apart.
            let (one, two) = (("memory", "memory.memsw.limit_in_bytes"), "memory.swap.max");
            let swap = match self.version {
                Some(Version::Two) => 0,
                _ => bytes,
            };
            // A kernel that does not count swap has no such file.
            if self.path(one, two).is_some_and(|path| path.exists()) {
                self.write(one, two, swap)?;
            }
        }
        match limits.pids {
            Some(count) => self.write(("pids", "pids.max"), "pids.max", count),
            None => Ok(()),
        }
    }

    /// Puts a process into it. What that starts from then on is in it too.
    pub(crate) fn add(&self, pid: Pid) -> io::Result<()> {
        for file in self.joined() {
            fs::write(file, pid.as_raw_nonzero().to_string())?;
        }
        Ok(())
    }

    /// The files that a process is written to, to be in it.
    pub(crate) fn joined(&self) -> Vec<PathBuf> {
        let file = |directory: PathBuf| directory.join("cgroup.procs");
        self.directories().into_iter().map(file).collect()
    }

    /// What is in it now.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        // Those of version 1 are the same in each controller, but while they enter.
        self.joined().iter().flat_map(|file| listed(file)).collect()
    }

    /// Ends all that is in it, and gives back whether all of it has ended. From then on nothing new can begin in it, and its
    /// bound on processes is no longer what it was.
    pub(crate) fn kill(&self) -> bool {
        let until = Instant::now() + PATIENCE;
        // No newcomers, so that the list below can only become shorter.
        let _ = self.write(("pids", "pids.max"), "pids.max", 0);
        let _ = self.write(("", ""), "cgroup.kill", 1);
        loop {
            let left = self.processes();
            if left.is_empty() {
                return true;
            }
            for pid in left {
                // It may be gone by now.
                let _ = kill_process(pid, Signal::KILL);
            }
            if Instant::now() >= until {
                return false;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Ends all that is in it, and removes it.
    pub(crate) fn remove(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.own) {
            return Ok(());
        }
        self.kill();
        remove_each(self.directories())
    }

    /// Removes one that another made and does not remove, whatever controllers that took. All in it has ended.
    pub(crate) fn remove_all(&self) -> io::Result<()> {
        let mounts: Vec<PathBuf> = match self.version {
            Some(Version::One) => fs::read_dir(MOUNT)?
                .map(|entry| Ok(entry?.path()))
                .collect::<io::Result<_>>()?,
            Some(Version::Two) => vec![PathBuf::from(MOUNT)],
            None => Vec::new(),
        };
        let below = |mount: PathBuf| mount.join(&self.parent).join(&self.name);
        remove_each(mounts.into_iter().map(below))
    }

    /// Where it is: one directory for each controller of version 1, one in all of version 2.
    fn directories(&self) -> Vec<PathBuf> {
        let below = |mount: PathBuf| mount.join(&self.parent).join(&self.name);
        let mount = PathBuf::from(MOUNT);
        match self.version {
            Some(Version::One) => ONE.map(|name| below(mount.join(name))).into(),
            Some(Version::Two) => vec![below(mount)],
            None => Vec::new(),
        }
    }

    /// One of its files; `None` where its version has none.
    fn path(&self, one: (&str, &str), two: &str) -> Option<PathBuf> {
        let mount = PathBuf::from(MOUNT);
        let (mount, file) = match self.version? {
            Version::One => (mount.join(one.0), one.1),
            Version::Two => (mount, two),
        };
        (!file.is_empty()).then(|| mount.join(&self.parent).join(&self.name).join(file))
    }

    fn write(&self, one: (&str, &str), two: &str, number: u64) -> io::Result<()> {
        match self.path(one, two) {
            Some(path) => fs::write(path, number.to_string()),
            None => Ok(()),
        }
    }

    fn read(&self, one: (&str, &str), two: &str) -> Option<String> {
        fs::read_to_string(self.path(one, two)?).ok()
    }

    fn number(&self, one: (&str, &str), two: &str) -> Option<u64> {
        self.read(one, two)?.trim().parse().ok()
    }

    /// A number of a file that has a name and a number in each line.
    fn named(&self, one: (&str, &str), two: &str, name: &str) -> Option<u64> {
        let text = self.read(one, two)?;
        text.lines().find_map(|line| {
            let (found, number) = line.split_once(' ')?;
            (found == name).then(|| number.trim().parse().ok())?
        })
    }

    /// The bound on memory.
    pub(crate) fn memory_max(&self) -> Option<u64> {
        self.number(("memory", "memory.limit_in_bytes"), "memory.max")
    }

    /// The most memory at one time.
    pub(crate) fn memory_peak(&self) -> Option<u64> {
        self.number(("memory", "memory.max_usage_in_bytes"), "memory.peak")
    }

    /// How many processes were killed for want of memory.
    pub(crate) fn memory_kills(&self) -> Option<u64> {
        self.named(
            ("memory", "memory.oom_control"),
            "memory.events",
            "oom_kill",
        )
    }

    /// The bound on processes.
    pub(crate) fn pids_max(&self) -> Option<u64> {
        self.number(("pids", "pids.max"), "pids.max")
    }

    /// How often a process could not be made.
    pub(crate) fn pids_refused(&self) -> Option<u64> {
        self.named(("pids", "pids.events"), "pids.events", "max")
    }

    /// The most processes and threads at one time. An older kernel does not count that; how many there are now and
    /// then is a sample, and no peak.
    pub(crate) fn pids_peak(&self) -> Option<u64> {
        self.number(("pids", "pids.peak"), "pids.peak")
    }

    /// Whether the bound on memory is one on what is swapped out too. Without that it is none: what is beyond goes to the disk.
    pub(crate) fn bounds_swap(&self) -> bool {
        self.has_swap_bound() || !has_swap()
    }

    fn has_swap_bound(&self) -> bool {
        match self.version {
            // There it is one number for memory and swap together.
            Some(Version::One) => self
                .number(("memory", "memory.memsw.limit_in_bytes"), "")
                .zip(self.memory_max())
                .is_some_and(|(both, memory)| both <= memory),
            Some(Version::Two) => self.number(("", ""), "memory.swap.max") == Some(0),
            None => false,
        }
    }

    /// Processor time of all that is or was in it, in milliseconds.
    pub(crate) fn cpu_ms(&self) -> Option<u64> {
        match self.version? {
            Version::One => self
                .number(("cpuacct", "cpuacct.usage"), "")
                .map(|ns| ns / 1_000_000),
            Version::Two => self
                .named(("", ""), "cpu.stat", "usage_usec")
                .map(|us| us / 1_000),
        }
    }
}

/// Whether a group's bound on memory can be one on what is swapped out too: the kernel counts that, or has nowhere to put it.
pub(crate) fn can_bound_memory() -> bool {
    counts_swap() || !has_swap()
}

/// Whether the kernel counts for each group what is swapped out. The root of version 2 does not tell; a group below it does.
fn counts_swap() -> bool {
    let mount = Path::new(MOUNT);
    match Version::readable() {
        Some(Version::One) => mount.join("memory/memory.memsw.limit_in_bytes").exists(),
        Some(Version::Two) => fs::read_dir(mount)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .any(|entry| entry.path().join("memory.swap.max").exists()),
        None => false,
    }
}

/// Whether this system swaps memory out. A kernel that cannot has no such file.
fn has_swap() -> bool {
    match fs::read_to_string("/proc/swaps") {
        Ok(told) => names_swap(&told),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

/// A heading, and a line for each place.
fn names_swap(told: &str) -> bool {
    told.lines().nth(1).is_some()
}

impl Drop for Group {
    fn drop(&mut self) {
        // Whoever wants to know calls `remove`.
        let _ = self.remove();
    }
}

/// Lets groups below a directory of version 2 have the controllers.
fn enable(directory: &Path) -> io::Result<()> {
    fs::write(
        directory.join("cgroup.subtree_control"),
        "+cpu +memory +pids",
    )
}

/// The processes in a list of the kernel's.
fn listed(file: &Path) -> Vec<Pid> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let numbers = text.lines().filter_map(|line| line.parse().ok());
    numbers.filter_map(Pid::from_raw).collect()
}

/// Removes the directories of a group that has no processes: all that can be, and gives the first failure.
fn remove_each(directories: impl IntoIterator<Item = PathBuf>) -> io::Result<()> {
    let until = Instant::now() + PATIENCE;
    let mut removed = Ok(());
    for directory in directories {
        removed = removed.and(remove_directory(&directory, until));
    }
    removed
}

/// Removes a group that has no processes. The kernel may still be ending the last one.
fn remove_directory(directory: &Path, until: Instant) -> io::Result<()> {
    loop {
        match fs::remove_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < until => {
                std::thread::sleep(PAUSE);
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => return Ok(()),
        }
    }
}

/// The path in a process's `cgroup` file, whose lines are `number:controllers:path`, if it is the same for all that count.
fn path_in(told: &str, version: Version) -> Option<PathBuf> {
    let mut paths = told.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let counts = match version {
            Version::One => controllers.split(',').any(|found| ONE.contains(&found)),
            Version::Two => controllers.is_empty(),
        };
        counts.then_some(path)
    });
    let path = paths.next()?;
    let plain = path.starts_with('/') && !path.split('/').any(|part| part == "..");
    (plain && paths.all(|other| other == path)).then(|| PathBuf::from(path.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use std::process::{Child, Command, ExitStatus};

    use super::*;
    use crate::supervise::pid;

    /// A group of a name that only this process has; `None` where none can be made.
    fn group(name: &str) -> Option<Group> {
        if Version::found().is_none() {
            let ci = std::env::var("CI").as_deref() == Ok("true");
            assert!(!ci, "in CI nothing may be missing: control groups");
            eprintln!("skipped: no control groups can be made here");
            return None;
        }
        let limits = GroupLimits {
            memory_bytes: Some(64 << 20),
            pids: Some(16),
        };
        let name = format!("test-{name}-{}", std::process::id());
        Some(Group::create(&name, limits).expect("a group"))
    }

    fn sleeper(group: &Group) -> Child {
        let child = Command::new("sleep").arg("60").spawn().expect("sleep");
        group.add(pid(&child).expect("a number")).expect("a place");
        child
    }

    fn waited(mut child: Child) -> ExitStatus {
        child.wait().expect("its end")
    }

    #[test]
    fn the_group_of_a_process_is_the_one_that_the_kernel_tells() {
        let one = "9:name=systemd:/other\n8:pids:/docker/ab\n3:memory:/docker/ab\n1:cpu,cpuacct:/docker/ab\n0::/\n";
        let path = Some(PathBuf::from("docker/ab"));
        assert_eq!(path_in(one, Version::One), path);
        assert_eq!(path_in("0::/docker/ab\n", Version::Two), path);
        let apart = one.replace("memory:/docker/ab", "memory:/docker/ab/below");
        assert_eq!(path_in(&apart, Version::One), None);
        assert_eq!(path_in("0::/../ab\n", Version::Two), None);
        assert_eq!(path_in("nonsense", Version::Two), None);
    }

    #[test]
    fn its_limits_are_read_back() {
        let Some(group) = group("limits") else { return };
        assert_eq!(
            (group.memory_max(), group.pids_max()),
            (Some(64 << 20), Some(16))
        );
        assert_eq!(
            (group.memory_kills(), group.pids_refused()),
            (Some(0), Some(0))
        );
        assert!(group.cpu_ms().is_some() && group.memory_peak().is_some());
    }

    /// Where swap was not counted, a bound on memory was told as in force, while what was beyond it went to the disk.
    #[test]
    fn a_bound_on_memory_without_one_on_swap_is_none() {
        let Some(group) = group("swap") else { return };
        if !counts_swap() {
            eprintln!("skipped: this kernel does not count what is swapped out");
            assert!(!group.has_swap_bound());
            return;
        }
        assert!(group.has_swap_bound() && group.bounds_swap() && can_bound_memory());
        let more = 65 << 20;
        group
            .write(
                ("memory", "memory.memsw.limit_in_bytes"),
                "memory.swap.max",
                more,
            )
            .expect("more room");
        assert!(!group.has_swap_bound());
        assert_eq!(group.bounds_swap(), !has_swap());
    }

    #[test]
    fn a_place_for_swap_is_a_line_behind_the_heading() {
        let heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert!(!names_swap(heading) && !names_swap(""));
        assert!(names_swap(&format!(
            "{heading}/dev/sda2 partition 8388604 0 -2\n"
        )));
    }

    #[test]
    fn what_is_in_it_is_counted_and_ended() {
        let Some(group) = group("ended") else { return };
        let children = [sleeper(&group), sleeper(&group)];
        // Each controller lists them.
        let processes: std::collections::HashSet<_> = group.processes().into_iter().collect();
        assert_eq!(processes.len(), 2);
        assert!(group.pids_peak().is_none_or(|peak| peak == 2));
        // They are this process's children: it has to take their ends, which nobody does while it waits.
        let threads = children.map(|child| std::thread::spawn(|| waited(child)));
        assert!(group.kill());
        for thread in threads {
            assert!(!thread.join().expect("an end").success());
        }
    }

    #[test]
    fn nothing_is_left_of_one_that_is_dropped() {
        let Some(group) = group("dropped") else {
            return;
        };
        let directories = group.directories();
        let child = sleeper(&group);
        let thread = std::thread::spawn(|| waited(child));
        assert!(directories.iter().all(|directory| directory.is_dir()));
        drop(group);
        assert!(!thread.join().expect("an end").success());
        assert!(directories.iter().all(|directory| !directory.exists()));
    }

    #[test]
    fn a_name_that_is_taken_is_refused_and_stays_its_owners() {
        let Some(group) = group("taken") else { return };
        let again = Group::create(&group.name, GroupLimits::default());
        assert!(again.is_err());
        assert!(
            group
                .directories()
                .iter()
                .all(|directory| directory.is_dir())
        );
    }
}
