//! A container that `runc` or gVisor's `runsc` makes, without a daemon.
//!
//! Enters: a program, and a root file system that its operator prepared. Leaves: what came of it, with what the kernel's
//! control groups counted. Refuses: images other than its own, capsules, and to run where it cannot make control groups.
//!
//! A container of `runc` has namespaces of its own for processes, mounts, network (without any interface that is up), names and
//! messages; it runs as `nobody` without capabilities, cannot gain any, and may make the system calls of `seccomp.json`
//! alone. Its root is read-only; `/tmp` is in memory and bounded. Nothing of it is left when the run is over.
//!
//! With gVisor the system that a container sees is a process of its own, the Sentry, and no call of the container's reaches
//! this one. What is told of it is what is seen of the Sentry from outside; the size of its `/tmp` is told from inside, by a
//! launcher of ours that runs before the program.

mod bundle;
mod guard;
mod root;
mod sentry;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;

use tempfile::TempDir;
use tenzik::backend::{Attempt, Backend, BackendError, Ended, Isolation, Job, Readiness};
use tenzik::router::{Held, Limit, PerLimit};
use tenzik_receipt::{Blake3, Label, Profile, to_hex};

use crate::cgroup;
use crate::digest::{Digests, executable};
use crate::filter::SECCOMP;
use crate::launcher::{LAUNCHER, UNBUILT, UNBUILT_REMEDY};
use crate::process::held;
use crate::program::{self, Private};
use crate::supervise::{Filtered, Gone, Started, ended_with, pid, supervise};

use guard::Container;
use root::Root;
pub use root::RootError;
use sentry::{Sentry, Start};

/// The first release of gVisor whose default was systrap: what came before has only what is slower, or less apart.
const SYSTRAP_SINCE: u32 = 20_230_501;
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Which runtime makes the containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OciRuntime {
    /// gVisor's, for `hardened`.
    Gvisor,
    /// runc, for `standard`.
    Runc,
}

impl OciRuntime {
    const fn kind(self) -> &'static str {
        match self {
            Self::Gvisor => "gvisor",
            Self::Runc => "runc",
        }
    }

    /// The name of its executable, which is that of its Debian package too.
    const fn command(self) -> &'static str {
        match self {
            Self::Gvisor => "runsc",
            Self::Runc => "runc",
        }
    }

    const fn remedy(self) -> &'static str {
        match self {
            Self::Gvisor => "apt-get install -t bookworm-backports runsc",
            Self::Runc => "apt-get install runc",
        }
    }
}

/// Which runtime, and what is in its containers.
#[derive(Clone, Debug)]
pub struct OciConfig {
    /// Which it is.
    pub kind: OciRuntime,
    /// The runtime's executable. Default: `runc` or `runsc`, where the system has it.
    pub runtime: PathBuf,
    /// The directory that is a container's root, read-only. It has `.tenzik`, `code`, `dev`, `proc` and `tmp`,
    /// empty directories, `tmp` with mode 1777.
    pub root_file_system: PathBuf,
    /// For each language the command inside that runs an entrypoint, whose path is added as the last word.
    pub commands: BTreeMap<Label, Vec<String>>,
    /// Where the runtime keeps its state. Default: `/run/tenzik-runc` or `/run/tenzik-runsc`.
    pub state: PathBuf,
}

impl OciConfig {
    /// `runc` with this root file system and these commands.
    pub fn new(root_file_system: PathBuf, commands: BTreeMap<Label, Vec<String>>) -> Self {
        Self::by(OciRuntime::Runc, root_file_system, commands)
    }

    /// gVisor with this root file system and these commands.
    pub fn gvisor(root_file_system: PathBuf, commands: BTreeMap<Label, Vec<String>>) -> Self {
        Self::by(OciRuntime::Gvisor, root_file_system, commands)
    }

    fn by(
        kind: OciRuntime,
        root_file_system: PathBuf,
        commands: BTreeMap<Label, Vec<String>>,
    ) -> Self {
        let command = kind.command();
        Self {
            kind,
            runtime: executable(command, PATH).unwrap_or_else(|| PathBuf::from(command)),
            root_file_system,
            commands,
            state: PathBuf::from(format!("/run/tenzik-{command}")),
        }
    }
}

/// Containers by an OCI runtime.
#[derive(Debug)]
pub struct Oci {
    config: OciConfig,
    root: Root,
    digests: Digests,
    seccomp: Blake3,
    version: OnceLock<Option<Label>>,
}

impl Oci {
    /// Reads the root file system once, for its digest.
    ///
    /// # Errors
    /// [`RootError`] if it is not one, or cannot be read.
    pub fn new(config: OciConfig) -> Result<Self, RootError> {
        Ok(Self {
            root: Root::read(&config.root_file_system)?,
            config,
            digests: Digests::default(),
            seccomp: Blake3::of(SECCOMP.as_bytes()),
            version: OnceLock::new(),
        })
    }

    /// Whether a runtime could make containers here, whatever is in them.
    pub fn look(kind: OciRuntime) -> Readiness {
        let command = kind.command();
        ready(
            kind,
            &executable(command, PATH).unwrap_or_else(|| PathBuf::from(command)),
        )
    }
}

impl Backend for Oci {
    fn kind(&self) -> Label {
        Label::constant(self.config.kind.kind())
    }

    fn profile_max(&self) -> Profile {
        match self.config.kind {
            OciRuntime::Gvisor => Profile::Hardened,
            OciRuntime::Runc => Profile::Standard,
        }
    }

    fn languages(&self) -> Vec<Label> {
        self.config.commands.keys().cloned().collect()
    }

    /// Under gVisor a bound on processes would count the Sentry's own.
    fn holds(&self, limit: Limit, _: &Label, _: Profile) -> bool {
        match limit {
            Limit::MemoryBytes => cgroup::can_bound_memory(),
            Limit::Pids => self.config.kind != OciRuntime::Gvisor,
            _ => true,
        }
    }

    fn probe(&self) -> Readiness {
        ready(self.config.kind, &self.config.runtime)
    }

    fn run(&self, job: &Job<'_>) -> Result<Attempt, BackendError> {
        let (program, words) = program::of(job, &self.config.commands)?;
        let mut chance = [0; 8];
        getrandom::fill(&mut chance)
            .map_err(|error| BackendError::failed("name a container", error))?;
        let id = format!("tenzik-{}", to_hex(&chance));
        let private = Private::new(program)?;
        let launcher = match self.config.kind {
            OciRuntime::Gvisor => Some(place_launcher(&private)?),
            OciRuntime::Runc => None,
        };
        let parts = bundle::Parts {
            id: &id,
            root: self.root.path(),
            code: private.code(),
            launcher: launcher.as_deref(),
            program,
            words,
            limits: job.limits,
        };
        // Before it runs: what may be there later is not what ran.
        let runtime = self.digests.of(&self.config.runtime);
        let runtime = runtime.map_err(|error| BackendError::failed("read", error))?;
        let mut attempt = match self.config.kind {
            OciRuntime::Gvisor => self.run_gvisor(job, &private, &parts),
            OciRuntime::Runc => self.run_runc(job, &private, &parts),
        }?;
        attempt.isolation.runtime = Some(runtime);
        Ok(attempt)
    }
}

impl Oci {
    fn run_runc(
        &self,
        job: &Job<'_>,
        private: &Private,
        parts: &bundle::Parts<'_>,
    ) -> Result<Attempt, BackendError> {
        write_bundle(private, &bundle::spec(parts))?;
        let pid_file = private.path().join("pid");
        // The result's, and the gateway's.
        let descriptors = if job.gateway.is_some() { "2" } else { "1" };
        let mut command = Command::new(&self.config.runtime);
        command
            .env_clear()
            .env("PATH", PATH)
            .arg("--root")
            .arg(&self.config.state)
            .args(["run", "--keep", "--preserve-fds", descriptors, "--pid-file"])
            .arg(&pid_file)
            .arg("--bundle")
            .arg(private.path())
            .arg(parts.id);
        let state = self.config.state.clone();
        let guard = |child: &Child| {
            let (limits, starter) = (*job.limits, pid(child));
            Container::new(state, parts.id, pid_file, limits, starter)
        };
        let (gone, mut container) = supervise(command, job, guard)?;
        container.remove().map_err(BackendError::since_it_began)?;
        if !container.began() && matches!(gone.ended, Ended::Failed { .. }) {
            return Err(BackendError::failed(
                "start",
                String::from_utf8_lossy(&gone.stderr.bytes),
            ));
        }
        let bounded = container.seen().contains(&"bounded_tmp");
        let held = container
            .counted
            .held(held(job, gone.wall.as_millis()), bounded);
        let ended = ended_with(&gone, container.counted.limit_met(), Filtered::Ours);
        Ok(self.attempt(gone, ended, held, container.seen()))
    }

    fn run_gvisor(
        &self,
        job: &Job<'_>,
        private: &Private,
        parts: &bundle::Parts<'_>,
    ) -> Result<Attempt, BackendError> {
        write_bundle(private, &bundle::spec_for_sentry(parts))?;
        let state = self.state_of_one()?;
        let sentry = Sentry::new(parts.id, private.path().join("pid"), job.limits)?;
        let mut command = sentry.command(&Start {
            runtime: &self.config.runtime,
            state: state.path(),
            bundle: private.path(),
            id: parts.id,
            gateway: job.gateway.is_some(),
        });
        command.env_clear().env("PATH", PATH);
        let started = Started::new(command, job)?.reporting();
        let (gone, mut sentry) = started.follow(job, sentry)?;
        sentry.remove().map_err(BackendError::since_it_began)?;
        let ended = ended_with(&gone, sentry.limit_met(), Filtered::NotOurs);
        // The launcher reports, and then is the program.
        if gone.report.is_none() && matches!(ended, Ended::Failed { .. }) {
            return Err(BackendError::failed(
                "start",
                String::from_utf8_lossy(&gone.stderr.bytes),
            ));
        }
        let disk_bytes = job.limits.get(Limit::DiskBytes);
        let bounded = disk_bytes.zip(gone.report);
        // Nothing else is there to write to.
        let bounded = bounded
            .is_some_and(|(bytes, report)| report.root_read_only && report.bounds_tmp(bytes));
        let held = sentry.held(held(job, gone.wall.as_millis()), bounded);
        let mut seen = sentry.seen().to_vec();
        seen.extend(bounded.then_some("bounded_tmp"));
        Ok(self.attempt(gone, ended, held, &seen))
    }

    /// A directory for the state of one sandbox, which goes with it: there is nothing to ask the runtime to remove.
    fn state_of_one(&self) -> Result<TempDir, BackendError> {
        let failed = |error| BackendError::failed("keep the runtime's state", error);
        fs::create_dir_all(&self.config.state).map_err(failed)?;
        TempDir::new_in(&self.config.state).map_err(failed)
    }

    fn attempt(
        &self,
        gone: Gone,
        ended: Ended,
        held: PerLimit<Held>,
        seen: &[&'static str],
    ) -> Attempt {
        let mut attempt = Attempt::new(ended, self.version(), gone.wall);
        attempt.limits = held;
        attempt.isolation = Isolation {
            seen: seen.iter().copied().map(Label::constant).collect(),
            root_file_system: Some(self.root.digest()),
            // The Sentry's filter is a part of the runtime.
            seccomp: (self.config.kind == OciRuntime::Runc).then_some(self.seccomp),
            ..Isolation::default()
        };
        attempt.stdout = gone.stdout;
        attempt.stderr = gone.stderr;
        attempt
    }

    /// The runtime's own word, asked once: it is part of no claim.
    fn version(&self) -> Label {
        let told = self.version.get_or_init(|| {
            let told = Command::new(&self.config.runtime)
                .arg("--version")
                .output()
                .ok()?;
            version(&told.stdout)
        });
        told.clone().unwrap_or(self.kind())
    }
}

/// The launcher, in a directory that the sandbox sees.
fn place_launcher(private: &Private) -> Result<PathBuf, BackendError> {
    if LAUNCHER.is_empty() {
        return Err(BackendError::denied("start", UNBUILT));
    }
    let directory = private.path().join("launcher");
    let path = directory.join("launch");
    let open = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o755));
    fs::create_dir(&directory)
        .and_then(|()| fs::write(&path, LAUNCHER))
        .and_then(|()| open(&path))
        .and_then(|()| open(&directory))
        .map_err(|error| BackendError::failed("place the launcher", error))?;
    Ok(directory)
}

fn write_bundle(private: &Private, spec: &serde_json::Value) -> Result<(), BackendError> {
    fs::write(private.path().join("config.json"), spec.to_string())
        .map_err(|error| BackendError::failed("write the bundle", error))
}

fn ready(kind: OciRuntime, runtime: &Path) -> Readiness {
    let unavailable = |reason: String, remedy: &str| Readiness::Unavailable {
        reason,
        remedy: remedy.to_owned(),
    };
    let command = kind.command();
    let told = Command::new(runtime).arg("--version").output();
    let Some(version) = told.ok().and_then(|told| version(&told.stdout)) else {
        let reason = format!("{command} is not there, or does not tell its version");
        return unavailable(reason, kind.remedy());
    };
    if kind == OciRuntime::Gvisor && date(version.as_str()).is_none_or(|date| date < SYSTRAP_SINCE)
    {
        let reason = format!("{version} has no systrap platform, which came in {SYSTRAP_SINCE}");
        return unavailable(reason, kind.remedy());
    }
    if kind == OciRuntime::Gvisor && LAUNCHER.is_empty() {
        return unavailable(UNBUILT.to_owned(), UNBUILT_REMEDY);
    }
    match cgroup::Version::found() {
        Some(_) => Readiness::Ready { version },
        None => unavailable(
            "no control groups for memory, pids and cpu can be made here".to_owned(),
            "run it as root, with the memory, pids and cpu controllers",
        ),
    }
}

/// The day of a gVisor release, such as 20240729 in `release-20240729.0` and `0.0~20240729.0`.
fn date(version: &str) -> Option<u32> {
    let mut words = version.split(|c: char| !c.is_ascii_digit());
    words.find(|word| word.len() == 8)?.parse().ok()
}

/// The first line of what `--version` says.
fn version(told: &[u8]) -> Option<Label> {
    let told = std::str::from_utf8(told).ok()?;
    Label::new(told.lines().next()?.replace(" version ", " ")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_of_gvisor_tells_its_day() {
        assert_eq!(date("runsc release-20240729.0"), Some(20_240_729));
        assert_eq!(date("runsc 0.0~20240729.0"), Some(20_240_729));
        assert_eq!(date("runsc VERSION_MISSING"), None);
    }
}
