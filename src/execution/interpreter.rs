//! The second engine: an interpreter, which has next to nothing in common with the first.
//!
//! Enters: a metered module; then a host for each run. Leaves: an [`Ended`].
//! Refuses: a module that the interpreter does not take, or that does not count for itself.
//!
//! It is there to be asked whether the first is right. It compiles to a bytecode of its own, generates no machine code
//! and needs no pinned target.
//!
//! The interpreter's own fuel is on, and counts for nothing: a run is cut into slices of it, so that somebody looks at
//! the clock in between.
//!
//! Not wasmi 2.0.0: that takes the wrong side of a `select` behind a comparison with zero, spoils an operand below a loop with
//! parameters, and leaves a native frame at each `memory.grow` (`tests/spec/mistakes.rs`, and a test below). A claim made
//! on it would have been false.

mod link;
mod run;
mod traps;

use std::ops::ControlFlow;

use tenzik_receipt::Label;
use wasmi::{CompilationMode, Config, Engine, ExternType, Linker, Module};

use super::host::Exit;
use crate::limits::{STACK_UNITS_MAX, label};
use crate::metering::table::FRAME;
use crate::metering::{EXIT_EXPORT, FUEL_EXPORT, STACK_EXPORT};

use run::State;

/// The interpreter as a receipt's advisory part names it. A test holds it against the version in the lock file.
pub(super) const ENGINE: Label = label("wasmi 1.1.0");

/// Calls at once. The last frame is there before it finds that there is no stack for it; some more do no harm.
const FRAMES_MAX: usize = (STACK_UNITS_MAX / FRAME) as usize + 64;

/// A unit is a value, which takes 8 bytes here, or stands for what a frame has beside its values. The rest is room: for
/// the frame for which there is no stack, and for values that only the metering has.
const STACK_BYTES_MAX: usize = STACK_UNITS_MAX as usize * 64;

/// The interpreter's own fuel between two looks at the clock: a fifth of a millisecond's with optimisation, ten
/// without. A bulk operator that takes more has a slice to itself.
const SLICE_FUEL: u64 = 200_000;

/// Asked between two slices of a run whether it may go on; if not, with what it ends.
pub(super) type Watch<'a> = &'a mut dyn FnMut() -> ControlFlow<Exit>;

/// Prepares modules. Each has an engine of its own, because an engine never gives back what it compiled.
pub(super) struct Interpreter {
    config: Config,
    slice_fuel: u64,
}

/// A module that can be run any number of times, also at once.
pub(super) struct Interpreted {
    module: Module,
    linker: Linker<State>,
    slice_fuel: u64,
    returns_code: bool,
    /// The most pages that the memory itself allows.
    pages_declared: Option<u64>,
}

impl Interpreter {
    pub(super) fn new() -> Self {
        let mut config = Config::default();
        features(&mut config);
        config
            .compilation_mode(CompilationMode::Eager)
            .consume_fuel(true)
            .ignore_custom_sections(true)
            .set_max_recursion_depth(FRAMES_MAX)
            .set_max_stack_height(STACK_BYTES_MAX);
        Self {
            config,
            slice_fuel: SLICE_FUEL,
        }
    }

    /// Compiles a metered module to bytecode.
    ///
    /// # Errors
    /// What the interpreter says.
    pub(super) fn prepare(&self, module: &[u8]) -> Result<Interpreted, wasmi::Error> {
        let engine = Engine::new(&self.config);
        let module = Module::new(&engine, module)?;
        let mut linker = Linker::new(&engine);
        link::link(&mut linker)?;
        for name in [FUEL_EXPORT, STACK_EXPORT, EXIT_EXPORT] {
            if module.get_export(name).is_none() {
                return Err(wasmi::Error::new("the module does not count for itself"));
            }
        }
        let (Some(ExternType::Func(run)), Some(ExternType::Memory(memory))) =
            (module.get_export("run"), module.get_export("memory"))
        else {
            return Err(wasmi::Error::new("an export is missing"));
        };
        Ok(Interpreted {
            returns_code: !run.results().is_empty(),
            pages_declared: memory.maximum(),
            slice_fuel: self.slice_fuel,
            module,
            linker,
        })
    }
}

/// What `src/validation/features.rs` has on, and nothing else; vectors and large memories are not compiled in.
///
/// A table index in more bytes than needed is taken only together with reference types. Validation has refused those.
fn features(config: &mut Config) {
    config
        .floats(true)
        .wasm_bulk_memory(true)
        .wasm_multi_value(true)
        .wasm_mutable_global(true)
        .wasm_reference_types(true)
        .wasm_saturating_float_to_int(true)
        .wasm_sign_extension(true)
        .wasm_custom_page_sizes(false)
        .wasm_extended_const(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_wide_arithmetic(false);
}

#[cfg(test)]
mod tests;
