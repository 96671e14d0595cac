//! JavaScript and TypeScript functions, by Node, Bun or Deno.
//!
//! Enters: a program whose entrypoint exports a function: the default export, or the one that the program's one argument
//! names. Leaves: what the function gave, or how it failed. Refuses: options, variables and permissions that are not the
//! host's to give or not the runtime's to keep; languages that the runtime does not run.
//!
//! The function is called with the input and, second, `{tools, text, verbatim}`. A worker's own script
//! (`javascript/worker.mjs`) loads it, calls it and says what came of it. It runs in the guest's own process, so its word is
//! the guest's: a value, never how the run ended.
//!
//! A worker that was called once waits, stopped, for another call of the same tenant, code, environment, limits and profile.

mod call;
mod command;
mod config;
mod environment;
mod finding;
mod host;
mod options;
mod permissions;
mod pool;
mod relay;
mod remedy;
mod start;
mod worker;

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use tenzik::backend::{Attempt, Backend, BackendError, Job, Readiness};
use tenzik::router::{Code, Limit, LimitsAsked, Program, RunLimits};
use tenzik_receipt::{Blake3, Int, Label, Profile, Value};

use crate::cgroup;
use crate::digest::Digests;
use crate::sandbox::Enclosure;
use crate::supervise::Stopped;

use call::{Order, call};
use command::Version;
pub use config::{Backoff, JavaScriptConfig, JavaScriptSandbox, Runtime};
pub use finding::{ConfigError, Finding};
pub use permissions::{Grant, Permissions};
use pool::{Key, Pool};
use remedy::remedy;

/// The export that is called if none is named.
const DEFAULT_EXPORT: &str = "default";
/// The longest name of an export.
const EXPORT_BYTES_MAX: usize = 128;

/// Functions by one runtime.
pub struct JavaScript {
    config: JavaScriptConfig,
    enclosure: Option<Enclosure>,
    digests: Digests,
    versions: Mutex<HashMap<Blake3, Version>>,
    pool: Pool,
}

impl JavaScript {
    /// A backend with this configuration.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong with it.
    pub fn new(config: JavaScriptConfig) -> Result<Self, ConfigError> {
        let mut findings = config.findings();
        let mut config = config;
        // What a sandbox shows is the file, not links to it.
        if let Ok(found) = config.executable.canonicalize() {
            config.executable = found;
        }
        let enclosure = start::enclosure(&config).unwrap_or_else(|finding| {
            findings.push(finding);
            None
        });
        ConfigError::of(findings)?;
        Ok(Self {
            enclosure,
            digests: Digests::default(),
            versions: Mutex::default(),
            pool: Pool::new(config.workers_max, config.workers_idle_max),
            config,
        })
    }

    /// The variables of a run: the host's, and the request's, which count where both have one.
    fn environment(&self, program: &Program) -> Result<BTreeMap<String, String>, BackendError> {
        for name in program.environment.keys() {
            let unknown = || {
                (!self.config.permissions.allows_variable(name))
                    .then_some("is not among the permitted")
            };
            if let Some(reason) = environment::refusal(name).or_else(unknown) {
                let name = finding::shown(name);
                return Err(BackendError::denied(
                    "start",
                    format!("the variable {name} {reason}"),
                ));
            }
        }
        let mut all = self.config.environment.clone();
        all.extend(program.environment.clone());
        Ok(all)
    }

    fn attempt(
        &self,
        job: &Job<'_>,
        program: &Program,
        export: &str,
    ) -> Result<Attempt, BackendError> {
        let started = Instant::now();
        let (digest, version) = self.runtime()?;
        let entrypoint = program.tree.entrypoint();
        command::check_entrypoint(
            self.config.runtime,
            &version,
            program.language.as_str(),
            entrypoint,
        )?;
        let environment = self.environment(program)?;
        let key = Key {
            tenant: job.tenant.cloned(),
            code: program.tree.digest(),
            entrypoint: entrypoint.to_owned(),
            language: program.language.clone(),
            environment,
            limits: *job.limits,
            profile: job.profile,
            runtime: digest,
            tools: job.gateway.is_some(),
        };
        let goes_on = || Stopped::of(job).is_none();
        let mut worker = match self.pool.take(&key) {
            Some(worker) => worker,
            None => {
                match self.start(
                    &version,
                    Some(program),
                    &key.environment,
                    job.limits,
                    goes_on,
                ) {
                    Ok(worker) => worker,
                    Err(error) => {
                        let stopped = Stopped::of(job).ok_or(error)?;
                        let wall = started.elapsed();
                        return Ok(stopped.before_it_began(job, version.label, wall));
                    }
                }
            }
        };
        let before = worker.calls;
        let order = Order {
            job,
            entry: worker.code.join(entrypoint).display().to_string(),
            export,
            stderr_bytes_max: self.config.stderr_bytes_max,
        };
        let called = call(&mut worker, &order)?;
        let wall = started.elapsed();
        let mut attempt = Attempt::new(called.ended, version.label, wall);
        attempt.stdout = called.stdout;
        attempt.stderr = called.stderr;
        attempt.limits = worker.host.held(job, wall.as_millis());
        attempt.isolation = worker.host.isolation();
        attempt.isolation.runtime = Some(digest);
        let denies = worker
            .ready
            .denies
            .iter()
            .map(|kind| format!("runtime_denies_{kind}"));
        let seen = attempt.isolation.seen.as_slice().iter().cloned();
        attempt.isolation.seen = seen
            .chain(denies.filter_map(|seen| Label::new(seen).ok()))
            .collect();
        attempt.ext = BTreeMap::from([(Label::constant("javascript"), self.told(before))]);
        if called.clean && self.config.workers_max > 0 {
            self.pool.put(key, worker);
        }
        Ok(attempt)
    }

    /// What a receipt says beside the rest: how many calls the worker had before, and what was granted.
    fn told(&self, calls_before: u64) -> Value {
        // A configuration with a grant that is no label was refused.
        let labels = self.config.permissions.texts().into_iter();
        let granted = labels
            .filter_map(|text| Label::new(text).ok())
            .map(Value::Text)
            .collect();
        Value::Object(BTreeMap::from([
            (
                Label::constant("calls_before"),
                Int::new(calls_before).map_or(Value::Null, Value::Int),
            ),
            (Label::constant("granted"), Value::List(granted)),
        ]))
    }
}

impl Drop for JavaScript {
    /// With the backend its workers go.
    fn drop(&mut self) {
        self.pool.clear();
    }
}

impl Backend for JavaScript {
    fn kind(&self) -> Label {
        Label::constant(self.config.runtime.name())
    }

    fn profile_max(&self) -> Profile {
        match self.enclosure {
            Some(_) => Profile::Standard,
            None => Profile::Dev,
        }
    }

    fn languages(&self) -> Vec<Label> {
        vec![Label::constant("javascript"), Label::constant("typescript")]
    }

    fn holds(&self, limit: Limit, _: &Label, _: Profile) -> bool {
        match (&self.enclosure, limit) {
            (_, Limit::OutputBytes | Limit::WallMs) => true,
            (Some(_), Limit::MemoryBytes) => cgroup::can_bound_memory(),
            (enclosure, _) => enclosure.is_some(),
        }
    }

    fn probe(&self) -> Readiness {
        match self.enclosure.as_ref().map(Enclosure::probe) {
            Some(unavailable @ Readiness::Unavailable { .. }) => return unavailable,
            Some(Readiness::Ready { .. }) | None => {}
        }
        let until = Instant::now() + PROBE_MAX;
        let ready = self.runtime().and_then(|(_, version)| {
            let limits = LimitsAsked::default().resolve(self.profile_max());
            let limits = limits.map_err(|error| BackendError::denied("start", error))?;
            // With these very options and permissions, up to the point where code would be loaded.
            self.start(&version, None, &self.config.environment, &limits, || {
                Instant::now() < until
            })?;
            Ok(version.label)
        });
        match ready {
            Ok(version) => Readiness::Ready { version },
            Err(error) => Readiness::Unavailable {
                reason: error.to_string(),
                remedy: remedy(self.config.runtime),
            },
        }
    }

    fn run(&self, job: &Job<'_>) -> Result<Attempt, BackendError> {
        let denied = |reason: &str| Err(BackendError::denied("start", reason));
        let Code::Program(program) = job.code else {
            return denied("it runs no capsules");
        };
        if program.image.is_some() {
            return denied("it has no images");
        }
        if !self.profile_max().is_at_least(job.profile) {
            return denied("what it runs in is not as strict as that");
        }
        let export = match program.arguments.as_slice() {
            [] => DEFAULT_EXPORT,
            [export] if (1..=EXPORT_BYTES_MAX).contains(&export.len()) => export,
            _ => return denied("it takes one argument at most, the name of the function to call"),
        };
        let (limits, deadline) = self.bounded(job);
        let mut job = *job;
        job.limits = &limits;
        job.deadline = deadline;
        self.attempt(&job, program, export)
    }
}

/// How long a probe may take.
const PROBE_MAX: Duration = Duration::from_secs(10);

impl JavaScript {
    /// The run's limits with the host's own bound on its time.
    fn bounded(&self, job: &Job<'_>) -> (RunLimits, Option<Instant>) {
        let Some(max) = self.config.timeout_max else {
            return (*job.limits, job.deadline);
        };
        let max_ms = u64::try_from(max.as_millis()).unwrap_or(u64::MAX);
        let wall = job
            .limits
            .get(Limit::WallMs)
            .map_or(max_ms, |asked| asked.min(max_ms));
        let until = Instant::now() + max;
        let deadline = job.deadline.map_or(until, |deadline| deadline.min(until));
        (job.limits.with(Limit::WallMs, Some(wall)), Some(deadline))
    }
}
