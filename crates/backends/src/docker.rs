//! A container that a Docker engine makes, by its default runtime or by gVisor's.
//!
//! Enters: a program, and an image by digest. Leaves: what came of it, with what the kernel counted. Refuses: capsules, images
//! by tag or with volumes, an engine on another machine, and to let a program begin before all that was asked for was seen.
//!
//! A container has no network, a read-only root, no capability, no way to gain any, the user `nobody`, the system-call filter
//! of `seccomp.json`, and bounds on memory, processes and what it may write. An engine passes no descriptors on, and its
//! own streams are not used: `docker/way.rs` has how a program comes to its descriptors. Its launcher waits until the host has
//! looked at it. The container is removed however it ended; one whose host was killed, by the next host.

mod container;
mod engine;
mod leftovers;
mod removals;
mod spec;
mod way;

use std::collections::{BTreeMap, HashMap};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use tenzik::backend::{Attempt, Backend, BackendError, Ended, Isolation, Job, Readiness};
use tenzik::router::{Limit, Program};
use tenzik_receipt::{Blake3, Label, Profile, Sha256, to_hex};

use crate::cgroup;
use crate::digest::Digests;
use crate::filter::SECCOMP;
use crate::launcher::{LAUNCHER, UNBUILT, UNBUILT_REMEDY};
use crate::process::held;
use crate::program::{self, Private};
use crate::supervise::{Filtered, First, Gone, Guard as _, Stopped, Watched, ended_with};
use crate::tools;

use container::{Container, End};
use engine::{Engine, Facts, REMOVED_WITHIN, Removed};
use leftovers::{OWNER, Owner};
use removals::{Removals, ToRemove};
use way::Way;

/// The runtime that an engine has of itself.
const RUNC: &str = "runc";
/// What a container exits with if its first process was killed: 128 and SIGKILL.
const KILLED: i32 = 128 + 9;

/// Which engine, and what is in its containers.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    /// The engine's socket. Default: `/var/run/docker.sock`. The engine has to be on this machine.
    pub socket: PathBuf,
    /// The name that the engine has for gVisor's runtime, `runsc`. Default: none; then it is the engine's `runc`.
    pub gvisor: Option<String>,
    /// The image of programs that name none: the digest of its configuration, which is its id. Default: none.
    pub image: Option<Sha256>,
    /// For each language the command inside that runs an entrypoint, whose path is added as the last word.
    pub commands: BTreeMap<Label, Vec<String>>,
}

impl DockerConfig {
    /// The engine of this system with these commands.
    pub fn new(commands: BTreeMap<Label, Vec<String>>) -> Self {
        Self {
            socket: PathBuf::from("/var/run/docker.sock"),
            gvisor: None,
            image: None,
            commands,
        }
    }
}

/// Containers by a Docker engine.
#[derive(Debug)]
pub struct Docker {
    config: DockerConfig,
    digests: Digests,
    seccomp: Blake3,
    known: Mutex<Known>,
    removals: Removals,
}

/// What was learnt of an engine.
#[derive(Debug, Default)]
struct Known {
    facts: Option<Facts>,
    swept: bool,
}

impl Docker {
    /// A backend of this engine. It is asked nothing yet.
    pub fn new(config: DockerConfig) -> Self {
        Self {
            config,
            digests: Digests::default(),
            seccomp: Blake3::of(SECCOMP.as_bytes()),
            known: Mutex::default(),
            removals: Removals::default(),
        }
    }

    fn runtime(&self) -> &str {
        self.config.gvisor.as_deref().unwrap_or(RUNC)
    }

    /// Asks the engine anew who it is.
    fn ask(&self, engine: &Engine<'_>) -> Result<Facts, BackendError> {
        let facts = engine.facts()?;
        self.known().facts = Some(facts.clone());
        Ok(facts)
    }

    /// Who this host is to the engine. What a host that is gone left there is removed first, or where that takes long, beside.
    fn owner(&self, engine: &Engine<'_>, facts: &Facts) -> Result<Owner, BackendError> {
        let owner = Owner::this()?;
        let swept = self.known().swept;
        if !swept {
            for id in leftovers::dead(engine, &owner)? {
                self.leave(id, ToRemove::default(), facts);
            }
            self.known().swept = true;
            let goes_on = || !engine.is_stopped();
            self.removals.wait(REMOVED_WITHIN, goes_on);
        }
        self.removals.work(&self.config.socket, facts);
        match self.removals.is_full() {
            true => Err(BackendError::failed(
                "start",
                "the engine is slow to remove what has run",
            )),
            false => Ok(owner),
        }
    }

    /// Removes the container of a run that was stopped while the engine was at it. An engine that is slow may make it yet.
    fn discard(&self, engine: &Engine<'_>, facts: &Facts, name: String, files: Files) {
        let starting = engine.started().err();
        let removed = starting.is_none() && matches!(engine.remove(&name), Ok(Removed::Done));
        if !removed {
            self.leave(name, ToRemove::coming(files, starting), facts);
        }
    }

    /// Has a container removed by a thread.
    fn leave(&self, name: String, container: ToRemove, facts: &Facts) {
        self.removals
            .add(name, container, &self.config.socket, facts);
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        // It is whole between statements, whoever panicked.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The executable of gVisor's runtime, where this backend is of gVisor.
    fn gvisor<'a>(&self, facts: &'a Facts) -> Result<Option<&'a Path>, BackendError> {
        let Some(name) = &self.config.gvisor else {
            return Ok(None);
        };
        let path = facts.runtimes.get(name).map(PathBuf::as_path);
        path.map(Some).ok_or_else(|| {
            BackendError::failed("start", format!("the engine has no runtime {name}"))
        })
    }
}

impl Backend for Docker {
    fn kind(&self) -> Label {
        Label::constant(match self.config.gvisor {
            Some(_) => "docker-runsc",
            None => "docker",
        })
    }

    fn profile_max(&self) -> Profile {
        match self.config.gvisor {
            Some(_) => Profile::Hardened,
            None => Profile::Standard,
        }
    }

    fn languages(&self) -> Vec<Label> {
        self.config.commands.keys().cloned().collect()
    }

    /// Under gVisor processes are its own affair: the kernel would count its threads.
    fn holds(&self, limit: Limit, _: &Label, _: Profile) -> bool {
        match limit {
            Limit::MemoryBytes => cgroup::can_bound_memory(),
            Limit::Pids => self.config.gvisor.is_none(),
            _ => true,
        }
    }

    fn probe(&self) -> Readiness {
        let unavailable = |reason: String, remedy: &str| Readiness::Unavailable {
            reason,
            remedy: remedy.to_owned(),
        };
        if LAUNCHER.is_empty() {
            return unavailable(UNBUILT.to_owned(), UNBUILT_REMEDY);
        }
        let asked = Engine::new(&self.config.socket, None).and_then(|engine| self.ask(&engine));
        let facts = match asked {
            Ok(facts) => facts,
            Err(error) => return unavailable(error.to_string(), remedy(&self.config.socket)),
        };
        match self.gvisor(&facts) {
            Ok(_) => Readiness::Ready {
                version: self.version(&facts),
            },
            Err(error) => unavailable(
                error.to_string(),
                "apt-get install runsc (Debian: from backports), and name it among `runtimes` in /etc/docker/daemon.json \
                 with --host-fifo=open and --host-uds=open",
            ),
        }
    }

    fn run(&self, job: &Job<'_>) -> Result<Attempt, BackendError> {
        let (program, words) = program::with_image(job, &self.config.commands)?;
        let image = program.image.or(self.config.image);
        let image = image.ok_or_else(|| BackendError::denied("start", "it needs an image"))?;
        if LAUNCHER.is_empty() {
            return Err(BackendError::denied("start", UNBUILT));
        }
        let started = Instant::now();
        let engine = Engine::new(&self.config.socket, Some(*job))?;
        let known = self.known().facts.clone();
        let facts = match known.map_or_else(|| self.ask(&engine), Ok) {
            Ok(facts) => facts,
            Err(error) => return unless_stopped(Err(error), &engine, job, started),
        };
        let engine = engine.speak(&facts);
        let came = self.on_engine(&engine, &facts, (image, program, words), job, started);
        unless_stopped(came, &engine, job, started)
    }
}

impl Drop for Docker {
    /// With a process that ends nobody removes any more.
    fn drop(&mut self) {
        self.removals.wait(REMOVED_WITHIN, || true);
    }
}

/// What came of a run that had not begun, or that it was stopped: then what was not waited for is no failure of the engine's.
fn unless_stopped(
    came: Result<Attempt, BackendError>,
    engine: &Engine<'_>,
    job: &Job<'_>,
    started: Instant,
) -> Result<Attempt, BackendError> {
    match (came, Stopped::of(job)) {
        (Err(error), Some(stopped)) if engine.has_given_up() && error.retryable => {
            let version = Label::constant("docker");
            Ok(stopped.before_it_began(job, version, started.elapsed()))
        }
        (came, _) => came,
    }
}

impl Docker {
    fn on_engine(
        &self,
        engine: &Engine<'_>,
        facts: &Facts,
        (image, program, words): (Sha256, &Program, &[String]),
        job: &Job<'_>,
        started: Instant,
    ) -> Result<Attempt, BackendError> {
        let plan = Plan {
            image,
            program,
            words,
            gvisor: self.gvisor(facts)?,
            owner: self.owner(engine, facts)?,
        };
        let mut files = Files::new(program, job)?;
        let name = name()?;
        let came = self.contained(engine, name.clone(), &plan, &mut files, job, started);
        match &came {
            Ok((_, true)) => {}
            _ if engine.has_given_up() => self.discard(engine, facts, name, files),
            Ok((_, false)) => self.leave(name, ToRemove::of(files), facts),
            Err(_) if engine.has_not_answered() => {
                self.leave(name, ToRemove::coming(files, None), facts);
            }
            // It was removed, or never made, but where that failed.
            Err(_) => {
                if !matches!(engine.remove(&name), Ok(Removed::Done | Removed::NotThere)) {
                    self.leave(name, ToRemove::of(files), facts);
                }
            }
        }
        let (mut attempt, _) = came?;
        attempt.version = self.version(facts);
        Ok(attempt)
    }
}

/// What is to run in a container.
struct Plan<'a> {
    image: Sha256,
    program: &'a Program,
    words: &'a [String],
    gvisor: Option<&'a Path>,
    owner: Owner,
}

/// What a container sees of this system.
#[derive(Debug)]
struct Files {
    private: Private,
    /// Until its program begins.
    way: Option<Way>,
}

impl Files {
    fn new(program: &Program, job: &Job<'_>) -> Result<Self, BackendError> {
        let private = Private::new(program)?;
        let way = Way::new(private.path(), job.input, job.gateway.is_some())?;
        Ok(Self {
            private,
            way: Some(way),
        })
    }
}

impl Docker {
    /// What came of it, and whether the engine has removed the container.
    fn contained(
        &self,
        engine: &Engine<'_>,
        name: String,
        plan: &Plan<'_>,
        files: &mut Files,
        job: &Job<'_>,
        started: Instant,
    ) -> Result<(Attempt, bool), BackendError> {
        let begun = || BackendError::failed("start", "it has begun already");
        let way = files.way.as_mut().ok_or_else(begun)?;
        let body = spec::body(&spec::Parts {
            runtime: self.runtime(),
            gvisor: plan.gvisor.is_some(),
            image: plan.image,
            labels: HashMap::from([(OWNER.to_owned(), plan.owner.label())]),
            code: files.private.code(),
            way: way.path(),
            program: plan.program,
            words: plan.words,
            tools: job.gateway.is_some(),
            limits: job.limits,
        });
        let mut container = Container::start(engine, name, &body, job.limits, plan.gvisor)?;
        let report = match container.wait(&spec::image(plan.image), way, job)? {
            Ok(report) => report,
            Err(stopped) => {
                engine.give_up();
                let version = Label::constant("docker");
                let attempt = stopped.before_it_began(job, version, started.elapsed());
                return Ok((attempt, false));
            }
        };
        container.check(report)?;
        let isolation = self.isolation(&container, plan)?;
        let way = files.way.take().ok_or_else(begun)?;
        let gone = followed(&mut container, way, job, started)?;
        let end = gone.end;
        let mut attempt = Attempt::new(
            ended(&gone.gone, end, &container, plan.gvisor.is_some()),
            Label::constant("docker"),
            gone.gone.wall,
        );
        attempt.limits = container.held(held(job, gone.gone.wall.as_millis()));
        attempt.isolation = isolation;
        attempt.stdout = gone.gone.stdout;
        attempt.stderr = gone.gone.stderr;
        let removed = container.remove().map_err(BackendError::since_it_began)?;
        Ok((attempt, removed))
    }

    fn isolation(
        &self,
        container: &Container<'_>,
        plan: &Plan<'_>,
    ) -> Result<Isolation, BackendError> {
        let executable = plan.gvisor.and_then(|_| container.executable());
        let runtime = executable.map(|path| self.digests.of(&path)).transpose();
        // Its number, and with it what was read, may be another's by now.
        if container.is_over() {
            return Err(BackendError::failed("start", "it has ended already"));
        }
        Ok(Isolation {
            seen: container
                .seen()
                .iter()
                .copied()
                .map(Label::constant)
                .collect(),
            image: Some(plan.image),
            runtime: runtime.map_err(|error| BackendError::failed("read", error))?,
            // gVisor has a filter of its own, for itself.
            seccomp: plan.gvisor.is_none().then_some(self.seccomp),
            ..Isolation::default()
        })
    }

    fn version(&self, facts: &Facts) -> Label {
        match &self.config.gvisor {
            None => facts.version.clone(),
            Some(name) => Label::new(format!("{} {name}", facts.version)).unwrap_or(self.kind()),
        }
    }
}

/// A program that is gone, with the engine's word where it left no result.
struct Followed {
    gone: Gone,
    end: Option<End>,
}

/// Lets the program begin, and stays with it to its end.
fn followed(
    container: &mut Container<'_>,
    mut way: Way,
    job: &Job<'_>,
    started: Instant,
) -> Result<Followed, BackendError> {
    let connection = way.connection()?;
    let served = job.gateway.zip(connection);
    let tools = served
        .map(|(session, stream)| tools::on(session, stream))
        .transpose()?;
    let process = container
        .process()
        .map(|process| process.try_clone_to_owned());
    let process = process
        .transpose()
        .map_err(|error| BackendError::failed("start", error))?
        .ok_or_else(|| BackendError::failed("start", "it has ended already"))?;
    let mut watched = Watched::new(way.go()?, job);
    let first = First::OfNamespace(std::os::fd::AsFd::as_fd(&process));
    let stopped = watched.until_over(&first, job, container);
    container.kill();
    // With the run its way to tools is over, and its token is worth nothing.
    drop(tools);
    watched.drain();
    let (stopped, end) = match stopped.is_some() || watched.has_said() {
        true => (stopped, None),
        false => match container.end(job).map_err(BackendError::since_it_began)? {
            Ok(end) => (None, Some(end)),
            Err(stopped) => (Some(stopped), None),
        },
    };
    let status = end.map(|end| ExitStatus::from_raw((end.code & 0xff) << 8));
    Ok(Followed {
        gone: watched.gone(stopped, status, started.elapsed()),
        end,
    })
}

/// The end, with what kernel and engine saw: a program that was killed for its memory says nothing itself.
fn ended(gone: &Gone, end: Option<End>, container: &Container<'_>, gvisor: bool) -> Ended {
    let Some(end) = end else {
        return gone.ended.clone();
    };
    // The engine does not hear of it when the kernel ends gVisor for its memory. Nobody else killed it, and it was full.
    let full = gvisor && end.code == KILLED && container.was_full();
    let met = match end.out_of_memory || full {
        true => Some(Limit::MemoryBytes),
        false => container.limit_met(),
    };
    let filtered = match gvisor {
        true => Filtered::NotOurs,
        false => Filtered::Ours,
    };
    ended_with(gone, met, filtered)
}

fn name() -> Result<String, BackendError> {
    let mut chance = [0; 8];
    getrandom::fill(&mut chance)
        .map_err(|error| BackendError::failed("name a container", error))?;
    Ok(format!("tenzik-{}", to_hex(&chance)))
}

fn remedy(socket: &Path) -> &'static str {
    match socket.exists() {
        true => "start the engine, and run this as root or in the group of its socket",
        false => "apt-get install docker.io, or name the engine's socket in DOCKER_HOST",
    }
}
