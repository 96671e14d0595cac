//! A capsule compiled by wasmtime, with its imports resolved.
//!
//! Enters: a valid capsule. Leaves: what each run makes its instance of. Refuses: what the engine does not compile, which
//! is nothing that validation accepted.

use wasmtime::{InstancePre, Module, ModuleExport};

use super::engine::Stop;
use super::native::{Native, State};
use super::{start, traps};
use crate::metering::{
    EXIT_EXPORT, FUEL_EXPORT, MeteredModule, PAGES_EXPORT, START_EXPORT, capsule_offset,
};
use crate::validation::ValidatedCapsule;

pub(super) struct Compiled {
    pub(super) instance: InstancePre<State>,
    pub(super) memory: ModuleExport,
    pub(super) run: ModuleExport,
    pub(super) start: Option<ModuleExport>,
    pub(super) counters: Counters,
    pub(super) stop: Stop,
}

/// Where fuel is counted, and what else the module tells of a run.
pub(super) enum Counters {
    /// The engine counts. The module as it was compiled tells which instruction trapped.
    Engine { module: Vec<u8>, code_shift: i64 },
    /// The module counts.
    Module {
        fuel: ModuleExport,
        exit: ModuleExport,
        /// Only in a module that grows its memory.
        pages: Option<ModuleExport>,
    },
}

impl Compiled {
    pub(super) fn metered(native: &Native, module: &MeteredModule) -> wasmtime::Result<Self> {
        Self::counting(native, &native.module(module.bytes())?)
    }

    /// A module that is looked at.
    pub(super) fn observed(native: &Native, module: &[u8]) -> wasmtime::Result<Self> {
        Self::counting(native, &native.module(module)?)
    }

    /// What the disk has of a module.
    pub(super) fn stored(
        native: &Native,
        module: &MeteredModule,
    ) -> Option<wasmtime::Result<Self>> {
        let module = native.stored(module.bytes())?;
        Some(Self::counting(native, &module))
    }

    fn counting(native: &Native, module: &Module) -> wasmtime::Result<Self> {
        Self::of(native, module, |export| {
            Ok(Counters::Module {
                fuel: export(FUEL_EXPORT)?,
                exit: export(EXIT_EXPORT)?,
                pages: module.get_export_index(PAGES_EXPORT),
            })
        })
    }

    pub(super) fn unmetered(native: &Native, capsule: &ValidatedCapsule) -> wasmtime::Result<Self> {
        let startable = start::startable(capsule.bytes())?;
        let module = native.module(&startable.bytes)?;
        Self::of(native, &module, |_| {
            Ok(Counters::Engine {
                code_shift: startable.shift,
                module: startable.bytes.into_owned(),
            })
        })
    }

    fn of(
        native: &Native,
        module: &Module,
        counters: impl FnOnce(
            &dyn Fn(&str) -> wasmtime::Result<ModuleExport>,
        ) -> wasmtime::Result<Counters>,
    ) -> wasmtime::Result<Self> {
        let export = |name: &str| {
            module
                .get_export_index(name)
                .ok_or_else(|| wasmtime::Error::msg("an export is missing"))
        };
        Ok(Self {
            memory: export("memory")?,
            run: export("run")?,
            start: module.get_export_index(START_EXPORT),
            counters: counters(&export)?,
            stop: native.stop,
            instance: native.linker.instantiate_pre(module)?,
        })
    }

    /// The offset in the capsule at which the run trapped.
    pub(super) fn trap_offset(
        &self,
        capsule: &ValidatedCapsule,
        error: &wasmtime::Error,
    ) -> Option<usize> {
        let offset = traps::offset(error)?;
        match &self.counters {
            Counters::Module { .. } => capsule_offset(capsule, offset),
            Counters::Engine { code_shift, .. } => {
                usize::try_from(i64::try_from(offset).ok()? - code_shift).ok()
            }
        }
    }
}
