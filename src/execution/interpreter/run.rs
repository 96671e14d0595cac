//! One run of the interpreter.
//!
//! Enters: a module that is prepared, a host, the start-up price. Leaves: an [`Ended`].
//! Refuses: nothing; whatever happens in a run is one of its endings.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use wasmi::{
    Error, Global, Instance, Memory, Store, TypedFunc, TypedResumableCall, Val, WasmResults,
};

use super::{Interpreted, Watch, traps};
use crate::execution::ended::{Ended, fuel_at_start, returned};
use crate::execution::host::{Exit, Host};
use crate::limits::STACK_UNITS_MAX;
use crate::metering::{self, EXIT_EXPORT, FUEL_EXPORT, PAGES_EXPORT, STACK_EXPORT, START_EXPORT};

/// The data of a store.
pub(super) struct State {
    pub(super) host: Host,
    /// Set once there is an instance, which is before anything of the capsule runs.
    pub(super) parts: Option<Parts>,
}

/// What the host looks at and changes in an instance.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    pub(super) memory: Memory,
    pub(super) fuel: Global,
    exit: Global,
}

impl Interpreted {
    /// Runs the module once. `watch` is asked between two slices; the host's deadline is looked at besides.
    pub(in crate::execution) fn run(
        &self,
        host: Host,
        startup_fuel: u64,
        watch: Watch<'_>,
    ) -> Ended {
        let mut store = Store::new(self.module.engine(), State { host, parts: None });
        // The interpreter should not panic, and a host must not fall with it.
        let called = catch_unwind(AssertUnwindSafe(|| {
            self.call(&mut store, startup_fuel, watch)
        }));
        let called = called.unwrap_or_else(|_| Err(stop(Exit::HostFailure)));
        let parts = store.data().parts;
        let left = parts.and_then(|parts| parts.fuel.get(&store).i64());
        let reason = parts.and_then(|parts| parts.exit.get(&store).i32());
        let pages = parts.map_or(0, |parts| parts.memory.size(&store));
        let mut host = store.into_data().host;
        let left = left.unwrap_or(0);
        let (ending, fuel_left) = match called {
            Ok(code) => returned(&mut host, code, left),
            Err(error) => (
                traps::ending(&error, reason.and_then(metering::Exit::of)),
                left.max(0).unsigned_abs(),
            ),
        };
        Ended {
            ending,
            fuel_left,
            // A memory has at most 65,536.
            memory_pages_peak: pages as u32,
            host,
            trap_offset: None,
        }
    }

    /// Makes the instance, then calls the start function and `run`.
    fn call(
        &self,
        store: &mut Store<State>,
        startup_fuel: u64,
        watch: Watch<'_>,
    ) -> Result<i32, Error> {
        let left = fuel_at_start(&store.data().host.limits, startup_fuel).map_err(stop)?;
        let instance = self.linker.instantiate_and_start(&mut *store, &self.module);
        // It cannot trap; what goes wrong here is the system's doing.
        let instance = instance.map_err(|_| stop(Exit::HostFailure))?;
        let parts = self.set_up(store, &instance, left);
        store.data_mut().parts = Some(parts.ok_or_else(|| stop(Exit::HostFailure))?);
        if let Ok(start) = instance.get_typed_func::<(), ()>(&*store, START_EXPORT) {
            self.sliced(store, &start, watch)?;
        }
        if self.returns_code {
            let run = instance.get_typed_func::<(), i32>(&*store, "run")?;
            return self.sliced(store, &run, watch);
        }
        let run = instance.get_typed_func::<(), ()>(&*store, "run")?;
        self.sliced(store, &run, watch).map(|()| 0)
    }

    /// Finds the module's counters, and sets them to what the run has.
    fn set_up(&self, store: &mut Store<State>, instance: &Instance, fuel: u64) -> Option<Parts> {
        let pages = u64::from(store.data().host.limits.memory_pages);
        let pages = pages.min(self.pages_declared.unwrap_or(pages));
        let parts = Parts {
            memory: instance.get_memory(&*store, "memory")?,
            fuel: instance.get_global(&*store, FUEL_EXPORT)?,
            exit: instance.get_global(&*store, EXIT_EXPORT)?,
        };
        let counters = [
            (Some(parts.fuel), fuel),
            (
                instance.get_global(&*store, STACK_EXPORT),
                STACK_UNITS_MAX.into(),
            ),
            (instance.get_global(&*store, PAGES_EXPORT), pages),
        ];
        // Only a module that grows its memory has the last one.
        for (global, value) in counters {
            if let Some(global) = global {
                let value = Val::I64(value.cast_signed());
                global.set(&mut *store, value).ok()?;
            }
        }
        Some(parts)
    }

    /// Calls a function in slices, with a look at the clock between two.
    fn sliced<R: WasmResults>(
        &self,
        store: &mut Store<State>,
        function: &TypedFunc<(), R>,
        watch: Watch<'_>,
    ) -> Result<R, Error> {
        store.set_fuel(self.slice_fuel)?;
        let mut call = function.call_resumable(&mut *store, ())?;
        loop {
            match call {
                TypedResumableCall::Finished(results) => return Ok(results),
                TypedResumableCall::HostTrap(trap) => {
                    let exit = trap.host_error().downcast_ref::<Exit>().cloned();
                    return Err(stop(exit.unwrap_or(Exit::HostFailure)));
                }
                TypedResumableCall::OutOfFuel(rest) => {
                    look(&store.data().host, watch).map_err(stop)?;
                    store.set_fuel(rest.required_fuel().max(self.slice_fuel))?;
                    call = rest.resume(&mut *store)?;
                }
            }
        }
    }
}

fn look(host: &Host, watch: Watch<'_>) -> Result<(), Exit> {
    host.may_go_on()?;
    match watch() {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(exit) => Err(exit),
    }
}

fn stop(exit: Exit) -> Error {
    Error::host(exit)
}
