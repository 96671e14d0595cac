//! Where the bytes of a module come from, whoever told it.
//!
//! Enters: stretches of bytes with their places. Leaves: the place of a byte, and by which calls the code came there that a
//! compiler put in the place of the called function. Refuses nothing: the readers do.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use crate::dwarf::{self, DwarfError};
use crate::functions::Functions;
use crate::source_map::{self, MapError};

/// Names of sources beyond this are no capsule's.
pub(crate) const SOURCES_MAX: usize = 10_000;
/// A module of 1 MiB has fewer instructions.
pub(crate) const MAPPINGS_MAX: usize = 1_000_000;

/// Where the bytes of a module come from.
#[derive(Debug, Default)]
pub struct Lines {
    /// The names, some of which may be unknown.
    pub(crate) sources: Vec<Option<String>>,
    /// In the order of their bytes.
    pub(crate) mappings: Vec<Mapping>,
    /// In no order.
    pub(crate) inlined: Vec<Inlined>,
}

/// A line of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The source's number.
    pub source: usize,
    /// Its name, as the compiler wrote it: whoever shows it bounds and escapes it.
    pub name: &'a str,
    /// Counted from 1.
    pub line: u32,
    /// Counted from 1, where it is known.
    pub column: Option<u32>,
}

/// From this byte on, until the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mapping {
    pub(crate) byte: usize,
    pub(crate) place: Option<Spot>,
}

/// Code that stands where its function was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inlined {
    pub(crate) bytes: Range<usize>,
    /// How many others it is within.
    pub(crate) depth: usize,
    /// The call that is gone.
    pub(crate) call: Spot,
}

/// A place by the number of its source, which may have no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    pub(crate) source: usize,
    pub(crate) line: u32,
    pub(crate) column: Option<u32>,
}

impl Lines {
    /// Those of a source map: at most 10,000 sources and 1,000,000 mappings.
    ///
    /// # Errors
    /// [`MapError`].
    pub fn of_map(json: &[u8]) -> Result<Self, MapError> {
        source_map::read(json)
    }

    /// Those of a module that carries DWARF; nothing of one that has none. Sources in `folder` are named from there.
    ///
    /// # Errors
    /// [`DwarfError`].
    pub fn of_dwarf(
        module: &[u8],
        functions: &Functions,
        folder: Option<&Path>,
    ) -> Result<Option<Self>, DwarfError> {
        dwarf::read(module, functions, folder)
    }

    /// Where a byte comes from, by the last mapping at it or before it that is not before `least`.
    pub fn place(&self, byte: usize, least: usize) -> Option<Place<'_>> {
        let behind = self
            .mappings
            .partition_point(|mapping| mapping.byte <= byte);
        let mapping = behind.checked_sub(1).and_then(|at| self.mappings.get(at))?;
        let spot = mapping.place.filter(|_| mapping.byte >= least)?;
        self.named(spot)
    }

    /// The calls that were inlined at a byte, the innermost first.
    pub fn inlined(&self, byte: usize) -> Vec<Place<'_>> {
        let within = self.inlined.iter();
        let mut within: Vec<_> = within.filter(|one| one.bytes.contains(&byte)).collect();
        within.sort_by_key(|one| std::cmp::Reverse(one.depth));
        within
            .iter()
            .filter_map(|one| self.named(one.call))
            .collect()
    }

    /// The first place of a stretch of bytes.
    pub fn first(&self, bytes: &Range<usize>) -> Option<Place<'_>> {
        let from = self
            .mappings
            .partition_point(|mapping| mapping.byte < bytes.start);
        let mut within = self.mappings[from..]
            .iter()
            .take_while(|mapping| mapping.byte < bytes.end);
        within.find_map(|mapping| self.named(mapping.place?))
    }

    /// From which byte on the module is of which place, in the order of the bytes, and of none where that is not known.
    pub fn stretches(&self) -> impl Iterator<Item = (usize, Option<Place<'_>>)> {
        let named = |mapping: &Mapping| mapping.place.and_then(|spot| self.named(spot));
        self.mappings
            .iter()
            .map(move |mapping| (mapping.byte, named(mapping)))
    }

    fn named(&self, spot: Spot) -> Option<Place<'_>> {
        Some(Place {
            source: spot.source,
            name: self.sources.get(spot.source)?.as_deref()?,
            line: spot.line,
            column: spot.column,
        })
    }
}

/// `NAME:LINE`, or `NAME:LINE:COLUMN`.
impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.name, self.line)?;
        match self.column {
            Some(column) => write!(formatter, ":{column}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spot(source: usize, line: u32) -> Spot {
        Spot {
            source,
            line,
            column: Some(7),
        }
    }

    fn inlined(bytes: Range<usize>, depth: usize, line: u32) -> Inlined {
        Inlined {
            bytes,
            depth,
            call: spot(1, line),
        }
    }

    fn lines() -> Lines {
        let mapping = |byte, place| Mapping { byte, place };
        Lines {
            sources: vec![Some("sdk.zig".to_owned()), Some("own.zig".to_owned()), None],
            mappings: vec![
                mapping(10, Some(spot(0, 5))),
                mapping(20, None),
                mapping(30, Some(spot(2, 1))),
                mapping(40, Some(spot(1, 9))),
            ],
            inlined: vec![inlined(5..25, 1, 80), inlined(10..18, 2, 60)],
        }
    }

    #[test]
    fn a_byte_has_its_place_and_the_calls_from_the_inside_out() {
        let lines = lines();
        let at = |byte| lines.place(byte, 0).map(|place| place.to_string());
        let calls =
            |byte| -> Vec<u32> { lines.inlined(byte).iter().map(|call| call.line).collect() };
        assert_eq!(
            (at(10).as_deref(), calls(10)),
            (Some("sdk.zig:5:7"), vec![60, 80])
        );
        assert_eq!(
            (at(18).as_deref(), calls(18)),
            (Some("sdk.zig:5:7"), vec![80])
        );
        // No line, but a call.
        assert_eq!((at(20), calls(20)), (None, vec![80]));
        // A source without a name is no place.
        assert_eq!((at(30), calls(30)), (None, vec![]));
        assert_eq!(at(40).as_deref(), Some("own.zig:9:7"));
        assert_eq!(lines.place(41, 41), None);
        assert_eq!(lines.first(&(11..50)).map(|place| place.line), Some(9));
        assert_eq!(
            lines
                .stretches()
                .filter(|(_, place)| place.is_some())
                .count(),
            2
        );
    }
}
