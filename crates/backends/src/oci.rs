//! A container that `runc` makes, without a daemon.
//!
//! Enters: a program, and a root file system that its operator prepared. Leaves: what came of it, with what the kernel's
//! control groups counted. Refuses: images other than its own, capsules, and to run where it cannot make control groups.
//!
//! A container has namespaces of its own for processes, mounts, network (without any interface that is up), names and
//! messages; it runs as `nobody` without capabilities, cannot gain any, and may make the system calls of `seccomp.json`
//! alone. Its root is read-only; `/tmp` is in memory and bounded. Nothing of it is left when the run is over.

mod bundle;
mod guard;
mod root;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;

use tenzik::backend::{Attempt, Backend, BackendError, Isolation, Job, Readiness};
use tenzik::router::Limit;
use tenzik_receipt::{Blake3, Label, Profile, to_hex};

use crate::cgroup;
use crate::digest::{Digests, executable};
use crate::filter::SECCOMP;

use crate::process::held;
use crate::program::{self, Private};
use crate::supervise::{ended_with, supervise};

use guard::Container;
use root::Root;
pub use root::RootError;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Which runtime, and what is in its containers.
#[derive(Clone, Debug)]
pub struct OciConfig {
    /// The runtime's executable. Default: `runc`, where the system has it.
    pub runtime: PathBuf,
    /// The directory that is a container's root, read-only. It has `code`, `dev`, `proc` and `tmp`, empty
    /// directories, `tmp` with mode 1777.
    pub root_file_system: PathBuf,
    /// For each language the command inside that runs an entrypoint, whose path is added as the last word.
    pub commands: BTreeMap<Label, Vec<String>>,
    /// Where the runtime keeps its state. Default: `/run/tenzik-runc`.
    pub state: PathBuf,
}

impl OciConfig {
    /// `runc` with this root file system and these commands.
    pub fn new(root_file_system: PathBuf, commands: BTreeMap<Label, Vec<String>>) -> Self {
        Self {
            runtime: executable("runc", PATH).unwrap_or_else(|| PathBuf::from("/usr/sbin/runc")),
            root_file_system,
            commands,
            state: PathBuf::from("/run/tenzik-runc"),
        }
    }
}

/// Containers by `runc`.
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

    /// Whether a runtime of this name could make containers here, whatever is in them.
    pub fn look(name: &str) -> Readiness {
        ready(&executable(name, PATH).unwrap_or_else(|| PathBuf::from(name)))
    }

    fn isolation(&self, container: &Container) -> Result<Isolation, BackendError> {
        let runtime = self.digests.of(&self.config.runtime);
        Ok(Isolation {
            seen: container
                .seen()
                .iter()
                .copied()
                .map(Label::constant)
                .collect(),
            root_file_system: Some(self.root.digest()),
            runtime: Some(runtime.map_err(|error| BackendError::failed("read", error))?),
            seccomp: Some(self.seccomp),
            ..Isolation::default()
        })
    }
}

impl Backend for Oci {
    fn kind(&self) -> Label {
        Label::constant("runc")
    }

    fn profile_max(&self) -> Profile {
        Profile::Standard
    }

    fn languages(&self) -> Vec<Label> {
        self.config.commands.keys().cloned().collect()
    }

    fn holds(&self, _: Limit, _: Profile) -> bool {
        true
    }

    fn probe(&self) -> Readiness {
        ready(&self.config.runtime)
    }

    fn run(&self, job: &Job<'_>) -> Result<Attempt, BackendError> {
        let (program, words) = program::of(job, &self.config.commands)?;
        let mut chance = [0; 8];
        getrandom::fill(&mut chance)
            .map_err(|error| BackendError::failed("name a container", error))?;
        let id = format!("tenzik-{}", to_hex(&chance));
        let private = Private::new(program)?;
        let spec = bundle::spec(&bundle::Parts {
            id: &id,
            root: self.root.path(),
            code: private.code(),
            program,
            words,
            limits: job.limits,
        });
        fs::write(private.path().join("config.json"), spec.to_string())
            .map_err(|error| BackendError::failed("write the bundle", error))?;
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
            .arg(&id);
        let runtime = (self.config.runtime.clone(), self.config.state.clone());
        let guard = |_: &mut Child| Ok(Container::new(runtime, &id, pid_file, *job.limits));
        let (gone, mut container) = supervise(command, job, guard)?;
        container.remove()?;
        if !container.began() {
            return Err(BackendError::failed(
                "start",
                String::from_utf8_lossy(&gone.stderr.bytes),
            ));
        }
        let mut attempt = Attempt::new(
            ended_with(&gone, container.counted.limit_met()),
            self.version(),
            gone.wall,
        );
        let bounded = container.seen().contains(&"bounded_tmp");
        attempt.limits = container
            .counted
            .held(held(job, gone.wall.as_millis()), bounded);
        attempt.isolation = self.isolation(&container)?;
        attempt.stdout = gone.stdout;
        attempt.stderr = gone.stderr;
        Ok(attempt)
    }
}

impl Oci {
    /// The runtime's own word, asked once: it is part of no claim.
    fn version(&self) -> Label {
        let told = self.version.get_or_init(|| {
            let told = Command::new(&self.config.runtime)
                .arg("--version")
                .output()
                .ok()?;
            version(&told.stdout)
        });
        told.clone().unwrap_or(Label::constant("runc"))
    }
}

fn ready(runtime: &Path) -> Readiness {
    let unavailable = |reason: &str, remedy: &str| Readiness::Unavailable {
        reason: reason.to_owned(),
        remedy: remedy.to_owned(),
    };
    let told = Command::new(runtime).arg("--version").output();
    let Some(version) = told.ok().and_then(|told| version(&told.stdout)) else {
        return unavailable(
            "runc is not there, or does not tell its version",
            "apt-get install runc",
        );
    };
    match cgroup::Version::found() {
        Some(_) => Readiness::Ready { version },
        None => unavailable(
            "no control groups for memory, pids and cpu can be made here",
            "run it as root, with the memory, pids and cpu controllers",
        ),
    }
}

/// The first line of `runc --version`.
fn version(told: &[u8]) -> Option<Label> {
    let told = std::str::from_utf8(told).ok()?;
    Label::new(told.lines().next()?.replace(" version ", " ")).ok()
}
