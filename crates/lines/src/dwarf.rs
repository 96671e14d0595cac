//! DWARF, as compilers of C, Rust and Zig write it into custom sections: which line a byte of the module comes from.
//!
//! Enters: a stranger's module. Leaves: [`Lines`], or nothing where it has none. Refuses: sections that are too large or not in
//! order, and lines that are of no function of this code. Other files that it names are never opened.
//!
//! Its addresses count from the beginning of what the code section holds. Each section is read once from front to back, and
//! what refers back and forth is paid from one budget, so that nothing small takes long.

mod inlined;
mod paths;
mod rows;
mod units;

use std::ops::Range;
use std::path::Path;

use gimli::{EndianSlice, LittleEndian};
use wasmparser::{Parser, Payload};

use crate::functions::Functions;
use crate::lines::{Inlined, Lines, MAPPINGS_MAX, Mapping, SOURCES_MAX};

use paths::Sources;

/// The bytes of a section, and a cursor in them.
type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// A file's name may take one byte of it and a hundred in memory. Zig writes 112 KB for a capsule, its whole run-time library.
const LINE_BYTES_MAX: usize = 1024 * 1024;
/// An abbreviation takes five bytes of it and a hundred in memory. Compilers write some kilobytes.
const ABBREV_BYTES_MAX: usize = 1024 * 1024;
/// What is read of the others takes no more memory than they.
const OTHER_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Rows, entries, attributes and ranges that are looked at: some twenty times what Zig writes, and less than a second.
const STEPS_MAX: usize = 10_000_000;

/// Why DWARF is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DwarfError {
    /// It is not of the form.
    #[error("{0}")]
    Form(#[from] gimli::Error),
    /// It may be of another module.
    #[error("none of them is of a function of this code")]
    Nowhere,
    /// There are too many of something.
    #[error("{what}: {got}, {allowed} are allowed")]
    Size {
        /// Of what.
        what: &'static str,
        /// How many there are.
        got: usize,
        /// How many there may be.
        allowed: usize,
    },
}

pub(super) fn read(
    module: &[u8],
    functions: &Functions,
    folder: Option<&Path>,
) -> Result<Option<Lines>, DwarfError> {
    let Some(sections) = Sections::of(module)? else {
        return Ok(None);
    };
    let bodies = functions.bodies();
    let mut reading = Reading {
        bodies,
        claimed: vec![Claim::None; bodies.len()],
        code: sections.code,
        sources: Sources::new(&sections, folder),
        mappings: Vec::new(),
        inlined: Vec::new(),
        steps: 0,
    };
    let units = units::read(&sections, &mut reading)?;
    rows::read(&sections, &units, &mut reading)?;
    reading.lines().map(Some)
}

/// What is read of a module.
#[derive(Debug, Default)]
struct Sections<'a> {
    abbrev: &'a [u8],
    info: &'a [u8],
    line: &'a [u8],
    line_str: &'a [u8],
    ranges: &'a [u8],
    rnglists: &'a [u8],
    str: &'a [u8],
    /// Where the addresses count from.
    code: usize,
}

impl<'a> Sections<'a> {
    /// Nothing where there are no lines. Of two sections of one name the last counts.
    fn of(module: &'a [u8]) -> Result<Option<Self>, DwarfError> {
        let mut sections = Self::default();
        for payload in Parser::new(0).parse_all(module).map_while(Result::ok) {
            match payload {
                Payload::CodeSectionStart { range, .. } => sections.code = range.start,
                Payload::CustomSection(section) => {
                    sections.take(section.name(), section.data())?;
                }
                _ => {}
            }
        }
        Ok((!sections.line.is_empty()).then_some(sections))
    }

    fn take(&mut self, name: &str, data: &'a [u8]) -> Result<(), DwarfError> {
        let (what, section, allowed) = match name {
            ".debug_abbrev" => ("bytes of .debug_abbrev", &mut self.abbrev, ABBREV_BYTES_MAX),
            ".debug_info" => ("bytes of .debug_info", &mut self.info, OTHER_BYTES_MAX),
            ".debug_line" => ("bytes of .debug_line", &mut self.line, LINE_BYTES_MAX),
            ".debug_line_str" => (
                "bytes of .debug_line_str",
                &mut self.line_str,
                OTHER_BYTES_MAX,
            ),
            ".debug_ranges" => ("bytes of .debug_ranges", &mut self.ranges, OTHER_BYTES_MAX),
            ".debug_rnglists" => (
                "bytes of .debug_rnglists",
                &mut self.rnglists,
                OTHER_BYTES_MAX,
            ),
            ".debug_str" => ("bytes of .debug_str", &mut self.str, OTHER_BYTES_MAX),
            _ => return Ok(()),
        };
        within(what, data.len(), allowed)?;
        *section = data;
        Ok(())
    }
}

fn slice(section: &[u8]) -> Slice<'_> {
    EndianSlice::new(section, LittleEndian)
}

fn within(what: &'static str, got: usize, allowed: usize) -> Result<(), DwarfError> {
    match got > allowed {
        true => Err(DwarfError::Size { what, got, allowed }),
        false => Ok(()),
    }
}

/// How many sequences of rows are of one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    None,
    One,
    /// A linker that drops functions may leave their rows at small addresses. Nobody can tell which are right, so none are.
    Several,
}

/// What was read so far.
struct Reading<'a> {
    /// The code of each function, in the module's order.
    bodies: &'a [Range<usize>],
    claimed: Vec<Claim>,
    code: usize,
    sources: Sources<'a>,
    mappings: Vec<Mapping>,
    inlined: Vec<Inlined>,
    steps: usize,
}

impl Reading<'_> {
    /// Pays for something that is looked at.
    fn step(&mut self, steps: usize) -> Result<(), DwarfError> {
        self.steps = self.steps.saturating_add(steps);
        within("steps", self.steps, STEPS_MAX)
    }

    /// A byte of the module.
    fn byte(&self, address: u64) -> Option<usize> {
        self.code.checked_add(usize::try_from(address).ok()?)
    }

    /// A stretch that lies within one function, and the number of that.
    fn stretch(&self, from: u64, to: u64) -> Option<(usize, Range<usize>)> {
        let (from, to) = (self.byte(from)?, self.byte(to)?);
        let behind = self.bodies.partition_point(|body| body.start <= from);
        let body = behind.checked_sub(1)?;
        let fits = from < to && to <= self.bodies.get(body)?.end;
        fits.then_some((body, from..to))
    }

    fn lines(mut self) -> Result<Lines, DwarfError> {
        self.mappings.sort_by_key(|mapping| mapping.byte);
        let several = self.bodies.iter().zip(&self.claimed);
        let several: Vec<_> = several
            .filter(|(_, claim)| **claim == Claim::Several)
            .map(|(body, _)| body.clone())
            .collect();
        let sure = |byte: usize| {
            let behind = several.partition_point(|body| body.start <= byte);
            let body = behind.checked_sub(1).and_then(|at| several.get(at));
            body.is_none_or(|body| byte > body.end)
        };
        self.mappings.retain(|mapping| sure(mapping.byte));
        match self.mappings.is_empty() {
            true => Err(DwarfError::Nowhere),
            false => Ok(Lines {
                sources: self.sources.names(),
                mappings: self.mappings,
                inlined: self.inlined,
            }),
        }
    }
}

#[cfg(test)]
mod tests;
