//! From what the interpreter says to what `docs/abi.md` says.
//!
//! Enters: the error of a run, and the reason that the module left. Leaves: an [`Ending`]. Whatever the document does
//! not name is `aborted`.

use wasmi::errors::{ErrorKind, TableError};
use wasmi::{Error, TrapCode as Trap};

use crate::execution::host::Exit;
use crate::metering;
use crate::outcome::{AbortCode, Ending, TrapCode};

pub(super) fn ending(error: &Error, reason: Option<metering::Exit>) -> Ending {
    if let Some(exit) = error.downcast_ref::<Exit>() {
        return exit.clone().into();
    }
    if copies_beyond_a_table(error) {
        return Ending::Trapped(TrapCode::Table);
    }
    match (error.as_trap_code().map(code), reason) {
        (Some(Ok(_)), Some(reason)) => reason.into(),
        (Some(Ok(code)), None) => Ending::Trapped(code),
        (Some(Err(code)), _) => Ending::Aborted(code),
        (None, _) => Ending::Aborted(AbortCode::HostFailure),
    }
}

/// The one trap that the interpreter does not call a trap.
fn copies_beyond_a_table(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Table(TableError::CopyOutOfBounds | TableError::InitOutOfBounds)
    )
}

/// A trap of the capsule's own instructions, or one of the interpreter, which no instruction of the metering leads to.
///
/// A truncation that traps has left its reason, so its own code is never looked at.
const fn code(trap: Trap) -> Result<TrapCode, AbortCode> {
    match trap {
        Trap::UnreachableCodeReached => Ok(TrapCode::Unreachable),
        Trap::MemoryOutOfBounds => Ok(TrapCode::Memory),
        Trap::TableOutOfBounds => Ok(TrapCode::Table),
        Trap::IndirectCallToNull | Trap::BadSignature => Ok(TrapCode::IndirectCall),
        Trap::IntegerDivisionByZero => Ok(TrapCode::DivideByZero),
        Trap::IntegerOverflow => Ok(TrapCode::IntegerOverflow),
        Trap::BadConversionToInteger => Ok(TrapCode::Conversion),
        Trap::StackOverflow => Err(AbortCode::NativeStack),
        Trap::OutOfFuel | Trap::GrowthOperationLimited => Err(AbortCode::HostFailure),
    }
}
