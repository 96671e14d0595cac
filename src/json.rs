//! JSON as a capsule sees it: strict reading, source spans, number and string forms, paths.
//!
//! In: UTF-8 text that nobody has looked at yet, and RFC 9535 queries.
//! Out: a verdict ([`check`]), an index of source spans ([`Document`]), text ([`text`]), or the
//! exact source bytes that a query selects ([`path`]).
//! Refused: whatever `docs/abi.md` ("Strict JSON") refuses. Nothing here repairs, reorders or
//! rewrites a byte of what it was given.
//!
//! [`check`] and [`Document::parse`] run one parser, so they cannot come to disagree.

mod document;
mod error;
mod escape;
mod keys;
mod names;
mod number;
mod parser;
pub mod path;
mod scan;
pub mod text;

#[cfg(test)]
mod tests;

pub use self::document::{Document, Handle, Kind};
pub use self::error::{JsonError, JsonErrorKind, NumberError};
pub use self::number::parse_number;

/// The longest text that is read: what a capsule's input or a result buffer may hold.
///
/// Offsets in the index are `u32` with the top bit in use, so this may grow to 2 GiB at most.
pub const TEXT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// How many containers may stand in one another.
///
/// Readers that recurse (most do) manage this on a small stack.
pub const DEPTH_MAX: usize = 128;

/// Says whether `text` is strict JSON, without building an index of it.
///
/// # Errors
/// The first fault found, with its offset.
pub fn check(text: &[u8]) -> Result<(), JsonError> {
    parser::parse(text, parser::Nothing).map(|_| ())
}
