//! What every [`Backend`] must do.

mod stops;
mod tools;
mod values;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenzik_receipt::{InputType, Label, Profile};

use super::{KERNEL, soon};
use crate::backend::{Attempt, Backend, BackendError, Ended, Job, Readiness};
use crate::control::Control;
use crate::gateway::Session;
use crate::router::{Code, CodeTree, Limit, LimitsAsked, Program, RunLimits};

const CANCELLATION: &str = "Backend, Cancellation";
const EMPTY: &str = "Backend, Empty values";
const ERRORS: &str = "Backend, Errors and retry";
const ORDER: &str = "Backend, Order";
const OWNERSHIP: &str = "Backend, Ownership";
const THREADS: &str = "Backend, Thread-safety";
const REPORTS: &str = "Held, enforced and applied";

/// Programs in a language of the backend's. The suite gives each of them JSON but where it says something else.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The language.
    pub language: Label,
    /// Gives its input as its result.
    pub echoes: CodeTree,
    /// Ends as failed, without a result.
    pub fails: CodeTree,
    /// Writes a line that looks like a result where people read, and gives the result `1`.
    pub prints: CodeTree,
    /// Runs for a minute or more, and gives no result before.
    pub sleeps: CodeTree,
    /// Gives its input as its result, where the request is of bytes. `None` where it has no requests of bytes: then it is not
    /// checked that an empty input is an input.
    pub echoes_bytes: Option<CodeTree>,
    /// Ends as if all went well, and gives no result. `None` where there is no such end: then it is not checked that no output
    /// is not an empty output.
    pub says_nothing: Option<CodeTree>,
    /// Calls the tool `text:echo` once, with its input as the arguments, and gives the result; fails if the tool does, or if
    /// there are no tools. `None` where there is no way to tools: then it is not checked that a call is made once and ends with
    /// its job.
    pub calls_tool: Option<CodeTree>,
    /// What a job could leave behind. `None` where nobody can look: then it is not checked that nothing outlives `run`, and
    /// that neither file nor process is kept.
    pub leaves: Option<Leftovers>,
}

/// What a job could leave behind, and how it is seen.
#[derive(Clone, Debug)]
pub struct Leftovers {
    /// Starts a process that would run for a minute, takes some seconds, and gives the result `1` without ending it.
    pub program: CodeTree,
    /// Each must find something while the program runs, and nothing when `run` has returned.
    pub looks: Vec<Look>,
}

/// A look for something of a job, from outside of it.
#[derive(Clone)]
pub struct Look {
    what: &'static str,
    is_there: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Look {
    /// A look for `what`, such as `process`, that tells whether it is there now: in `/proc`, in a directory, or among an engine's
    /// containers. It sees nothing of jobs that are not the suite's.
    pub fn new(what: &'static str, is_there: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self {
            what,
            is_there: Arc::new(is_there),
        }
    }
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Look").field(&self.what).finish()
    }
}

/// Holds a backend against the contract of its trait, at the strictest profile that it serves, and without limits at `dev`. It
/// needs places for eight jobs, or makes jobs wait for one; two at least.
///
/// # Panics
/// With the promise that is broken, and if the backend is not ready.
pub fn backend(backend: &dyn Backend, programs: &Programs) {
    let suite = Suite { backend, programs };
    suite.is_what_it_says();
    suite.delivers();
    suite.tells_ends();
    suite.refuses();
    suite.takes_empty_values();
    suite.stops();
    suite.begins_nothing_that_was_stopped();
    suite.reaches_tools();
    suite.leaves_nothing();
    suite.serves_many_at_once();
    suite.lets_none_wait_for_another();
}

struct Suite<'a> {
    backend: &'a dyn Backend,
    programs: &'a Programs,
}

/// A job before it is lent.
struct Wanted {
    code: Code,
    input: Arc<[u8]>,
    input_type: InputType,
    profile: Profile,
    limits: RunLimits,
    session: Option<Arc<Session>>,
    control: Control,
    /// `None` is as the limits say.
    deadline: Option<Instant>,
}

impl Suite<'_> {
    /// A job of JSON with the profile's default limits.
    fn wanted(&self, tree: &CodeTree, input: &str) -> Wanted {
        let language = self.programs.language.clone();
        Wanted {
            code: Code::Program(Program::new(language, tree.clone())),
            input: input.as_bytes().into(),
            input_type: InputType::Json,
            profile: self.backend.profile_max(),
            limits: defaults(self.backend.profile_max()),
            session: None,
            control: Control::default(),
            deadline: None,
        }
    }

    /// As a router has it: what is another number than the default was asked for.
    fn claimed(&self, wanted: &Wanted) -> RunLimits {
        let (language, profile) = (wanted.code.language(), wanted.profile);
        let is_held = |limit: Limit| {
            wanted.limits.get(limit) != limit.default_at(profile)
                || limit.is_the_routers()
                || self.backend.holds(limit, language, profile)
        };
        RunLimits::of(|limit| wanted.limits.get(limit).filter(|_| is_held(limit)))
    }

    fn run(&self, wanted: &Wanted) -> Result<Attempt, BackendError> {
        let wall = wanted.limits.get(Limit::WallMs).map(Duration::from_millis);
        let deadline = wall.map(|wall| Instant::now() + wall);
        let claimed = self.claimed(wanted);
        let came = self.backend.run(&Job {
            claimed: &claimed,
            code: &wanted.code,
            input: &wanted.input,
            input_type: wanted.input_type,
            profile: wanted.profile,
            limits: &wanted.limits,
            tenant: None,
            gateway: wanted.session.as_ref(),
            control: &wanted.control,
            deadline: wanted.deadline.or(deadline),
        });
        gives_back(wanted, &came);
        came
    }

    fn attempt(&self, wanted: &Wanted) -> Attempt {
        let ran = self.run(wanted);
        let attempt = ran.unwrap_or_else(|error| {
            panic!("{ERRORS}: what the code did is an attempt, whatever it was: {error}")
        });
        for limit in Limit::ALL {
            let (held, name) = (attempt.limits.get(limit), limit.name());
            holds!(
                REPORTS,
                !held.enforced || held.applied.is_some(),
                "{name}: what is enforced was applied"
            );
            holds!(
                EMPTY,
                held.applied.is_none() || wanted.limits.get(limit).is_some(),
                "a limit that is `None` is none, and {name} was applied"
            );
        }
        attempt
    }

    fn is_what_it_says(&self) {
        let backend = self.backend;
        let kind = backend.kind();
        holds!(
            "Backend::kind",
            kind == backend.kind(),
            "its name stays the same: {kind}"
        );
        let languages = backend.languages();
        let distinct: BTreeSet<_> = languages.iter().collect();
        holds!(
            "Backend::languages",
            distinct.len() == languages.len(),
            "each is named once: {languages:?}"
        );
        holds!(
            "Backend::languages",
            languages.contains(&self.programs.language),
            "the programs' is among them: {languages:?}"
        );
        let readiness = backend.probe();
        holds!(
            "Backend::probe",
            matches!(readiness, Readiness::Ready { .. }),
            "it could run something now: {readiness:?}"
        );
    }
}

fn defaults(profile: Profile) -> RunLimits {
    let limits = LimitsAsked::default().resolve(profile);
    limits.expect("defaults are within bounds")
}

/// The job is lent. A result may be the input itself.
fn gives_back(wanted: &Wanted, came: &Result<Attempt, BackendError>) {
    let is_result = matches!(
        came.as_ref().map(|attempt| &attempt.ended),
        Ok(Ended::Ok(value)) if Arc::ptr_eq(value, &wanted.input)
    );
    let own = 1 + usize::from(is_result);
    holds!(
        OWNERSHIP,
        soon(KERNEL, || Arc::strong_count(&wanted.input) == own),
        "the job is lent, and its input is still held after `run`"
    );
    let session = wanted.session.as_ref();
    holds!(
        OWNERSHIP,
        soon(KERNEL, || session
            .is_none_or(|it| Arc::strong_count(it) == 1)),
        "the job is lent, and its way to tools is still held after `run`"
    );
}
