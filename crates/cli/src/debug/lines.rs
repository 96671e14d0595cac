//! Which line of which source each byte of a module comes from, whoever told it.
//!
//! Enters: stretches of bytes with their places, from a source map or from DWARF. Leaves: the place of a byte, and by which
//! calls the code came there that a compiler put in the place of the called function. Refuses nothing: the readers do.
//! A source is a name. It is shown, and never opened.

use std::ops::Range;

use crate::text;

/// How much of a source's name is shown. What is cut is its beginning: the file is at its end.
const SOURCE_CHARS_MAX: usize = 120;
/// How many calls are told that were inlined at one byte.
const INLINED_TOLD: usize = 8;

/// Names of sources beyond this are no capsule's.
pub(super) const SOURCES_MAX: usize = 10_000;
/// A module of 1 MiB has fewer instructions.
pub(super) const MAPPINGS_MAX: usize = 1_000_000;

/// Where the bytes of a module come from.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The names, some of which may be unknown.
    pub(super) sources: Vec<Option<String>>,
    /// In the order of their bytes.
    pub(super) mappings: Vec<Mapping>,
    /// In no order.
    pub(super) inlined: Vec<Inlined>,
}

/// From this byte on, until the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    pub(super) byte: usize,
    pub(super) place: Option<Place>,
}

/// Code that stands where its function was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Inlined {
    pub(super) bytes: Range<usize>,
    /// How many others it is within.
    pub(super) depth: usize,
    /// The call that is gone.
    pub(super) call: Place,
}

/// A place by the number of its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) source: usize,
    /// Counted from 1.
    pub(super) line: u32,
    /// Counted from 1.
    pub(super) column: Option<u32>,
}

impl Lines {
    /// Where a byte comes from, by the last mapping at it or before it that is not before `least`: the place, and the calls that
    /// were inlined there, the innermost first.
    pub(super) fn position(&self, byte: usize, least: usize) -> Option<String> {
        let behind = self
            .mappings
            .partition_point(|mapping| mapping.byte <= byte);
        let mapping = behind.checked_sub(1).and_then(|at| self.mappings.get(at));
        let place = mapping.filter(|mapping| mapping.byte >= least);
        let place = place.and_then(|mapping| self.told(mapping.place?));
        let mut calls = self.calls(byte).into_iter().peekable();
        // A compiler that does not say where code is from may still say where the call was.
        if place.is_none() && calls.peek().is_none() {
            return None;
        }
        let place = place.unwrap_or_else(|| format!("byte {byte:#x}"));
        let calls = calls.map(|call| format!(", inlined at {call}"));
        Some([place].into_iter().chain(calls).collect())
    }

    /// The first line of a stretch of bytes.
    pub(super) fn first(&self, bytes: &Range<usize>) -> Option<String> {
        let from = self
            .mappings
            .partition_point(|mapping| mapping.byte < bytes.start);
        let mut within = self.mappings[from..]
            .iter()
            .take_while(|mapping| mapping.byte < bytes.end);
        within.find_map(|mapping| {
            let column = None;
            self.told(Place {
                column,
                ..mapping.place?
            })
        })
    }

    fn calls(&self, byte: usize) -> Vec<String> {
        let within = self.inlined.iter();
        let mut within: Vec<_> = within.filter(|one| one.bytes.contains(&byte)).collect();
        within.sort_by_key(|one| std::cmp::Reverse(one.depth));
        let calls = within.iter().filter_map(|one| self.told(one.call));
        let mut calls: Vec<_> = calls.take(INLINED_TOLD + 1).collect();
        if let Some(more) = calls.get_mut(INLINED_TOLD) {
            "…".clone_into(more);
        }
        calls
    }

    fn told(&self, place: Place) -> Option<String> {
        let source = self.sources.get(place.source)?.as_deref()?;
        let chars = source.chars().count();
        let end: String = match chars.checked_sub(SOURCE_CHARS_MAX) {
            None | Some(0) => source.to_owned(),
            Some(more) => ['…'].into_iter().chain(source.chars().skip(more)).collect(),
        };
        let source = text::shown(&end, SOURCE_CHARS_MAX + 1);
        Some(match place.column {
            Some(column) => format!("{source}:{}:{column}", place.line),
            None => format!("{source}:{}", place.line),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(source: usize, line: u32) -> Place {
        Place {
            source,
            line,
            column: Some(7),
        }
    }

    fn inlined(bytes: Range<usize>, depth: usize, line: u32) -> Inlined {
        Inlined {
            bytes,
            depth,
            call: place(1, line),
        }
    }

    fn lines() -> Lines {
        let mapping = |byte, place| Mapping { byte, place };
        Lines {
            sources: vec![Some("sdk.zig".to_owned()), Some("own.zig".to_owned()), None],
            mappings: vec![
                mapping(10, Some(place(0, 5))),
                mapping(20, None),
                mapping(30, Some(place(2, 1))),
                mapping(40, Some(place(1, 9))),
            ],
            inlined: vec![inlined(5..25, 1, 80), inlined(10..18, 2, 60)],
        }
    }

    #[test]
    fn inlined_calls_are_told_from_the_inside_out() {
        let at = |byte| lines().position(byte, 0);
        assert_eq!(
            at(10).as_deref(),
            Some("sdk.zig:5:7, inlined at own.zig:60:7, inlined at own.zig:80:7")
        );
        assert_eq!(
            at(18).as_deref(),
            Some("sdk.zig:5:7, inlined at own.zig:80:7")
        );
        // No line, but a call.
        assert_eq!(
            at(20).as_deref(),
            Some("byte 0x14, inlined at own.zig:80:7")
        );
        assert_eq!((at(26), at(30)), (None, None));
        assert_eq!(at(40).as_deref(), Some("own.zig:9:7"));
        assert_eq!(lines().first(&(11..50)).as_deref(), Some("own.zig:9"));
    }

    #[test]
    fn what_is_told_has_a_bound() {
        let mut lines = lines();
        lines.inlined = (0..50).map(|depth| inlined(10..11, depth, 1)).collect();
        let told = lines.position(10, 0).expect("a place");
        assert_eq!(told.matches("inlined at").count(), INLINED_TOLD + 1);
        assert!(told.ends_with(", inlined at …"), "{told}");
        lines.sources[1] = Some(format!("{}\u{1b}[2J/end.zig", "/a".repeat(5_000)));
        let told = lines.position(40, 0).expect("a place");
        assert!(
            told.starts_with("…") && told.ends_with(r"\u{1b}[2J/end.zig:9:7"),
            "{told}"
        );
        assert!(told.chars().count() < 2 * SOURCE_CHARS_MAX);
    }
}
