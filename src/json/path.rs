//! JSON paths: RFC 9535 without filters and functions.
//!
//! In: a query, and a [`Document`] to apply it to. Out: a JSON array of the exact source bytes of
//! what it selects. Refused: queries that are too long, not RFC 9535, or have filters or
//! functions; walks that the meter stops; results beyond their cap.
//!
//! The query's parser is ours, since what it takes is part of what a receipt vouches for: a new
//! release of a library must not move it.

mod parse;
mod walk;

use super::document::Document;
use super::scan;

/// The longest query that is read, in bytes of UTF-8.
pub const PATH_BYTES_MAX: usize = 1_024;

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    /// `..`: applied to the node and to all below it.
    descendant: bool,
    selectors: Vec<Selector>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Selector {
    Index(i64),
    Name(String),
    Slice {
        start: Option<i64>,
        end: Option<i64>,
        step: i64,
    },
    Wildcard,
}

/// Why a query is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// RFC 9535 has no such query.
    #[error("path goes wrong at byte {offset}")]
    Invalid {
        /// Where it stops being one.
        offset: usize,
    },
    /// The query is longer than is read at all.
    #[error("path of {got} bytes where {allowed} are allowed")]
    TooLong {
        /// Its length in bytes.
        got: usize,
        /// The longest that is read.
        allowed: usize,
    },
    /// The query has a filter or a function.
    #[error("path has a filter or a function at byte {offset}")]
    Unsupported {
        /// Where the `?` or `(` stands.
        offset: usize,
    },
}

/// What the steps of a walk cost. `docs/abi.md` ("Price of host work") says when each is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkPrice {
    /// Each node that a selector or the descendant search is applied to.
    pub node: u64,
    /// Each member of an object that a name is looked for in.
    pub member: u64,
    /// Each child that a wildcard or a slice selects.
    pub child: u64,
    /// Each byte of the result but the closing bracket.
    pub source_byte: u64,
}

/// Takes the walk's payments.
pub trait Meter {
    /// Says that the fuel ran out.
    type Error;

    /// Takes `fuel` units before the work that they pay for.
    ///
    /// # Errors
    /// If there are not as many left.
    fn charge(&mut self, fuel: u64) -> Result<(), Self::Error>;
}

/// Why a walk ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectError<E> {
    /// The meter stopped it.
    #[error("the meter stopped the walk")]
    Meter(E),
    /// The result would have passed its cap.
    #[error("result of more than {allowed} bytes")]
    TooLarge {
        /// The cap, in bytes.
        allowed: usize,
    },
}

impl Path {
    /// Reads a query.
    ///
    /// # Errors
    /// Length is looked at first, then filters and functions anywhere in it, then the rest.
    pub fn parse(query: &str) -> Result<Self, PathError> {
        if query.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong {
                got: query.len(),
                allowed: PATH_BYTES_MAX,
            });
        }
        if let Some(offset) = parse::unsupported(query.as_bytes()) {
            return Err(PathError::Unsupported { offset });
        }
        parse::query(query)
    }

    /// Applies the query: a JSON array of what it selects, each as it stands in the source.
    ///
    /// # Errors
    /// If the meter stops the walk, or the array would be longer than `result_bytes_max`.
    pub fn select<M: Meter>(
        &self,
        document: &Document,
        price: &WalkPrice,
        result_bytes_max: usize,
        meter: &mut M,
    ) -> Result<Vec<u8>, SelectError<M::Error>> {
        walk::Walk::new(document, price, result_bytes_max, meter).run(&self.segments)
    }
}
