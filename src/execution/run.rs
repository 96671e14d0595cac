//! One run, from its store to its figures.
//!
//! Enters: a compiled capsule, its terms and a request that was read. Leaves: an [`Outcome`].
//! Refuses: nothing; whatever happens in a run is one of its endings.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Extern, Func, Global, Instance, ModuleExport, Store, UpdateDeadline, Val};

use super::compiled::{Compiled, Counters};
use super::host::{Exit, Host};
use super::native::{Fuel, State};
use super::{Executor, traps};
use crate::json::Document;
use crate::metering;
use crate::outcome::{Diagnostics, Ending, Outcome, Request, Usage};
use crate::rules::{output_fuel, startup_fuel};
use crate::sandbox::BoundCapsule;

/// A run that is under way.
pub(super) struct Run<'a> {
    compiled: &'a Compiled,
    bound: &'a BoundCapsule,
    store: Store<State>,
    startup_fuel: u64,
    /// Where a metered module says why it trapped.
    reason: Option<Global>,
    trap_offset: Option<usize>,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        executor: &Executor,
        compiled: &'a Compiled,
        bound: &'a BoundCapsule,
        request: &Request,
        document: Option<Arc<Document>>,
        started: Instant,
    ) -> Self {
        let (capsule, limits) = (bound.capsule(), *bound.limits());
        let deadline = started + Duration::from_millis(limits.time_ms.into());
        let mut host = Host::new(request, document, capsule.text(), limits, deadline);
        host.debugging = executor.debugging;
        let mut store = Store::new(&executor.engine, State::new(host));
        if matches!(compiled.counters, Counters::Engine { .. }) {
            store.limiter(|state| state);
        }
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|context| {
            if Instant::now() >= context.data().host.deadline {
                return Err(Exit::TimeLimit.into());
            }
            Ok(UpdateDeadline::Continue(1))
        });
        Self {
            compiled,
            bound,
            store,
            reason: None,
            startup_fuel: startup_fuel(capsule, request),
            trap_offset: None,
        }
    }

    pub(super) fn end(&mut self) -> Ending {
        match self.call() {
            Ok(_) if self.fuel_left().is_none() => Ending::OutOfFuel,
            Ok(0) => self.finish(),
            Ok(code) => Ending::Exited(code),
            Err(error) => {
                if self.store.data().host.debugging {
                    let capsule = self.bound.capsule();
                    self.trap_offset = self.compiled.trap_offset(capsule, &error);
                }
                self.ending_of(&error)
            }
        }
    }

    fn ending_of(&mut self, error: &wasmtime::Error) -> Ending {
        match &self.compiled.counters {
            Counters::Engine { module, .. } => traps::ending_unmetered(error, module),
            Counters::Module { .. } => {
                let reason = self
                    .reason
                    .and_then(|global| global.get(&mut self.store).i32());
                traps::ending_metered(error, reason.and_then(metering::Exit::of))
            }
        }
    }

    /// Pays for the check of the output, and makes it.
    fn finish(&mut self) -> Ending {
        let State { host, fuel, .. } = self.store.data();
        let (fuel, price) = (*fuel, output_fuel(host.output.len(), host.input_type));
        let left = self.fuel_left().and_then(|left| left.checked_sub(price));
        match left.map(|left| fuel.set(&mut self.store, left)) {
            Some(Ok(())) => self.store.data_mut().host.finish(),
            Some(Err(exit)) => exit.into(),
            None => Ending::OutOfFuel,
        }
    }

    /// Makes the instance, then calls the start function and `run`.
    fn call(&mut self) -> wasmtime::Result<i32> {
        let fuel = self.store.data().host.limits.fuel;
        let left = fuel.checked_sub(self.startup_fuel).ok_or(Exit::OutOfFuel)?;
        if matches!(self.compiled.counters, Counters::Engine { .. }) {
            // Setting up is paid for already. What the engine counts for it is the engine's and the system's business.
            self.store.set_fuel(u64::MAX)?;
        }
        let instance = self.compiled.instance.instantiate(&mut self.store)?;
        let memory = instance.get_module_export(&mut self.store, &self.compiled.memory);
        self.store.data_mut().memory = memory.and_then(Extern::into_memory);
        self.store.data_mut().fuel = self.counters(&instance)?;
        let fuel = self.store.data().fuel;
        fuel.set(&mut self.store, left)?;
        if let Some(start) = &self.compiled.start {
            let start = self.function(&instance, start)?;
            start
                .typed::<(), ()>(&self.store)?
                .call(&mut self.store, ())?;
        }
        let run = self.function(&instance, &self.compiled.run)?;
        if self.bound.capsule().run_returns_code() {
            return run.typed::<(), i32>(&self.store)?.call(&mut self.store, ());
        }
        run.typed::<(), ()>(&self.store)?
            .call(&mut self.store, ())?;
        Ok(0)
    }

    /// Finds the module's globals, and sets those that hold limits. Its stack is what it begins with.
    fn counters(&mut self, instance: &Instance) -> Result<Fuel, Exit> {
        let Counters::Module { fuel, exit, pages } = &self.compiled.counters else {
            return Ok(Fuel::Engine);
        };
        self.reason = Some(self.global(instance, exit)?);
        if let Some(pages) = pages {
            let capsule = self.bound.capsule();
            let declared = capsule.memory_pages_max().unwrap_or(u32::MAX);
            let limit = self.bound.limits().memory_pages.min(declared);
            let pages = self.global(instance, pages)?;
            pages
                .set(&mut self.store, Val::I64(limit.into()))
                .map_err(|_| Exit::HostFailure)?;
        }
        Ok(Fuel::Global(self.global(instance, fuel)?))
    }

    fn global(&mut self, instance: &Instance, export: &ModuleExport) -> Result<Global, Exit> {
        instance
            .get_module_export(&mut self.store, export)
            .and_then(Extern::into_global)
            .ok_or(Exit::HostFailure)
    }

    fn function(&mut self, instance: &Instance, export: &ModuleExport) -> Result<Func, Exit> {
        instance
            .get_module_export(&mut self.store, export)
            .and_then(Extern::into_func)
            .ok_or(Exit::HostFailure)
    }

    /// The fuel that is left, if not more was used than there was.
    fn fuel_left(&mut self) -> Option<u64> {
        let fuel = self.store.data().fuel;
        u64::try_from(fuel.left(&mut self.store).ok()?).ok()
    }

    /// The memory's size now, which is its peak: no memory shrinks. 0 if there never was one.
    fn memory_pages(&self) -> u32 {
        let memory = self.store.data().memory;
        let pages = memory.map_or(0, |memory| memory.size(&self.store));
        // Within the limit, which is a u32.
        pages as u32
    }

    pub(super) fn outcome(
        mut self,
        bound: &BoundCapsule,
        request: &Request,
        ending: Ending,
        wall: Duration,
    ) -> Outcome {
        let fuel = match ending {
            Ending::Ok(_) | Ending::Exited(_) | Ending::Failed(_) | Ending::FailedByAbort => {
                bound.limits().fuel - self.fuel_left().unwrap_or(0)
            }
            // A counter kept in a register is lost on a trap; this way every engine agrees.
            _ => bound.limits().fuel,
        };
        let memory_pages_peak = self.memory_pages();
        let host = &mut self.store.data_mut().host;
        Outcome {
            capsule: bound.capsule().id(),
            terms: Arc::clone(bound.terms()),
            request: request.clone(),
            usage: Usage {
                fuel,
                memory_pages_peak,
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
