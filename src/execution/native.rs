//! wasmtime: the engine with its host functions, and what a run carries beside its [`Host`]: where its memory is, and
//! where its fuel is counted.
//!
//! Enters: a host's settings; a host. Leaves: a linker; the data of a store. Refuses: an engine that cannot be set up; a
//! fuel that cannot be read is a failure of the host.

mod link;

use std::sync::Arc;

use wasmtime::{AsContextMut, Engine, Global, Linker, Memory, Module, Val};

use super::disk::{Disk, Shelf};
use super::engine::{EngineError, Stop, engine, fingerprint, observing};
use super::host::{Exit, Host};
use crate::config::RuntimeConfig;
use crate::rules::Metering;

/// Fuel that the engine has beyond the limit, so that none left means too much used.
///
/// The engine looks at its counter where functions and loops begin, not where they end, and stops already at zero there.
/// Without this a run could use more than its limit unseen, or be stopped with exactly its limit used.
const FUEL_SPARE: u64 = 1;

/// The engine, set up for one metering.
pub(super) struct Native {
    pub(super) engine: Engine,
    pub(super) linker: Linker<State>,
    pub(super) stop: Stop,
    /// Where its code is kept, if it is.
    shelf: Option<Shelf>,
}

impl Native {
    pub(super) fn new(
        memory_pages_max: u32,
        runtime: &RuntimeConfig,
        metering: Metering,
        stop: Stop,
        disk: Option<&Arc<Disk>>,
    ) -> Result<Self, EngineError> {
        let engine = engine(runtime, memory_pages_max, metering, stop)?;
        let mut linker = Linker::new(&engine);
        link::link(&mut linker).map_err(|error| EngineError::SetUp {
            reason: format!("{error:#}"),
        })?;
        let shelf = |disk| Shelf::new(disk, fingerprint(&engine, runtime, metering, stop));
        Ok(Self {
            shelf: disk.cloned().map(shelf),
            engine,
            linker,
            stop,
        })
    }

    /// The engine for runs that are looked at. Their code is not kept.
    pub(super) fn observing() -> Result<Self, EngineError> {
        let engine = observing()?;
        let mut linker = Linker::new(&engine);
        let linked = link::link(&mut linker).and_then(|()| link::link_trace(&mut linker));
        linked.map_err(|error| EngineError::SetUp {
            reason: format!("{error:#}"),
        })?;
        Ok(Self {
            engine,
            linker,
            stop: Stop::Clock,
            shelf: None,
        })
    }

    /// The native code of a module: from the disk, else compiled now and kept there.
    pub(super) fn module(&self, module: &[u8]) -> wasmtime::Result<Module> {
        if let Some(stored) = self.stored(module) {
            return Ok(stored);
        }
        let compiled = Module::new(&self.engine, module)?;
        // Before anybody runs it: a process may end with its run.
        if let Some(shelf) = &self.shelf {
            shelf.keep(module, &compiled);
        }
        Ok(compiled)
    }

    /// The native code of a module, if the disk has it.
    pub(super) fn stored(&self, module: &[u8]) -> Option<Module> {
        self.shelf.as_ref()?.find(&self.engine, module)
    }
}

/// The data of a store.
pub(super) struct State {
    pub(super) host: Host,
    /// Set once there is an instance, which is before anything of the capsule runs.
    pub(super) memory: Option<Memory>,
    pub(super) fuel: Fuel,
}

impl State {
    pub(super) const fn new(host: Host) -> Self {
        Self {
            host,
            memory: None,
            fuel: Fuel::Engine,
        }
    }
}

/// Where the fuel is counted.
#[derive(Clone, Copy)]
pub(super) enum Fuel {
    /// By the engine itself.
    Engine,
    /// By the module, in this global: a mutable `i64`, below zero where more was used than there was.
    Global(Global),
}

impl Fuel {
    /// The fuel that is left; below zero if more was used than there was.
    pub(super) fn left(self, mut store: impl AsContextMut) -> Result<i64, Exit> {
        match self {
            Self::Engine => {
                let left = store.as_context().get_fuel();
                let left = left
                    .map_err(|_| Exit::HostFailure)?
                    .checked_signed_diff(FUEL_SPARE);
                left.ok_or(Exit::HostFailure)
            }
            Self::Global(global) => global.get(&mut store).i64().ok_or(Exit::HostFailure),
        }
    }

    /// Sets the fuel that is left.
    pub(super) fn set(self, mut store: impl AsContextMut, left: u64) -> Result<(), Exit> {
        let set = match self {
            Self::Engine => store.as_context_mut().set_fuel(left + FUEL_SPARE),
            // A limit is below 2^53.
            Self::Global(global) => global.set(&mut store, Val::I64(left.cast_signed())),
        };
        set.map_err(|_| Exit::HostFailure)
    }
}
