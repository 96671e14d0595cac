//! From what the engine says to what `docs/abi.md` says.
//!
//! Enters: the error of a run. Leaves: an [`Ending`]. Whatever the document does not name is `aborted`: a claim must
//! not hang on an engine's own words.

use wasmtime::{Error, Trap, WasmBacktrace};

use super::host::Exit;
use crate::metering;
use crate::outcome::{AbortCode, Ending, TrapCode};

/// Of a module that counts for itself. `reason` is what it left in its global.
pub(super) fn ending_metered(error: &Error, reason: Option<metering::Exit>) -> Ending {
    match (error.downcast_ref::<Trap>(), reason) {
        // The engine's own reasons: nothing that was added to the module leads there.
        (Some(Trap::StackOverflow | Trap::Interrupt), _) | (None, _) | (_, None) => {
            ending(error, || Some(DIVISION_I32))
        }
        (Some(_), Some(reason)) => reason.into(),
    }
}

/// Of a module whose fuel the engine counts.
pub(super) fn ending_unmetered(error: &Error, module: &[u8]) -> Ending {
    ending(error, || instruction(error, module))
}

fn ending(error: &Error, instruction: impl FnOnce() -> Option<u8>) -> Ending {
    if let Some(exit) = error.downcast_ref::<Exit>() {
        return exit.clone().into();
    }
    match error.downcast_ref::<Trap>() {
        Some(trap) => of_trap(*trap, instruction),
        None => Ending::Aborted(AbortCode::HostFailure),
    }
}

impl From<metering::Exit> for Ending {
    fn from(reason: metering::Exit) -> Self {
        match reason {
            metering::Exit::OutOfFuel => Self::OutOfFuel,
            metering::Exit::OutOfStack => Self::OutOfStack,
            metering::Exit::MemoryRefused => Self::Aborted(AbortCode::MemoryRefused),
            metering::Exit::Conversion => Self::Trapped(TrapCode::Conversion),
        }
    }
}

fn of_trap(trap: Trap, instruction: impl FnOnce() -> Option<u8>) -> Ending {
    Ending::Trapped(match trap {
        Trap::UnreachableCodeReached => TrapCode::Unreachable,
        Trap::MemoryOutOfBounds => TrapCode::Memory,
        Trap::TableOutOfBounds => TrapCode::Table,
        Trap::IndirectCallToNull | Trap::BadSignature => TrapCode::IndirectCall,
        Trap::IntegerDivisionByZero => TrapCode::DivideByZero,
        Trap::BadConversionToInteger => TrapCode::Conversion,
        Trap::IntegerOverflow => match instruction() {
            Some(DIVISION_I32 | DIVISION_I64) => TrapCode::IntegerOverflow,
            Some(_) => TrapCode::Conversion,
            None => return Ending::Aborted(AbortCode::HostFailure),
        },
        Trap::OutOfFuel => return Ending::OutOfFuel,
        Trap::StackOverflow => return Ending::Aborted(AbortCode::NativeStack),
        Trap::Interrupt => return Ending::Aborted(AbortCode::TimeLimit),
        _ => return Ending::Aborted(AbortCode::HostFailure),
    })
}

/// `i32.div_s`
const DIVISION_I32: u8 = 0x6d;
/// `i64.div_s`
const DIVISION_I64: u8 = 0x7f;

/// The byte of the module at which the trap was raised.
///
/// wasmtime has one word for the overflow of a division and of a truncation; the instruction tells them apart.
fn instruction(error: &Error, module: &[u8]) -> Option<u8> {
    module.get(offset(error)?).copied()
}

/// A function's index, and where in the module it was.
pub(super) type Frame = (u32, Option<usize>);

/// The calls that were open where the run trapped, the innermost first.
pub(super) fn frames(error: &Error) -> Vec<Frame> {
    let backtrace = error.downcast_ref::<WasmBacktrace>();
    let frames = backtrace.map_or(&[][..], WasmBacktrace::frames);
    let frames = frames.iter();
    frames
        .map(|frame| (frame.func_index(), frame.module_offset()))
        .collect()
}

pub(super) fn offset(error: &Error) -> Option<usize> {
    let backtrace = error.downcast_ref::<WasmBacktrace>()?;
    backtrace.frames().first()?.module_offset()
}
