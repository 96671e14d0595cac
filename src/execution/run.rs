//! One run, from its store to its figures.
//!
//! Enters: a compiled capsule, its terms and a request that was read. Leaves: an [`Outcome`].
//! Refuses: nothing; whatever happens in a run is one of its endings.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Func, Instance, ModuleExport, Store, UpdateDeadline};

use super::host::{Exit, Host};
use super::{Compiled, Executor, traps};
use crate::json::Document;
use crate::outcome::{AbortCode, Diagnostics, Ending, Outcome, Request, Usage};
use crate::rules::{output_fuel, startup_fuel};
use crate::sandbox::BoundCapsule;

/// Fuel that the engine has beyond the limit, so that none left means too much used.
///
/// The engine looks at its counter where functions and loops begin, not where they end, and stops already at zero there.
/// Without this a run could use more than its limit unseen, or be stopped with exactly its limit used.
pub(super) const FUEL_SPARE: u64 = 1;

/// A run that is under way.
pub(super) struct Run<'a> {
    compiled: &'a Compiled,
    store: Store<Host>,
    returns_code: bool,
    startup_fuel: u64,
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

    pub(super) fn end(&mut self) -> Ending {
        match self.call() {
            Ok(_) if self.fuel_left().is_none() => Ending::OutOfFuel,
            Ok(0) => self.finish(),
            Ok(code) => Ending::Exited(code),
            Err(error) => {
                let offset = traps::offset(&error);
                self.trap_offset = offset.and_then(|offset| self.compiled.capsule_offset(offset));
                traps::ending(&error, &self.compiled.module)
            }
        }
    }

    /// Pays for the check of the output, and makes it.
    fn finish(&mut self) -> Ending {
        let host = self.store.data();
        let price = output_fuel(host.output.len(), host.input_type);
        let left = self.fuel_left().and_then(|left| left.checked_sub(price));
        match left.map(|left| self.store.set_fuel(left + FUEL_SPARE)) {
            Some(Ok(())) => self.store.data_mut().finish(),
            Some(Err(_)) => Ending::Aborted(AbortCode::HostFailure),
            None => Ending::OutOfFuel,
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
