//! Execution: a bound capsule and a request become an [`Outcome`].
//!
//! Enters: a [`BoundCapsule`], which nothing but the sandbox makes, and a [`Request`].
//! Leaves: an [`Outcome`], for every way a run can end.
//! Refuses: an input that is too large or not strict JSON, a capsule that the engine cannot compile. Nothing runs then.
//!
//! Every run has a fresh instance. The wall clock and the system's randomness cannot be reached from it; the only
//! clock and the only seed are the request's. The wall clock stops a run that overstays, and such a run is `aborted`.

pub(crate) mod cache;
mod engine;
mod host;
mod memory;
mod slots;
mod start;
mod traps;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tenzik_receipt::InputType;
use wasmtime::{
    Engine, Func, Instance, InstancePre, Linker, Module, ModuleExport, Store, UpdateDeadline,
};

use crate::capability::{Capability, HostFunction};
use crate::config::{RuntimeConfig, SecurityConfig};
use crate::json::{Document, JsonError};
use crate::limits::Limits;
use crate::outcome::{Diagnostics, Ending, Outcome, Request, Usage};
use crate::rules::startup_fuel;
use crate::sandbox::BoundCapsule;
use crate::validation::ValidatedCapsule;

pub use engine::{ENGINE_VERSION, EngineError};

use cache::Cache;
use host::{Exit, Host};
use slots::Slots;

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
    engine: Engine,
    linker: Linker<Host>,
    compiled: Cache<Result<Arc<Compiled>, ExecuteError>>,
    slots: Slots,
    input_bytes_max: u32,
    debugging: bool,
}

/// A compiled capsule with its imports resolved.
struct Compiled {
    instance: InstancePre<Host>,
    memory: ModuleExport,
    run: ModuleExport,
    start: Option<ModuleExport>,
    /// The module as it was compiled, to see which instruction trapped.
    module: Vec<u8>,
    code_shift: i64,
}

impl Executor {
    /// Sets up an engine.
    ///
    /// # Errors
    /// [`EngineError`], for instance if the system has no address space for so many instances.
    pub fn new(security: &SecurityConfig, runtime: &RuntimeConfig) -> Result<Self, EngineError> {
        let engine = engine::engine(runtime, security.limits_max.memory_pages)?;
        let mut linker = Linker::new(&engine);
        host::link(&mut linker).map_err(|error| EngineError {
            reason: format!("{error:#}"),
        })?;
        Ok(Self {
            engine,
            linker,
            compiled: Cache::new(runtime.cache_entries_max),
            slots: Slots::new(runtime.instances_max.max(1)),
            input_bytes_max: security.input_bytes_max,
            debugging: security.enable_debugging,
        })
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
        let document = self.read_input(bound.capsule(), request)?;
        let compiled = self.compiled(bound.capsule())?;
        let _slot = self.slots.acquire();
        let started = Instant::now();
        let mut run = Run::new(self, &compiled, bound, request, document, started);
        let ending = run.end();
        Ok(run.outcome(bound, request, ending, started.elapsed()))
    }

    /// Checks the input, and indexes it for a capsule that looks into it.
    fn read_input(
        &self,
        capsule: &ValidatedCapsule,
        request: &Request,
    ) -> Result<Option<Arc<Document>>, ExecuteError> {
        let bytes = request.input.len();
        if bytes > self.input_bytes_max as usize {
            return Err(ExecuteError::InputSize {
                bytes,
                allowed: self.input_bytes_max,
            });
        }
        let reads = |function: &HostFunction| {
            function.import().capability == Some(Capability::Json)
                && *function != HostFunction::NumFormat
        };
        if request.input_type == InputType::Bytes {
            return Ok(None);
        }
        if capsule.imports().iter().any(reads) {
            let document = Document::parse(Arc::clone(&request.input))?;
            return Ok(Some(Arc::new(document)));
        }
        crate::json::check(&request.input)?;
        Ok(None)
    }

    fn compiled(&self, capsule: &ValidatedCapsule) -> Result<Arc<Compiled>, ExecuteError> {
        self.compiled.get_or_make(capsule.id(), || {
            Compiled::new(self, capsule.bytes())
                .map(Arc::new)
                .map_err(|error| ExecuteError::Compile {
                    reason: format!("{error:#}").chars().take(200).collect(),
                })
        })
    }
}

impl Compiled {
    fn new(executor: &Executor, capsule: &[u8]) -> wasmtime::Result<Self> {
        let startable = start::startable(capsule)?;
        let module = Module::new(&executor.engine, &startable.bytes)?;
        let export = |name| {
            module
                .get_export_index(name)
                .ok_or_else(|| wasmtime::Error::msg("an export is missing"))
        };
        Ok(Self {
            memory: export("memory")?,
            run: export("run")?,
            start: module.get_export_index(start::START_EXPORT),
            instance: executor.linker.instantiate_pre(&module)?,
            code_shift: startable.shift,
            module: startable.bytes.into_owned(),
        })
    }

    /// The offset in the capsule of an offset in the compiled module.
    fn capsule_offset(&self, offset: usize) -> Option<usize> {
        usize::try_from(i64::try_from(offset).ok()? - self.code_shift).ok()
    }
}

/// Fuel that the engine has beyond the limit, so that none left means too much used.
///
/// The engine looks at its counter where functions and loops begin, not where they end, and stops already at zero there.
/// Without this a run could use more than its limit unseen, or be stopped with exactly its limit used.
const FUEL_SPARE: u64 = 1;

/// One run, from its store to its figures.
struct Run<'a> {
    compiled: &'a Compiled,
    store: Store<Host>,
    returns_code: bool,
    startup_fuel: u64,
    trap_offset: Option<usize>,
}

impl<'a> Run<'a> {
    fn new(
        executor: &Executor,
        compiled: &'a Compiled,
        bound: &'a BoundCapsule,
        request: &Request,
        document: Option<Arc<Document>>,
        started: Instant,
    ) -> Self {
        let (capsule, limits) = (bound.capsule(), *bound.limits());
        let deadline = started + Duration::from_millis(limits.time_ms.into());
        let mut host = Host::new(
            request,
            document,
            capsule.text(),
            limits,
            compiled.memory,
            deadline,
        );
        host.debugging = executor.debugging;
        let mut store = Store::new(&executor.engine, host);
        store.limiter(|host| host);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            if Instant::now() >= context.data().deadline {
                return Err(Exit::TimeLimit.into());
            }
            Ok(UpdateDeadline::Continue(1))
        });
        Self {
            compiled,
            store,
            returns_code: capsule.run_returns_code(),
            startup_fuel: startup_fuel(capsule, request),
            trap_offset: None,
        }
    }

    fn end(&mut self) -> Ending {
        match self.call() {
            Ok(_) if self.fuel_left().is_none() => Ending::OutOfFuel,
            Ok(0) => self.store.data_mut().finish(),
            Ok(code) => Ending::Exited(code),
            Err(error) => {
                let offset = traps::offset(&error);
                self.trap_offset = offset.and_then(|offset| self.compiled.capsule_offset(offset));
                traps::ending(&error, &self.compiled.module)
            }
        }
    }

    /// Makes the instance, then calls the start function and `run`.
    fn call(&mut self) -> wasmtime::Result<i32> {
        let fuel = self.store.data().limits.fuel;
        let left = fuel.checked_sub(self.startup_fuel).ok_or(Exit::OutOfFuel)?;
        // Setting up is paid for already. What the engine counts for it is the engine's and the system's business.
        self.store.set_fuel(u64::MAX)?;
        let instance = self.compiled.instance.instantiate(&mut self.store)?;
        self.store.set_fuel(left.saturating_add(FUEL_SPARE))?;
        if let Some(start) = &self.compiled.start {
            let start = self.function(&instance, start)?;
            start
                .typed::<(), ()>(&self.store)?
                .call(&mut self.store, ())?;
        }
        let run = self.function(&instance, &self.compiled.run)?;
        if self.returns_code {
            return run.typed::<(), i32>(&self.store)?.call(&mut self.store, ());
        }
        run.typed::<(), ()>(&self.store)?
            .call(&mut self.store, ())?;
        Ok(0)
    }

    fn function(&mut self, instance: &Instance, export: &ModuleExport) -> Result<Func, Exit> {
        instance
            .get_module_export(&mut self.store, export)
            .and_then(wasmtime::Extern::into_func)
            .ok_or(Exit::HostFailure)
    }

    /// The fuel that is left, if not more was used than there was.
    fn fuel_left(&self) -> Option<u64> {
        let left = self.store.get_fuel().unwrap_or(0);
        left.checked_sub(FUEL_SPARE)
    }

    fn outcome(
        mut self,
        bound: &BoundCapsule,
        request: &Request,
        ending: Ending,
        wall: Duration,
    ) -> Outcome {
        let fuel = match ending {
            Ending::Ok(_) | Ending::Exited(_) | Ending::Failed(_) | Ending::FailedByAbort => {
                let limits: &Limits = bound.limits();
                limits.fuel - self.fuel_left().unwrap_or(0)
            }
            // A counter kept in a register is lost on a trap; this way every engine agrees.
            _ => bound.limits().fuel,
        };
        let host = self.store.data_mut();
        Outcome {
            capsule: bound.capsule().id(),
            terms: Arc::clone(bound.terms()),
            request: request.clone(),
            usage: Usage {
                fuel,
                memory_pages_peak: host.memory_pages_peak,
                host_calls: host.calls,
            },
            diagnostics: Diagnostics {
                trap_offset: self.trap_offset.filter(|_| host.debugging),
                abort: host.abort.take(),
            },
            ending,
            wall,
        }
    }
}
