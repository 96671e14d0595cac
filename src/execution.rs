//! Execution: a bound capsule and a request become an [`Outcome`].
//!
//! Enters: a [`BoundCapsule`], which nothing but the sandbox makes, and a [`Request`].
//! Leaves: an [`Outcome`], for every way a run can end.
//! Refuses: an input that is too large or not strict JSON, a capsule that the engine cannot compile. Nothing runs then.
//!
//! Every run has a fresh instance. The wall clock and the system's randomness cannot be reached from it; the only
//! clock and the only seed are the request's. The wall clock stops a run that overstays, and such a run is `aborted`.

pub(crate) mod cache;
mod compiled;
mod ended;
mod engine;
mod host;
mod interpreter;
mod memory;
mod native;
mod run;
mod slots;
mod start;
mod traps;

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenzik_receipt::{InputType, Label};

use crate::capability::{Capability, HostFunction};
use crate::config::{RuntimeConfig, SecurityConfig};
use crate::json::{Document, JsonError};
use crate::metering::meter;
use crate::outcome::{Outcome, Request};
use crate::rules::{Metering, startup_fuel};
use crate::sandbox::BoundCapsule;
use crate::validation::ValidatedCapsule;

pub use engine::{ENGINE_VERSION, EngineError};

use cache::Cache;
use compiled::Compiled;
use host::Host;
use interpreter::{Interpreted, Interpreter};
use native::Native;
use run::Run;
use slots::Slots;

/// The largest input of any host, 1 GiB: a capsule is told its length as an `i32`.
const INPUT_BYTES_MAX: u32 = 1024 * 1024 * 1024;

/// Why nothing ran.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExecuteError {
    /// The engine does not take the capsule.
    #[error("the engine does not compile the capsule: {reason}")]
    Compile {
        /// What the engine says, at most 200 characters of it.
        reason: String,
    },
    /// The input is not strict JSON.
    #[error("the input is not strict JSON: {0}")]
    Input(#[from] JsonError),
    /// The input is larger than the host takes.
    #[error("the input has {bytes} bytes, {allowed} are allowed")]
    InputSize {
        /// Its size.
        bytes: usize,
        /// The most that is taken.
        allowed: u32,
    },
}

impl ExecuteError {
    /// The code that stands in a refusal's receipt.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Compile { .. } => "compile",
            Self::Input(_) => "input_json",
            Self::InputSize { .. } => "input_size",
        }
    }

    /// What the caller can do about it.
    pub const fn remedy(&self) -> &'static str {
        match self {
            Self::Compile { .. } => "report the capsule: validation should have refused it",
            Self::Input(_) => "send strict JSON, or use the input type `bytes`",
            Self::InputSize { .. } => "send less, or raise the host's limit",
        }
    }
}

/// Runs bound capsules. Cheap to share: all methods take `&self`, from any number of threads.
pub struct Executor {
    backend: Backend,
    compiled: Cache<Result<Arc<Code>, ExecuteError>>,
    slots: Slots,
    input_bytes_max: u32,
    debugging: bool,
}

/// What runs capsules.
enum Backend {
    Native(Native),
    Interpreter(Interpreter),
}

/// A capsule as its backend runs it.
enum Code {
    Native(Compiled),
    Interpreted(Interpreted),
}

impl Executor {
    /// Sets up an engine.
    ///
    /// # Errors
    /// [`EngineError`], for instance if the system has no address space for so many instances.
    pub fn new(security: &SecurityConfig, runtime: &RuntimeConfig) -> Result<Self, EngineError> {
        Self::with_metering(security, runtime, Metering::default())
    }

    /// Sets up an engine that counts as it did for receipts of old.
    pub(crate) fn with_metering(
        security: &SecurityConfig,
        runtime: &RuntimeConfig,
        metering: Metering,
    ) -> Result<Self, EngineError> {
        let native = Native::new(security, runtime, metering)?;
        Ok(Self::on(Backend::Native(native), security, runtime))
    }

    /// Sets up the interpreter instead: another engine, which gives the same claims. It is slower where a capsule
    /// computes, and compiles sooner. How instances get their memory is no matter to it.
    pub fn interpreting(security: &SecurityConfig, runtime: &RuntimeConfig) -> Self {
        Self::on(Backend::Interpreter(Interpreter::new()), security, runtime)
    }

    fn on(backend: Backend, security: &SecurityConfig, runtime: &RuntimeConfig) -> Self {
        Self {
            backend,
            compiled: Cache::new(runtime.cache_entries_max),
            slots: Slots::new(runtime.instances_max.max(1)),
            input_bytes_max: security.input_bytes_max,
            debugging: security.enable_debugging,
        }
    }

    /// Compiles a capsule ahead of its first run.
    ///
    /// # Errors
    /// [`ExecuteError::Compile`].
    pub fn prepare(&self, capsule: &ValidatedCapsule) -> Result<(), ExecuteError> {
        self.compiled(capsule).map(|_| ())
    }

    /// Runs a capsule once. Blocks until a place is free and the run has ended.
    ///
    /// # Errors
    /// [`ExecuteError`] if nothing ran. A trap, a limit or a stop by the clock is an [`Outcome`].
    pub fn execute(
        &self,
        bound: &BoundCapsule,
        request: &Request,
    ) -> Result<Outcome, ExecuteError> {
        self.check_size(request)?;
        let code = self.compiled(bound.capsule())?;
        // The index of an input is larger than the input, so only those that run have one.
        let _slot = self.slots.acquire();
        let document = self.read_input(bound, request)?;
        let started = Instant::now();
        let host = self.host(bound, request, document, started);
        let price = startup_fuel(bound.capsule(), request);
        let ended = match &*code {
            Code::Native(compiled) => Run::new(compiled, bound, host).end(price),
            Code::Interpreted(module) => module.run(host, price, &mut || ControlFlow::Continue(())),
        };
        Ok(ended.outcome(code.engine(), bound, request, started.elapsed()))
    }

    fn host(
        &self,
        bound: &BoundCapsule,
        request: &Request,
        document: Option<Arc<Document>>,
        started: Instant,
    ) -> Host {
        let limits = *bound.limits();
        let deadline = started + Duration::from_millis(limits.time_ms.into());
        let mut host = Host::new(request, document, bound.capsule().text(), limits, deadline);
        host.debugging = self.debugging;
        host
    }

    fn check_size(&self, request: &Request) -> Result<(), ExecuteError> {
        let (bytes, allowed) = (
            request.input.len(),
            self.input_bytes_max.min(INPUT_BYTES_MAX),
        );
        if bytes > allowed as usize {
            return Err(ExecuteError::InputSize { bytes, allowed });
        }
        Ok(())
    }

    /// Checks the input, and indexes it for a capsule that looks into it and can pay for that.
    fn read_input(
        &self,
        bound: &BoundCapsule,
        request: &Request,
    ) -> Result<Option<Arc<Document>>, ExecuteError> {
        if request.input_type == InputType::Bytes {
            return Ok(None);
        }
        let pays = startup_fuel(bound.capsule(), request) <= bound.limits().fuel;
        if pays && bound.capsule().imports().iter().any(looks_into_input) {
            let document = Document::parse(Arc::clone(&request.input))?;
            return Ok(Some(Arc::new(document)));
        }
        crate::json::check(&request.input)?;
        Ok(None)
    }

    fn compiled(&self, capsule: &ValidatedCapsule) -> Result<Arc<Code>, ExecuteError> {
        let compiled = self
            .compiled
            .get_or_make(capsule.id(), || self.compile(capsule));
        if compiled.is_err() {
            // Validation has accepted it, so this may be the system's doing, and pass.
            self.compiled.forget_if(capsule.id(), Result::is_err);
        }
        compiled
    }

    /// Compiles; a panic of the compiler is an error like any other.
    fn compile(&self, capsule: &ValidatedCapsule) -> Result<Arc<Code>, ExecuteError> {
        let compiled = catch_unwind(AssertUnwindSafe(|| self.backend.compile(capsule)));
        let refused = |reason: String| ExecuteError::Compile {
            reason: reason.chars().take(200).collect(),
        };
        match compiled {
            Ok(Ok(compiled)) => Ok(Arc::new(compiled)),
            Ok(Err(reason)) => Err(refused(reason)),
            Err(_) => Err(refused("the compiler panicked".to_owned())),
        }
    }
}

impl Code {
    fn engine(&self) -> Label {
        match self {
            Self::Native(_) => crate::receipts::ENGINE,
            Self::Interpreted(_) => interpreter::ENGINE,
        }
    }
}

impl Backend {
    fn compile(&self, capsule: &ValidatedCapsule) -> Result<Code, String> {
        match self {
            Self::Native(native) => Compiled::new(native, capsule)
                .map(Code::Native)
                .map_err(|error| format!("{error:#}")),
            Self::Interpreter(interpreter) => interpreter
                .prepare(meter(capsule).map_err(|error| error.to_string())?.bytes())
                .map(Code::Interpreted)
                .map_err(|error| error.to_string()),
        }
    }
}

fn looks_into_input(function: &HostFunction) -> bool {
    let numbers = matches!(function, HostFunction::NumFormat | HostFunction::NumParse);
    function.import().capability == Some(Capability::Json) && !numbers
}
