//! `NAME.debug.wasm` beside a capsule, with which `--debug` tells lines of its source.
//!
//! Enters: a folder that was just built, of a language whose compiler writes DWARF. Leaves: the module of a second build with it.
//! Refuses: one that is not the capsule once its custom sections are gone. The capsule itself comes from a build without DWARF,
//! so it has the same bytes whether or not there is this file.

use super::compile::{self, Words};
use super::tools;
use crate::capsule::{Folder, Language};
use crate::error::Failure;

/// Why there are no lines.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinesError {
    /// It was not built.
    #[error("no lines: {}", .0.message)]
    Build(Failure),
    /// What was built is not what would run.
    #[error("no lines: with them the compiler makes other code, so {name} was not written")]
    OtherCode {
        /// The file.
        name: String,
    },
}

/// Writes the file. Of other languages there is none: AssemblyScript has a source map, which `build --debug` writes.
pub(super) fn write(folder: &Folder, capsule: &[u8]) -> Result<(), LinesError> {
    let (language, source) = tools::source(folder).map_err(LinesError::Build)?;
    if !matches!(language, Language::C | Language::Rust | Language::Zig) {
        return Ok(());
    }
    let module = compile::module(folder, language, &source, true, Words::Hidden);
    let module = module.map_err(LinesError::Build)?;
    let name = compile::debug_name(folder);
    if *compile::stripped(&module) != *capsule {
        return Err(LinesError::OtherCode { name });
    }
    let written = compile::write(folder, &name, &module);
    written.map(drop).map_err(LinesError::Build)
}
