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
//! - `table.rs` and `operators.rs` hold what is known of each operator.

mod code;
mod emit;
mod module;
mod operands;
mod operators;
mod plan;
pub(crate) mod table;
mod walk;

use wasmparser::{BinaryReaderError, Parser, Payload};

use crate::validation::ValidatedCapsule;

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
    let rewritten = module::rewrite(capsule.bytes(), false)?;
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
    let rewritten = module::rewrite(module, false)?;
    Ok(MeteredModule {
        bytes: rewritten.bytes,
    })
}

/// The place in the capsule of a place in its metered module's code; `None` if something added stands there.
pub(crate) fn capsule_offset(capsule: &ValidatedCapsule, offset: usize) -> Option<usize> {
    let rewritten = module::rewrite(capsule.bytes(), true).ok()?;
    let code = code_offset(&rewritten.bytes)?;
    let offset = offset.checked_sub(code)?;
    let stretch = rewritten.copied.partition_point(|(at, _)| *at <= offset);
    let (at, source) = *rewritten.copied.get(stretch.checked_sub(1)?)?;
    Some(source + (offset - at))
}

fn code_offset(module: &[u8]) -> Option<usize> {
    Parser::new(0)
        .parse_all(module)
        .find_map(|payload| match payload {
            Ok(Payload::CodeSectionStart { range, .. }) => Some(range.start),
            _ => None,
        })
}
