//! One run on wasmtime.
//!
//! Enters: a compiled capsule, its terms, a host and the start-up price. Leaves: an [`Ended`].
//! Refuses: nothing; whatever happens in a run is one of its endings.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{
    Caller, Extern, Func, Global, Instance, ModuleExport, Ref, Store, UpdateDeadline, Val,
};

use super::compiled::{Compiled, Counters};
use super::ended::{Ended, fuel_at_start, returned};
use super::engine::Stop;
use super::host::{Exit, Host};
use super::native::{Fuel, State};
use super::observe::Recorder;
use super::traps;
use crate::metering::{self, ENTER_SLOT, HOOKS_EXPORT, LEAVE_SLOT};
use crate::outcome::Ending;
use crate::sandbox::BoundCapsule;

/// A run that is under way, or about to be.
pub(super) struct Run<'a> {
    compiled: Arc<Compiled>,
    pub(super) bound: &'a BoundCapsule,
    store: Store<State>,
    /// Once it is made. A metered module's says why it trapped.
    instance: Option<Instance>,
}

impl<'a> Run<'a> {
    pub(super) fn new(compiled: Arc<Compiled>, bound: &'a BoundCapsule, host: Host) -> Self {
        let engine = compiled.instance.module().engine();
        let mut store = Store::new(engine, State::new(host));
        if matches!(compiled.counters, Counters::Engine { .. }) {
            store.limiter(|state| state);
        }
        if compiled.stop == Stop::Clock {
            watch_clock(&mut store);
        }
        Self {
            compiled,
            bound,
            store,
            instance: None,
        }
    }

    /// Makes the instance and gives it its fuel. Nothing of the capsule runs.
    pub(super) fn instantiate(&mut self, startup_fuel: u64) -> wasmtime::Result<Instance> {
        let left = fuel_at_start(&self.store.data().host.limits, startup_fuel)?;
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
        Ok(instance)
    }

    /// Lets the time begin now that the run has.
    pub(super) fn begin(&mut self, now: Instant) {
        let host = &mut self.store.data_mut().host;
        host.deadline = now + Duration::from_millis(host.limits.time_ms.into());
    }

    /// Runs the instance, if there is one.
    pub(super) fn end(self, instance: wasmtime::Result<Instance>) -> Ended {
        let (compiled, bound) = (Arc::clone(&self.compiled), self.bound);
        let (mut ended, error) = self.over(instance);
        ended.trap_offset = error
            .filter(|_| ended.host.debugging)
            .and_then(|error| compiled.trap_offset(bound.capsule(), &error));
        ended
    }

    /// Runs a module that is looked at. Gives also the open calls where it trapped: each function's index, and where in
    /// the module it was.
    pub(super) fn observed(mut self, startup_fuel: u64) -> (Ended, Vec<traps::Frame>) {
        let instance = self.instantiate(startup_fuel).and_then(|instance| {
            hook(&mut self.store, &instance)?;
            Ok(instance)
        });
        let (ended, error) = self.over(instance);
        (
            ended,
            error.map_or_else(Vec::new, |error| traps::frames(&error)),
        )
    }

    fn over(mut self, instance: wasmtime::Result<Instance>) -> (Ended, Option<wasmtime::Error>) {
        let called = instance.and_then(|instance| self.call(&instance));
        let left = self.fuel_left();
        let memory_pages_peak = self.memory_pages();
        let (ending, fuel_left) = match &called {
            Ok(code) => returned(&mut self.store.data_mut().host, *code, left),
            Err(error) => (self.ending_of(error), left.max(0).unsigned_abs()),
        };
        let error = called.err();
        let host = self.store.into_data().host;
        let ended = Ended {
            ending,
            fuel_left,
            memory_pages_peak,
            trap_offset: None,
            host,
        };
        (ended, error)
    }

    fn ending_of(&mut self, error: &wasmtime::Error) -> Ending {
        match &self.compiled.counters {
            Counters::Engine { module, .. } => traps::ending_unmetered(error, module),
            Counters::Module { exit, .. } => {
                let reason = self.instance.and_then(|instance| {
                    let exit = global(&mut self.store, &instance, exit).ok()?;
                    exit.get(&mut self.store).i32()
                });
                traps::ending_metered(error, reason.and_then(metering::Exit::of))
            }
        }
    }

    /// Calls the start function and `run`.
    fn call(&mut self, instance: &Instance) -> wasmtime::Result<i32> {
        let store = &mut self.store;
        if let Some(start) = &self.compiled.start {
            let start = function(store, instance, start)?;
            start.typed::<(), ()>(&store)?.call(&mut *store, ())?;
        }
        let run = function(store, instance, &self.compiled.run)?;
        if self.bound.capsule().run_returns_code() {
            return run.typed::<(), i32>(&store)?.call(store, ());
        }
        run.typed::<(), ()>(&store)?.call(store, ())?;
        Ok(0)
    }

    /// Finds the module's globals, and sets those that hold limits. Its stack is what it begins with.
    fn counters(&mut self, instance: &Instance) -> Result<Fuel, Exit> {
        self.instance = Some(*instance);
        let Counters::Module { fuel, pages, .. } = &self.compiled.counters else {
            return Ok(Fuel::Engine);
        };
        let store = &mut self.store;
        if let Some(pages) = pages {
            let capsule = self.bound.capsule();
            let declared = capsule.memory_pages_max().unwrap_or(u32::MAX);
            let limit = self.bound.limits().memory_pages.min(declared);
            let pages = global(store, instance, pages)?;
            pages
                .set(&mut *store, Val::I64(limit.into()))
                .map_err(|_| Exit::HostFailure)?;
        }
        Ok(Fuel::Global(global(store, instance, fuel)?))
    }

    /// The fuel that is left; below zero if more was used than there was, or if nobody can tell.
    fn fuel_left(&mut self) -> i64 {
        let fuel = self.store.data().fuel;
        fuel.left(&mut self.store).unwrap_or(-1)
    }

    /// The memory's size now, which is its peak: no memory shrinks. 0 if there never was one.
    fn memory_pages(&self) -> u32 {
        let memory = self.store.data().memory;
        let pages = memory.map_or(0, |memory| memory.size(&self.store));
        // Within the limit, which is a u32.
        pages as u32
    }
}

fn global(
    store: &mut Store<State>,
    instance: &Instance,
    export: &ModuleExport,
) -> Result<Global, Exit> {
    instance
        .get_module_export(store, export)
        .and_then(Extern::into_global)
        .ok_or(Exit::HostFailure)
}

fn function(
    store: &mut Store<State>,
    instance: &Instance,
    export: &ModuleExport,
) -> Result<Func, Exit> {
    instance
        .get_module_export(store, export)
        .and_then(Extern::into_func)
        .ok_or(Exit::HostFailure)
}

/// Fills the module's table of hooks.
fn hook(store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<()> {
    let enter = Func::wrap(
        &mut *store,
        |mut caller: Caller<'_, State>, function: u32| {
            told(&mut caller, |recorder, left| recorder.enter(function, left))
        },
    );
    let leave = Func::wrap(&mut *store, |mut caller: Caller<'_, State>, _: u32| {
        told(&mut caller, Recorder::leave)
    });
    let hooks = instance.get_table(&mut *store, HOOKS_EXPORT);
    let hooks = hooks.ok_or(Exit::HostFailure)?;
    hooks.set(&mut *store, ENTER_SLOT.into(), Ref::Func(Some(enter)))?;
    hooks.set(&mut *store, LEAVE_SLOT.into(), Ref::Func(Some(leave)))
}

fn told(
    caller: &mut Caller<'_, State>,
    what: impl FnOnce(&mut Recorder, i64),
) -> wasmtime::Result<()> {
    let fuel = caller.data().fuel;
    let left = fuel.left(&mut *caller)?;
    if let Some(recorder) = &mut caller.data_mut().host.recorder {
        what(recorder, left);
    }
    Ok(())
}

/// Stops the run where its time is over or its caller wants it to.
fn watch_clock(store: &mut Store<State>) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|context| {
        context.data().host.may_go_on()?;
        Ok(UpdateDeadline::Continue(1))
    });
}
