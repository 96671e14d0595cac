//! Runs of small capsules, each telling how a run can end and what may be seen of it, by `docs/abi.md`.
//!
//! Enters: capsules as WebAssembly text. Leaves: claims, held against what the document says, with receipts that verify.

#[path = "../common/mod.rs"]
mod common;
mod support;

mod cold;
mod depth;
mod endings;
mod floats;
mod gathered;
mod host_calls;
mod inputs;
mod isolation;
mod kept;
mod limits;
mod observed;
mod private;
mod processes;
mod ready;
mod refusals;
mod regions;
mod replay;
mod settings;
mod start;
mod stops;
mod tools;
mod traps;
mod truncation;
