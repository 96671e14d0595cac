//! What is kept of a capsule between its runs: the module that counts, and what the engines made of it.
//!
//! Enters: a valid capsule. Leaves: code for one of the engines. Refuses: what an engine does not take, which is nothing
//! that validation accepted.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use super::ExecuteError;
use super::compiled::Compiled;
use super::disk::Disk;
use super::engine::{EngineError, Stop};
use super::interpreter::{Interpreted, Interpreter};
use super::native::Native;
use crate::config::RuntimeConfig;
use crate::metering::{MeteredModule, meter};
use crate::rules::Metering;
use crate::validation::ValidatedCapsule;

/// How many capsules may wait for the thread that compiles. Those beyond are interpreted until there is room.
const WAITING_MAX: usize = 64;

/// wasmtime, once for each way to stop a run; each is set up when it is needed first.
pub(super) struct Natives {
    by_clock: OnceLock<Native>,
    by_fuel: OnceLock<Native>,
    /// Where compiled code is kept, if it is.
    disk: Option<Arc<Disk>>,
    memory_pages_max: u32,
    metering: Metering,
    runtime: RuntimeConfig,
}

impl Natives {
    /// Sets up the one that most runs need, and the directory for compiled code.
    pub(super) fn new(
        memory_pages_max: u32,
        runtime: &RuntimeConfig,
        metering: Metering,
    ) -> Result<Self, EngineError> {
        let open = |path: &PathBuf| Disk::open(path, runtime.code_dir_bytes_max);
        let disk = runtime.code_dir.as_ref().map(open).transpose()?;
        let natives = Self {
            disk: disk.map(Arc::new),
            by_clock: OnceLock::new(),
            by_fuel: OnceLock::new(),
            memory_pages_max,
            metering,
            runtime: runtime.clone(),
        };
        natives.of(natives.stop(Stop::Fuel))?;
        Ok(natives)
    }

    /// The engine's own fuel is counted where the clock is looked at too.
    pub(super) fn stop(&self, stop: Stop) -> Stop {
        match self.metering {
            Metering::EngineFuel => Stop::Clock,
            Metering::Module => stop,
        }
    }

    fn of(&self, stop: Stop) -> Result<&Native, EngineError> {
        let place = match stop {
            Stop::Clock => &self.by_clock,
            Stop::Fuel => &self.by_fuel,
        };
        if let Some(native) = place.get() {
            return Ok(native);
        }
        // Two at once may both set one up; the later is dropped.
        let native = Native::new(
            self.memory_pages_max,
            &self.runtime,
            self.metering,
            stop,
            self.disk.as_ref(),
        )?;
        Ok(place.get_or_init(|| native))
    }
}

type Made<T> = Result<Arc<T>, ExecuteError>;

/// A capsule, and what the engines made of it so far.
pub(super) struct Prepared {
    capsule: ValidatedCapsule,
    module: MeteredModule,
    by_clock: Place,
    by_fuel: Place,
    /// Until there is native code.
    interpreted: Mutex<Option<Arc<Interpreted>>>,
}

/// Native code of one kind.
#[derive(Default)]
struct Place {
    code: OnceLock<Made<Compiled>>,
    /// Whether the thread that compiles was asked for it.
    asked: AtomicBool,
    /// Whether somebody has looked for it on the disk; once is enough.
    looked: AtomicBool,
}

impl Prepared {
    pub(super) fn new(capsule: &ValidatedCapsule) -> Result<Self, ExecuteError> {
        let module = made(|| meter(capsule).map_err(|error| error.to_string()))?;
        Ok(Self {
            capsule: capsule.clone(),
            module: Arc::unwrap_or_clone(module),
            by_clock: Place::default(),
            by_fuel: Place::default(),
            interpreted: Mutex::new(None),
        })
    }

    fn place(&self, stop: Stop) -> &Place {
        match stop {
            Stop::Clock => &self.by_clock,
            Stop::Fuel => &self.by_fuel,
        }
    }

    /// The native code, if there is some by now.
    pub(super) fn ready(&self, stop: Stop) -> Option<Arc<Compiled>> {
        self.place(stop).code.get()?.as_ref().ok().cloned()
    }

    /// The native code, if the disk has it: for a run that would not wait for the compiler.
    pub(super) fn stored(&self, natives: &Natives, stop: Stop) -> Option<Arc<Compiled>> {
        natives.disk.as_ref()?;
        let place = self.place(stop);
        if place.looked.swap(true, Ordering::Relaxed) {
            return None;
        }
        let loaded = made(|| {
            let native = natives.of(stop).map_err(|error| error.to_string())?;
            let stored = Compiled::stored(native, &self.module).transpose();
            stored.map_err(|error| format!("{error:#}"))
        });
        let loaded = Arc::into_inner(loaded.ok()?)??;
        // Whoever compiles it meanwhile is waited for: he is about to be done, or has found the same.
        let loaded = place.code.get_or_init(|| Ok(Arc::new(loaded)));
        loaded.as_ref().ok().cloned()
    }

    /// The native code, compiled now if there is none. Whoever else wants it waits.
    pub(super) fn compiled(&self, natives: &Natives, stop: Stop) -> Made<Compiled> {
        let compiled = self.place(stop).code.get_or_init(|| {
            made(|| {
                let native = natives.of(stop).map_err(|error| error.to_string())?;
                let compiled = match natives.metering {
                    Metering::Module => Compiled::metered(native, &self.module),
                    Metering::EngineFuel => Compiled::unmetered(native, &self.capsule),
                };
                compiled.map_err(|error| format!("{error:#}"))
            })
        });
        if compiled.is_ok() {
            *self.lock() = None;
        }
        compiled.clone()
    }

    /// The interpreter's code, made now if there is none.
    pub(super) fn interpreted(&self, interpreter: &Interpreter) -> Made<Interpreted> {
        let mut interpreted = self.lock();
        if let Some(interpreted) = &*interpreted {
            return Ok(Arc::clone(interpreted));
        }
        let prepared = made(|| {
            let prepared = interpreter.prepare(self.module.bytes());
            prepared.map_err(|error| error.to_string())
        })?;
        *interpreted = Some(Arc::clone(&prepared));
        Ok(prepared)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Interpreted>>> {
        // What it holds is whole or not there.
        self.interpreted
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes something; a panic of an engine is an error like any other.
fn made<T>(make: impl FnOnce() -> Result<T, String>) -> Made<T> {
    let refused = |reason: String| ExecuteError::Compile {
        reason: reason.chars().take(200).collect(),
    };
    match catch_unwind(AssertUnwindSafe(make)) {
        Ok(made) => made.map(Arc::new).map_err(refused),
        Err(_) => Err(refused("the compiler panicked".to_owned())),
    }
}

/// The thread that compiles while others interpret. It is started when there is something to do, and ends with the executor.
#[derive(Default)]
pub(super) struct Background(OnceLock<Option<SyncSender<Job>>>);

struct Job {
    prepared: Arc<Prepared>,
    natives: Arc<Natives>,
    stop: Stop,
}

impl Background {
    /// Asks for the native code of a capsule, if nobody has.
    pub(super) fn compile(&self, prepared: &Arc<Prepared>, natives: &Arc<Natives>, stop: Stop) {
        let asked = &prepared.place(stop).asked;
        if asked.swap(true, Ordering::Relaxed) {
            return;
        }
        let job = Job {
            prepared: Arc::clone(prepared),
            natives: Arc::clone(natives),
            stop,
        };
        let sender = self.0.get_or_init(start);
        let sent = sender
            .as_ref()
            .is_some_and(|sender| sender.try_send(job).is_ok());
        if !sent {
            // The next run asks again.
            asked.store(false, Ordering::Relaxed);
        }
    }
}

/// Without a thread everything is interpreted, and gives the same claims.
fn start() -> Option<SyncSender<Job>> {
    let (sender, jobs) = sync_channel(WAITING_MAX);
    let thread = thread::Builder::new().name("tenzik-compile".to_owned());
    thread.spawn(move || work(&jobs)).ok()?;
    Some(sender)
}

fn work(jobs: &Receiver<Job>) {
    for job in jobs {
        // What went wrong is told to the next run that wants this code.
        let _ = job.prepared.compiled(&job.natives, job.stop);
    }
}
