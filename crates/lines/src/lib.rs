//! Which line of which source each byte of a WebAssembly module comes from.
//!
//! Enters: a module, and what its compiler says of it: DWARF in custom sections, or a source map beside it. Leaves: [`Lines`] and
//! [`Functions`]. Refuses: what is not of the form, not in order, or too large: all of it may be a stranger's. Nothing that takes
//! long is done for little, no source that is named is ever opened, and names are given as they are: whoever shows them bounds
//! and escapes them.

#![forbid(unsafe_code)]

mod dwarf;
mod functions;
mod lines;
mod source_map;
pub mod vlq;

pub use dwarf::DwarfError;
pub use functions::Functions;
pub use lines::{Lines, Place};
pub use source_map::MapError;
