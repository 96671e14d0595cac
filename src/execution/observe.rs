//! A run to be looked at: the same as one that was sealed, with every function and host call written down.
//!
//! Enters: an order whose run is over, and its [`Outcome`]. Leaves: an [`Observation`].
//! Refuses: where debugging is off; a run that was aborted; figures of a run that is not the same as the sealed one.
//!
//! Nothing here has a key or makes a claim. The module is rewritten once more and compiled on an engine of its own, so the run
//! that is sealed is untouched. Tools are not called again: they answer what they answered.

mod recorder;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use wasmparser::{Parser, Payload};

use super::compiled::Compiled;
use super::ended::Ended;
use super::engine::{EngineError, OBSERVED_STACK_BYTES};
use super::native::Native;
use super::run::Run;
use super::{ExecuteError, Executor, Job, calls, host::Host};
use crate::config::{RuntimeConfig, SecurityConfig};
use crate::gateway::Tools;
use crate::metering::ObservedModule;
use crate::observation::{Frame, Observation, TRACE};
use crate::outcome::{Ending, Outcome};
use crate::pipeline::Order;
use crate::rules::startup_fuel;
use crate::sandbox::{BindError, BoundCapsule, Sandbox, Terms};
use crate::validation::{Rejection, ValidationConfig, validate, validate_for_debugging};

pub(super) use recorder::Recorder;

/// How long a run may take that is looked at, if nothing else is said. It is some times slower than the run itself, which has its
/// own limit.
const TIME_MAX: Duration = Duration::from_secs(120);

/// Room beside the capsule's stack for host functions.
const THREAD_STACK_BYTES: usize = OBSERVED_STACK_BYTES + 4 * 1024 * 1024;

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObserveError {
    /// A run that nobody can repeat.
    #[error("the run was aborted, so it cannot be run again")]
    Aborted,
    /// The order is not one that can run.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The run that was looked at is not the one that was sealed.
    #[error("the observed run has another {member}: {observed}, the sealed one {sealed}")]
    Differs {
        /// What differs.
        member: &'static str,
        /// As it was observed.
        observed: String,
        /// As it was sealed.
        sealed: String,
    },
    /// There is no engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Nothing ran.
    #[error(transparent)]
    Execute(#[from] ExecuteError),
    /// The host's configuration does not allow it.
    #[error("debugging is not enabled on this host")]
    NotEnabled,
    /// The module is no capsule.
    #[error(transparent)]
    Rejected(#[from] Arc<Rejection>),
}

/// Whether a module is built for debugging: it imports [`TRACE`], and no host but an observer runs it.
pub fn is_built_for_debugging(module: &[u8]) -> bool {
    let imports = Parser::new(0)
        .parse_all(module)
        .find_map(|part| match part {
            Ok(Payload::ImportSection(imports)) => Some(imports),
            _ => None,
        });
    let imports = imports
        .into_iter()
        .flat_map(|imports| imports.into_imports());
    imports
        .flatten()
        .any(|import| (import.module, import.name) == TRACE)
}

/// Looks at runs.
pub struct Observer {
    executor: Executor,
    sandbox: Sandbox,
    native: Native,
    validation: ValidationConfig,
    time_max: Duration,
}

impl Observer {
    /// An observer under a host's settings.
    ///
    /// # Errors
    /// [`ObserveError::NotEnabled`] where debugging is off; [`ObserveError::Engine`] if there is no engine to be had.
    pub fn new(security: &SecurityConfig, runtime: &RuntimeConfig) -> Result<Self, ObserveError> {
        if !security.enable_debugging {
            return Err(ObserveError::NotEnabled);
        }
        Ok(Self {
            executor: Executor::observing(security),
            sandbox: Sandbox::new(security, runtime),
            native: Native::observing()?,
            validation: ValidationConfig {
                capsule_bytes_max: security.capsule_bytes_max,
            },
            time_max: TIME_MAX,
        })
    }

    /// The same with another patience than 120 seconds. A run that takes longer is stopped, so it ends in another way than the
    /// sealed one, and gives no figures.
    #[must_use]
    pub fn with_time_max(self, time_max: Duration) -> Self {
        Self { time_max, ..self }
    }

    /// Runs an order again, and tells what happened. Its outcome says how it ended the first time, and what its tools answered.
    ///
    /// # Errors
    /// [`ObserveError`]. Figures are of the very run that the outcome is of, or there are none.
    pub fn observe(&self, order: &Order, sealed: &Outcome) -> Result<Observation, ObserveError> {
        if sealed.usage().is_none() {
            return Err(ObserveError::Aborted);
        }
        let capsule = validate(Arc::clone(&order.capsule), &self.validation).map_err(Arc::new)?;
        let terms = Terms {
            tools: Some(Tools::recorded(sealed.transcript())),
            ..order.terms.clone()
        };
        let bound = self.sandbox.bind(capsule, &terms)?;
        let (observation, outcome) = self.in_thread(&bound, order)?;
        same(&outcome, sealed)?;
        Ok(observation)
    }

    /// Runs an order of a module that may be built for debugging, and tells what happened and how it ended. There is no receipt of
    /// such a run, and none can be made. Its tools are called.
    ///
    /// # Errors
    /// [`ObserveError`].
    pub fn observe_unsealed(&self, order: &Order) -> Result<(Observation, Ending), ObserveError> {
        let capsule = Arc::clone(&order.capsule);
        let capsule = validate_for_debugging(capsule, &self.validation).map_err(Arc::new)?;
        let bound = self.sandbox.bind(capsule, &order.terms)?;
        let (observation, outcome) = self.in_thread(&bound, order)?;
        Ok((observation, outcome.ending))
    }

    /// The capsule's stack is larger than a thread has: each of its calls takes more of it than in the sealed run.
    fn in_thread(
        &self,
        bound: &BoundCapsule,
        order: &Order,
    ) -> Result<(Observation, Outcome), ObserveError> {
        thread::scope(|scope| {
            let thread = thread::Builder::new()
                .name("tenzik-observer".to_owned())
                .stack_size(THREAD_STACK_BYTES)
                .spawn_scoped(scope, || self.run(bound, order));
            let failed = |reason: &str| EngineError::SetUp {
                reason: reason.to_owned(),
            };
            let thread = thread.map_err(|_| failed("no thread for the observed run"))?;
            let ran = thread.join();
            ran.map_err(|_| failed("the observed run failed"))?
        })
    }

    fn run(
        &self,
        bound: &BoundCapsule,
        order: &Order,
    ) -> Result<(Observation, Outcome), ObserveError> {
        let request = &order.request;
        let module = ObservedModule::of(bound.capsule()).map_err(refused)?;
        let compiled = Compiled::observed(&self.native, module.bytes()).map_err(refused)?;
        let job = Job {
            bound,
            request,
            document: self.executor.read_input(bound, request)?,
            control: None,
            tools: calls(bound, None),
            started: Instant::now(),
        };
        let price = startup_fuel(bound.capsule(), request);
        let mut host: Host = self.executor.host(&job);
        host.deadline = job.started + self.time_max;
        host.recorder = Some(Box::new(Recorder::new(bound.limits().fuel, price)));
        let (mut ended, frames) = Run::new(Arc::new(compiled), bound, host).observed(price);
        let frames = frames.into_iter();
        let frames = frames.filter(|(function, _)| module.is_capsules(*function));
        let frames = frames.map(|(function, offset)| Frame {
            function,
            offset: offset.and_then(|offset| module.capsule_offset(function, offset)),
        });
        let observation = recorded(&mut ended, frames.collect());
        let engine = crate::receipts::ENGINE;
        let outcome = ended.outcome(engine, bound, request, job.started.elapsed());
        Ok((observation, outcome))
    }
}

fn recorded(ended: &mut Ended, frames: Vec<Frame>) -> Observation {
    let recorder = ended.host.recorder.take();
    let recorded = recorder.map(|recorder| recorder.finish(ended.fuel_left));
    Observation {
        frames,
        abort: ended.host.abort.clone(),
        ..recorded.unwrap_or_default()
    }
}

fn refused(error: impl std::fmt::Display) -> ExecuteError {
    ExecuteError::Compile {
        reason: error.to_string().chars().take(200).collect(),
    }
}

/// Whether the two are one run, by all that a claim has of it.
fn same(observed: &Outcome, sealed: &Outcome) -> Result<(), ObserveError> {
    let differs = |member, observed: String, sealed: String| ObserveError::Differs {
        member,
        observed,
        sealed,
    };
    if let Some(unlike) = &observed.called.unlike {
        let asked = format!("{:?}", unlike.asked).chars().take(200).collect();
        return Err(differs("call of a tool", asked, "another".to_owned()));
    }
    if observed.ending != sealed.ending {
        let words = |outcome: &Outcome| outcome.status().name().to_owned();
        return Err(differs("ending", words(observed), words(sealed)));
    }
    if observed.usage != sealed.usage {
        let fuel = |outcome: &Outcome| format!("{} fuel", outcome.usage.fuel);
        return Err(differs("usage", fuel(observed), fuel(sealed)));
    }
    Ok(())
}
