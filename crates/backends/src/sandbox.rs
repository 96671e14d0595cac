//! The OS sandbox: namespaces, Landlock, a system-call filter and control groups, without a daemon and without an image.
//!
//! Enters: a program in a language that it was told a command for. Leaves: what came of it. Refuses: capsules, images, and a
//! run of which not every part of its isolation was seen in force before it began.
//!
//! `bwrap` makes namespaces and mounts: of this system there is `/usr`, read-only, so that interpreters run that it has; the
//! code is at `/code`, read-only, and `/tmp` is in memory and bounded. A launcher inside adds Landlock and the filter.

mod enclosure;
mod told;
mod view;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use tenzik::backend::{Attempt, Backend, BackendError, Isolation, Job, Readiness};
use tenzik::router::{Limit, LimitsAsked, RunLimits};
use tenzik_receipt::{Blake3, Label, Profile, Value};

use crate::cgroup;
use crate::digest::{Digests, executable, located};
use crate::filter::SECCOMP;
use crate::process::held;
use crate::program::{self, Private};
use crate::supervise::{Filtered, Guard as _, Started, Stopped, ended_with};

pub(crate) use enclosure::{Enclosed, Enclosure, Parts, Waiting};
pub use view::SandboxError;

/// Where commands are looked for, outside as inside.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How programs are run.
#[derive(Clone, Debug)]
pub struct SandboxConfig {
    /// For each language the command that runs an entrypoint, whose path is added as the last word. Default: `shell` with
    /// `/bin/sh`, `python` with `python3`, `javascript` with `node`.
    pub commands: BTreeMap<Label, Vec<String>>,
    /// An executable that does nothing but call [`confine`](crate::confine), with its arguments. Everybody can read and
    /// execute the file; where it is does not matter.
    pub launcher: Vec<String>,
    /// Files and directories of this system that are shown beside `/usr`, where they are, read-only. Everybody can reach them.
    /// A socket in one of them can be connected to.
    pub read_only: Vec<PathBuf>,
    /// The executable of bubblewrap. Default: `bwrap`, where the system has it.
    pub bubblewrap: PathBuf,
}

impl SandboxConfig {
    /// The default commands with this launcher.
    pub fn new(launcher: Vec<String>) -> Self {
        Self {
            commands: crate::ProcessConfig::default().commands,
            launcher,
            read_only: Vec::new(),
            bubblewrap: executable("bwrap", PATH)
                .unwrap_or_else(|| PathBuf::from("/usr/bin/bwrap")),
        }
    }
}

/// Programs in the OS sandbox.
#[derive(Debug)]
pub struct Sandbox {
    commands: BTreeMap<Label, Vec<String>>,
    enclosure: Enclosure,
    digests: Digests,
    version: OnceLock<Option<Label>>,
}

impl Sandbox {
    /// Looks at the launcher and at what is to be shown.
    ///
    /// # Errors
    /// [`SandboxError`] if one of them cannot be used.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        Ok(Self {
            enclosure: Enclosure::new(&config.bubblewrap, &config.launcher, &config.read_only)?,
            commands: config.commands,
            digests: Digests::default(),
            version: OnceLock::new(),
        })
    }
}

impl Enclosure {
    /// What every command of a backend has in common.
    pub(crate) fn new(
        bubblewrap: &Path,
        launcher: &[String],
        read_only: &[PathBuf],
    ) -> Result<Self, SandboxError> {
        let (program, arguments) = launcher.split_first().ok_or(SandboxError::NoLauncher)?;
        let path = PathBuf::from(program);
        let unreadable = |source| SandboxError::Unreadable {
            path: path.clone(),
            source,
        };
        let program = File::open(&path).map_err(unreadable)?;
        let mode = program.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
        if mode & 0o5 != 0o5 {
            let at = path.clone();
            return Err(SandboxError::Unreachable { path, at, mode });
        }
        Ok(Self {
            bubblewrap: bubblewrap.to_owned(),
            program,
            arguments: arguments.to_vec(),
            view: view::View::new(read_only)?,
        })
    }

    /// Whether commands can be run here: one is, which does nothing, with everything in force.
    pub(crate) fn probe(&self) -> Readiness {
        let unavailable = |reason: String, remedy: &str| Readiness::Unavailable {
            reason,
            remedy: remedy.to_owned(),
        };
        let Some(version) = version(&self.bubblewrap) else {
            return unavailable(
                "bwrap is not there, or does not tell its version".to_owned(),
                "apt-get install bubblewrap",
            );
        };
        if cgroup::Version::found().is_none() {
            return unavailable(
                "no control groups for memory, pids and cpu can be made here".to_owned(),
                "run it as root, with the memory, pids and cpu controllers",
            );
        }
        match self.try_nothing() {
            Ok(()) => Readiness::Ready { version },
            Err(error) => unavailable(
                error.to_string(),
                "it needs user namespaces and Landlock (Linux 5.19 or later), and a launcher of the same version",
            ),
        }
    }

    fn try_nothing(&self) -> Result<(), BackendError> {
        let failed = |error: std::io::Error| BackendError::failed("try a sandbox", error);
        let limits: RunLimits = LimitsAsked::default()
            .resolve(Profile::Standard)
            .map_err(|error| BackendError::failed("try a sandbox", error))?;
        let (prepared, waiting) = self.prepare(&Parts {
            words: Vec::new(),
            environment: BTreeMap::new(),
            code: Path::new("/usr/lib"),
            limits: &limits,
            gateway: false,
        })?;
        let mut child = prepared.spawn_alone().map_err(failed)?;
        let admitted = waiting.admit(&mut child, &|| true);
        if let Ok(mut enclosed) = admitted {
            let status = child.wait().map_err(failed)?;
            enclosed.kill();
            enclosed.remove()?;
            return match status.success() {
                true => Ok(()),
                false => Err(BackendError::failed("try a sandbox", status)),
            };
        }
        // It may be gone by itself.
        let _ = child.kill();
        child.wait().map_err(failed)?;
        admitted.map(drop)
    }
}

impl Backend for Sandbox {
    fn kind(&self) -> Label {
        Label::constant("sandbox")
    }

    fn profile_max(&self) -> Profile {
        Profile::Standard
    }

    fn languages(&self) -> Vec<Label> {
        self.commands.keys().cloned().collect()
    }

    fn holds(&self, limit: Limit, _: &Label, _: Profile) -> bool {
        limit != Limit::MemoryBytes || cgroup::can_bound_memory()
    }

    fn probe(&self) -> Readiness {
        self.enclosure.probe()
    }

    fn run(&self, job: &Job<'_>) -> Result<Attempt, BackendError> {
        let at = Instant::now();
        let (program, words) = program::of(job, &self.commands)?;
        let mut words = words.to_vec();
        // By its path: the request may set another `PATH`, and so have another program take its name.
        let interpreter = located(&words[0], PATH).ok_or_else(|| {
            BackendError::failed("start", format!("{} is not installed", words[0]))
        })?;
        words[0] = interpreter.to_string_lossy().into_owned();
        let ext = self.interpreter(&interpreter)?;
        // Before it runs: what may be there later is not what ran.
        let runtime = self.digest(&self.enclosure.bubblewrap)?;
        let private = Private::new(program)?;
        private.lend_to_nobody()?;
        words.push(format!("/code/{}", program.tree.entrypoint()));
        words.extend(program.arguments.iter().cloned());
        let (prepared, waiting) = self.enclosure.prepare(&Parts {
            words,
            environment: program::environment(program),
            code: private.code(),
            limits: job.limits,
            gateway: job.gateway.is_some(),
        })?;
        let mut started = Started::new(prepared, job)?;
        let goes_on = || Stopped::of(job).is_none();
        let enclosed = match waiting.admit(&mut started.child, &goes_on) {
            Ok(enclosed) => enclosed,
            Err(error) => {
                started.end();
                let stopped = Stopped::of(job).ok_or(error)?;
                return Ok(stopped.before_it_began(job, self.version(), at.elapsed()));
            }
        };
        let (gone, mut enclosed) = started.follow(job, enclosed)?;
        enclosed.remove().map_err(BackendError::since_it_began)?;
        let mut attempt = Attempt::new(
            ended_with(&gone, enclosed.counted.limit_met(), Filtered::Ours),
            self.version(),
            gone.wall,
        );
        attempt.limits = enclosed.held(held(job, gone.wall.as_millis()));
        attempt.isolation = isolation(&enclosed, runtime);
        attempt.ext = ext;
        attempt.stdout = gone.stdout;
        attempt.stderr = gone.stderr;
        Ok(attempt)
    }
}

impl Sandbox {
    fn digest(&self, path: &Path) -> Result<Blake3, BackendError> {
        let digest = self.digests.of(path);
        digest.map_err(|error| BackendError::failed("read", error))
    }

    /// The digest of the executable that runs the code, as the extension `interpreter`: there is no image that would say it.
    fn interpreter(&self, path: &Path) -> Result<BTreeMap<Label, Value>, BackendError> {
        let digest = self.digest(path)?;
        let told = Label::new(digest.to_string()).map_or(Value::Null, Value::Text);
        Ok(BTreeMap::from([(Label::constant("interpreter"), told)]))
    }

    fn version(&self) -> Label {
        let told = self
            .version
            .get_or_init(|| version(&self.enclosure.bubblewrap));
        told.clone().unwrap_or(Label::constant("bubblewrap"))
    }
}

fn isolation(enclosed: &Enclosed, runtime: Blake3) -> Isolation {
    let seen = enclosed.seen().iter().copied();
    Isolation {
        seen: seen.map(Label::constant).collect(),
        runtime: Some(runtime),
        seccomp: Some(Blake3::of(SECCOMP.as_bytes())),
        ..Isolation::default()
    }
}

/// What `bwrap --version` says.
fn version(bubblewrap: &Path) -> Option<Label> {
    let told = Command::new(bubblewrap)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let told = String::from_utf8(told.stdout).ok()?;
    Label::new(told.lines().next()?.to_owned()).ok()
}
