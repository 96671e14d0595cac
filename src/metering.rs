//! Metering: a capsule becomes a module that counts its own fuel and stack.
//!
//! Enters: a [`ValidatedCapsule`]. Leaves: a [`MeteredModule`], which any engine can run and all count alike.
//! Refuses: nothing that validation accepted; an error here is ours.
//!
//! The rules are those of `docs/determinism.md`, "Metering"; the costs are part of `docs/rules.json`. Whoever runs the
//! module sets the globals below before it calls anything, and reads them when it is back. The engine validates
//! the module again.
//!
//! - `walk.rs` and `operands.rs` read a function and make a plan of `plan.rs`, `emit.rs` writes it anew;
//! - `module.rs` does the sections, `code.rs` the one with the functions;
//! - `table.rs` and `operators.rs` hold what is known of each operator;
//! - `observed.rs` is the same module with two calls more in each function, for whoever looks on.

mod code;
mod emit;
mod module;
mod observed;
mod operands;
mod operators;
mod plan;
pub(crate) mod table;
mod walk;

use wasmparser::BinaryReaderError;

use crate::validation::ValidatedCapsule;
use module::Purpose;

pub(crate) use observed::ObservedModule;

/// Whose units fuel and stack are in: those of this pass, in any engine.
pub const METERING: &str = "tenzik-meter/1";

/// `i64`: the fuel that is left. The host sets it to the limit less the start-up cost, and takes its prices from it.
pub(crate) const FUEL_EXPORT: &str = "tenzik:fuel";
/// `i64`: the units of stack that are left. It begins at the most there is.
pub(crate) const STACK_EXPORT: &str = "tenzik:stack";
/// `i64`: the pages that the memory may have. The host sets it.
pub(crate) const PAGES_EXPORT: &str = "tenzik:pages";
/// `i32`: why an added trap was taken, an [`Exit`]; 0 if it was not.
pub(crate) const EXIT_EXPORT: &str = "tenzik:exit";
/// The start function, which the host calls before `run`.
pub(crate) const START_EXPORT: &str = "tenzik:start";

/// A table of two functions, only in a module that is observed: the host is told with [`ENTER_SLOT`] and [`LEAVE_SLOT`]
/// which function begins and which one is over.
pub(crate) const HOOKS_EXPORT: &str = "tenzik:hooks";
pub(crate) const ENTER_SLOT: u32 = 0;
pub(crate) const LEAVE_SLOT: u32 = 1;

/// Why an added trap was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    OutOfFuel = 1,
    OutOfStack = 2,
    /// The system refused memory that the limit allows.
    MemoryRefused = 3,
    /// A trapping truncation trapped, whatever the engine calls it.
    Conversion = 4,
}

impl Exit {
    /// The reason behind the global's value.
    pub(crate) const fn of(value: i32) -> Option<Self> {
        match value {
            1 => Some(Self::OutOfFuel),
            2 => Some(Self::OutOfStack),
            3 => Some(Self::MemoryRefused),
            4 => Some(Self::Conversion),
            _ => None,
        }
    }
}

/// A module that counts. Only [`meter`] makes one.
#[derive(Clone, Debug)]
pub struct MeteredModule {
    bytes: Vec<u8>,
}

impl MeteredModule {
    /// The module, in the binary format.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Why a capsule could not be rewritten. Validation should have refused it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the capsule cannot be metered: {reason}")]
pub struct MeterError {
    /// What the parser says.
    pub reason: String,
}

impl From<BinaryReaderError> for MeterError {
    fn from(error: BinaryReaderError) -> Self {
        Self {
            reason: error.to_string(),
        }
    }
}

/// Rewrites a capsule.
///
/// # Errors
/// [`MeterError`] for a capsule that validation should have refused.
pub fn meter(capsule: &ValidatedCapsule) -> Result<MeteredModule, MeterError> {
    let rewritten = module::rewrite(capsule.bytes(), Purpose::Run)?;
    Ok(MeteredModule {
        bytes: rewritten.bytes,
    })
}

/// Rewrites any module of the features in `docs/abi.md`, capsule or not: for tests of the rewriting by itself.
///
/// # Errors
/// [`MeterError`] for a module that cannot be parsed. What comes out of an invalid one is not defined.
#[doc(hidden)]
pub fn meter_module(module: &[u8]) -> Result<MeteredModule, MeterError> {
    let rewritten = module::rewrite(module, Purpose::Run)?;
    Ok(MeteredModule {
        bytes: rewritten.bytes,
    })
}

/// The place in the capsule of a place in its metered module's code; `None` if something added stands there.
pub(crate) fn capsule_offset(capsule: &ValidatedCapsule, offset: usize) -> Option<usize> {
    let rewritten = module::rewrite(capsule.bytes(), Purpose::Trace).ok()?;
    observed::Places::of(&rewritten.bytes, rewritten.copied).exact(offset)
}
