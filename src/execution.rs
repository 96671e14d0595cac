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
mod disk;
mod ended;
mod engine;
mod host;
mod interpreter;
mod memory;
mod native;
mod observe;
mod prepared;
mod ready;
mod run;
mod slots;
mod start;
mod traps;

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tenzik_receipt::{InputType, Label};

use crate::capability::{Capability, HostFunction};
use crate::config::{Engines, RuntimeConfig, SecurityConfig};
use crate::control::{Control, Phase};
use crate::gateway::Calls;
use crate::json::{Document, JsonError};
use crate::outcome::{AbortCode, Ending, Outcome, Request};
use crate::rules::{Metering, startup_fuel};
use crate::sandbox::BoundCapsule;
use crate::validation::ValidatedCapsule;

pub use disk::{CodeDirError, check_code_dir};
pub use engine::{ENGINE_VERSION, EngineError};
pub use observe::{ObserveError, Observer, is_built_for_debugging};
pub use ready::{Ready, ReadyError};

use cache::Cache;
use compiled::Compiled;
use ended::Ended;
use engine::Stop;
use host::{Exit, Host};
use interpreter::{Interpreted, Interpreter};
use prepared::{Background, Natives, Prepared};
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
    /// At least one of the two is there.
    natives: Option<Arc<Natives>>,
    interpreter: Option<Interpreter>,
    /// Whether a capsule without native code is interpreted.
    interprets_first: bool,
    background: Background,
    prepared: Cache<Result<Arc<Prepared>, ExecuteError>>,
    slots: Slots,
    input_bytes_max: u32,
    debugging: bool,
}

/// What a run is of.
struct Job<'a> {
    bound: &'a BoundCapsule,
    request: &'a Request,
    document: Option<Arc<Document>>,
    control: Option<&'a Control>,
    /// The way to tools, where it has one.
    tools: Option<Arc<Mutex<Calls>>>,
    started: Instant,
}

/// A capsule as an engine runs it.
enum Code {
    Interpreted(Arc<Interpreted>),
    Native(Arc<Compiled>),
}

impl Executor {
    /// Sets up the engines.
    ///
    /// # Errors
    /// [`EngineError`], for instance if the system has no address space for so many instances, or others can get at the directory
    /// for compiled code.
    pub fn new(security: &SecurityConfig, runtime: &RuntimeConfig) -> Result<Self, EngineError> {
        Self::with_metering(security, runtime, Metering::default())
    }

    /// Sets up an engine that counts as it did for receipts of old.
    pub(crate) fn with_metering(
        security: &SecurityConfig,
        runtime: &RuntimeConfig,
        metering: Metering,
    ) -> Result<Self, EngineError> {
        // Only wasmtime counts as wasmtime does.
        let engines = match metering {
            Metering::EngineFuel => Engines::Wasmtime,
            Metering::Module => runtime.engines,
        };
        let natives = || Natives::new(security.limits_max.memory_pages, runtime, metering);
        Ok(Self {
            natives: match engines {
                Engines::Wasmi => None,
                Engines::Both | Engines::Wasmtime => Some(Arc::new(natives()?)),
            },
            // Also beside native code: for runs that its stack has no room for.
            interpreter: (metering == Metering::Module).then(Interpreter::new),
            interprets_first: engines != Engines::Wasmtime,
            background: Background::default(),
            prepared: Cache::new(runtime.cache_entries_max),
            slots: Slots::new(runtime.instances_max.max(1)),
            input_bytes_max: security.input_bytes_max,
            debugging: security.enable_debugging,
        })
    }

    /// What runs nothing by itself, and sets up runs to be looked at.
    fn observing(security: &SecurityConfig) -> Self {
        Self {
            natives: None,
            interpreter: None,
            interprets_first: false,
            background: Background::default(),
            prepared: Cache::new(0),
            slots: Slots::new(1),
            input_bytes_max: security.input_bytes_max,
            debugging: true,
        }
    }

    /// Makes a capsule ready ahead of its first run, with native code if there is to be any.
    ///
    /// # Errors
    /// [`ExecuteError::Compile`].
    pub fn prepare(&self, capsule: &ValidatedCapsule) -> Result<(), ExecuteError> {
        let prepared = self.prepared(capsule)?;
        match (&self.natives, &self.interpreter) {
            (Some(natives), _) => self
                .compiled(capsule, &prepared, natives, Stop::Fuel)
                .map(drop),
            (None, Some(interpreter)) => prepared.interpreted(interpreter).map(drop),
            (None, None) => Ok(()),
        }
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
        self.execute_controlled(bound, request, None)
    }

    /// Makes an instance, to be run later: with native code, which is compiled now if there is none. It holds a place, so it
    /// does not wait for one.
    ///
    /// # Errors
    /// [`ReadyError`]. A run that cannot pay its start is ready, and ends when it is run.
    pub fn ready<'a>(
        &'a self,
        bound: &'a BoundCapsule,
        request: &'a Request,
    ) -> Result<Ready<'a>, ReadyError> {
        self.check_size(request)?;
        let natives = self.natives.as_ref().ok_or(ReadyError::Interpreter)?;
        let prepared = self.prepared(bound.capsule())?;
        let stop = Stop::of(bound.limits());
        let compiled = self.compiled(bound.capsule(), &prepared, natives, stop)?;
        let places = self.slots.count();
        let slot = self.slots.try_acquire();
        let slot = slot.ok_or(ReadyError::NoPlace { places })?;
        let job = Job {
            bound,
            request,
            document: self.read_input(bound, request)?,
            control: None,
            tools: calls(bound, None),
            started: Instant::now(),
        };
        let run = Run::new(compiled, bound, self.host(&job));
        let price = startup_fuel(bound.capsule(), request);
        Ready::new(run, request, price, slot, job.started).map_err(|error| ReadyError::NoRoom {
            reason: format!("{error:#}"),
        })
    }

    /// As [`execute`](Self::execute), with a caller who looks on and may cancel.
    pub(crate) fn execute_controlled(
        &self,
        bound: &BoundCapsule,
        request: &Request,
        control: Option<&Control>,
    ) -> Result<Outcome, ExecuteError> {
        self.check_size(request)?;
        let prepared = self.prepared(bound.capsule())?;
        let stop = Stop::of(bound.limits());
        let code = self.code(bound.capsule(), &prepared, stop)?;
        // The index of an input is larger than the input, so only those that run have one.
        let _slot = self.slots.acquire();
        let job = Job {
            bound,
            request,
            document: self.read_input(bound, request)?,
            control,
            tools: calls(bound, control),
            started: Instant::now(),
        };
        if let Some(control) = control {
            control.enter(Phase::Running);
        }
        let (ended, engine) = match code {
            Code::Native(compiled) => self.run(compiled, &prepared, &job)?,
            Code::Interpreted(module) => self.interpret(&module, &prepared, stop, &job)?,
        };
        Ok(ended.outcome(engine, bound, request, job.started.elapsed()))
    }

    /// What the capsule runs as: native code where there is some, or where nothing else is there to run it.
    fn code(
        &self,
        capsule: &ValidatedCapsule,
        prepared: &Arc<Prepared>,
        stop: Stop,
    ) -> Result<Code, ExecuteError> {
        if let Some(natives) = &self.natives {
            let stop = natives.stop(stop);
            if let Some(compiled) = prepared.ready(stop) {
                return Ok(Code::Native(compiled));
            }
            if !self.interprets_first {
                let compiled = self.compiled(capsule, prepared, natives, stop);
                return compiled.map(Code::Native);
            }
            if let Some(compiled) = prepared.stored(natives, stop) {
                return Ok(Code::Native(compiled));
            }
            self.background.compile(prepared, natives, stop);
        }
        let interpreter = self.interpreter.as_ref().ok_or(ExecuteError::Compile {
            reason: "there is no engine".to_owned(),
        })?;
        prepared.interpreted(interpreter).map(Code::Interpreted)
    }

    /// Runs native code. Where a frame takes more of the native stack than its units say, because the compiler keeps in it what no
    /// local and no operand holds, the run begins again in the interpreter, whose stack is as large as the metering's.
    fn run(
        &self,
        compiled: Arc<Compiled>,
        prepared: &Prepared,
        job: &Job<'_>,
    ) -> Result<(Ended, Label), ExecuteError> {
        let price = startup_fuel(job.bound.capsule(), job.request);
        let mut run = Run::new(compiled, job.bound, self.host(job));
        let instance = run.instantiate(price);
        let ended = run.end(instance);
        let overflowed = ended.ending == Ending::Aborted(AbortCode::NativeStack);
        let Some(interpreter) = self.interpreter.as_ref().filter(|_| overflowed) else {
            return Ok((in_time(ended), crate::receipts::ENGINE));
        };
        let module = prepared.interpreted(interpreter)?;
        let ended = module.run(self.host(job), price, &mut || ControlFlow::Continue(()));
        Ok((in_time(ended), interpreter::ENGINE))
    }

    /// Runs in the interpreter, until there is native code: then from the start on that. Nothing but the result of the one that
    /// is finished can be seen of either.
    fn interpret(
        &self,
        module: &Interpreted,
        prepared: &Prepared,
        stop: Stop,
        job: &Job<'_>,
    ) -> Result<(Ended, Label), ExecuteError> {
        let price = startup_fuel(job.bound.capsule(), job.request);
        let mut native = None;
        let ended = module.run(self.host(job), price, &mut || {
            native = self.natives.as_ref().and_then(|_| prepared.ready(stop));
            match native {
                Some(_) => ControlFlow::Break(Exit::HostFailure),
                None => ControlFlow::Continue(()),
            }
        });
        match native {
            Some(compiled) => self.run(compiled, prepared, job),
            None => Ok((in_time(ended), interpreter::ENGINE)),
        }
    }

    fn host(&self, job: &Job<'_>) -> Host {
        let (limits, text) = (*job.bound.limits(), job.bound.capsule().text());
        let deadline = job.started + Duration::from_millis(limits.time_ms.into());
        let mut host = Host::new(job.request, job.document.clone(), text, limits, deadline);
        host.debugging = self.debugging;
        host.control = job.control.cloned();
        host.tools = job.tools.clone();
        if let Some(tools) = &host.tools {
            locked(tools).rewind();
        }
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

    fn prepared(&self, capsule: &ValidatedCapsule) -> Result<Arc<Prepared>, ExecuteError> {
        let make = || Prepared::new(capsule).map(Arc::new);
        let prepared = self.prepared.get_or_make(capsule.id(), make);
        self.forget_refused(capsule, prepared)
    }

    fn compiled(
        &self,
        capsule: &ValidatedCapsule,
        prepared: &Prepared,
        natives: &Natives,
        stop: Stop,
    ) -> Result<Arc<Compiled>, ExecuteError> {
        self.forget_refused(capsule, prepared.compiled(natives, natives.stop(stop)))
    }

    /// Validation has accepted the capsule, so what went wrong may be the system's doing, and pass.
    fn forget_refused<T>(
        &self,
        capsule: &ValidatedCapsule,
        made: Result<T, ExecuteError>,
    ) -> Result<T, ExecuteError> {
        if made.is_err() {
            self.prepared.forget_if(capsule.id(), |_| true);
        }
        made
    }
}

fn calls(bound: &BoundCapsule, control: Option<&Control>) -> Option<Arc<Mutex<Calls>>> {
    let calls = bound.tools()?.open(&control.cloned().unwrap_or_default());
    Some(Arc::new(Mutex::new(calls)))
}

/// A run's calls are whole between their methods, whoever panicked.
fn locked(calls: &Mutex<Calls>) -> std::sync::MutexGuard<'_, Calls> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run that its fuel was to stop and that took longer than its time is aborted like any other.
fn in_time(mut ended: Ended) -> Ended {
    if ended.ending.status().is_deterministic() && Instant::now() >= ended.host.deadline {
        ended.ending = Ending::Aborted(AbortCode::TimeLimit);
    }
    ended
}

fn looks_into_input(function: &HostFunction) -> bool {
    let numbers = matches!(function, HostFunction::NumFormat | HostFunction::NumParse);
    function.import().capability == Some(Capability::Json) && !numbers
}
