//! A child process of this one, which may do whatever this one may.
//!
//! Enters: a program in a language that it was told a command for. Leaves: what came of it.
//! Refuses: to be more than it is. It isolates nothing: it serves `dev`, where the host's configuration allows that.
//!
//! The child has a group of its own, which is killed whole when the run is over; a descendant that leaves the group gets away.
//! Its environment is the request's, with `PATH`, `HOME` (its private directory) and `LANG`. Its directory is a private copy
//! of the code.

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process_group};
use tenzik::backend::{Attempt, Backend, BackendError, Isolation, Job, Readiness};
use tenzik::router::{Held, Limit, PerLimit};
use tenzik_receipt::{Label, Profile};

use crate::digest::{Digests, executable};
use crate::program::{self, Private};
use crate::supervise::{Guard, pid, supervise};

/// Where commands are looked for: this process's own `PATH` is not the program's.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// How programs are run.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// For each language the command that runs an entrypoint, whose path is added as the last word. Default: `shell` with
    /// `/bin/sh`, `python` with `python3`, `javascript` with `node`.
    pub commands: BTreeMap<Label, Vec<String>>,
}

impl Default for ProcessConfig {
    fn default() -> Self {
        let command = |language, words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            (Label::constant(language), words)
        };
        Self {
            commands: BTreeMap::from([
                command("javascript", &["node"]),
                command("python", &["python3"]),
                command("shell", &["/bin/sh"]),
            ]),
        }
    }
}

/// The unsafe host.
#[derive(Debug)]
pub struct Process {
    config: ProcessConfig,
    digests: Digests,
}

impl Process {
    /// A backend that runs these commands.
    pub fn new(config: ProcessConfig) -> Self {
        Self {
            config,
            digests: Digests::default(),
        }
    }
}

impl Backend for Process {
    fn kind(&self) -> Label {
        Label::constant("process")
    }

    fn profile_max(&self) -> Profile {
        Profile::Dev
    }

    fn languages(&self) -> Vec<Label> {
        self.config.commands.keys().cloned().collect()
    }

    fn holds(&self, limit: Limit, _: &Label, _: Profile) -> bool {
        matches!(limit, Limit::OutputBytes | Limit::WallMs)
    }

    fn probe(&self) -> Readiness {
        let found = |words: &Vec<String>| {
            words
                .first()
                .is_some_and(|name| executable(name, PATH).is_some())
        };
        match self.config.commands.values().any(found) {
            true => Readiness::Ready {
                version: Label::constant("process"),
            },
            false => Readiness::Unavailable {
                reason: "none of its commands is installed".to_owned(),
                remedy: "install a shell, python3 or node".to_owned(),
            },
        }
    }

    fn run(&self, job: &Job<'_>) -> Result<Attempt, BackendError> {
        let (program, words) = program::of(job, &self.config.commands)?;
        let binary = executable(&words[0], PATH).ok_or_else(|| {
            BackendError::failed("start", format!("{} is not installed", words[0]))
        })?;
        let runtime = self
            .digests
            .of(&binary)
            .map_err(|error| BackendError::failed("read", error))?;
        // Removed when the run is over, with all that the program wrote there.
        let private = Private::new(program)?;
        let mut command = Command::new(&binary);
        command
            .args(&words[1..])
            .arg(private.code().join(program.tree.entrypoint()))
            .args(&program.arguments)
            .current_dir(private.code())
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", private.path())
            .env("LANG", "C.UTF-8")
            .envs(&program.environment)
            .process_group(0);
        let (gone, _) = supervise(command, job, Group::of)?;
        let mut attempt = Attempt::new(gone.ended, Label::constant("process"), gone.wall);
        attempt.stdout = gone.stdout;
        attempt.stderr = gone.stderr;
        attempt.limits = held(job, gone.wall.as_millis());
        attempt.isolation = Isolation {
            seen: [Label::constant("process_group")].into_iter().collect(),
            runtime: Some(runtime),
            ..Isolation::default()
        };
        Ok(attempt)
    }
}

/// The limits that whoever reads the pipes and the clock holds by itself.
pub(crate) fn held(job: &Job<'_>, wall_ms: u128) -> PerLimit<Held> {
    let nothing = PerLimit::all(Held::default());
    let mine = |limit, observed| match job.limits.get(limit) {
        Some(applied) => Held::enforced(applied, observed),
        None => Held::default(),
    };
    nothing
        .with(
            Limit::WallMs,
            mine(Limit::WallMs, u64::try_from(wall_ms).ok()),
        )
        .with(Limit::OutputBytes, mine(Limit::OutputBytes, None))
}

/// A child's process group.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(pid(child))
    }
}

impl Guard for Group {
    fn limit_reached(&mut self) -> Option<Limit> {
        None
    }

    fn kill(&mut self) {
        if let Some(group) = self.0 {
            // Nobody of it may be left, which is what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
