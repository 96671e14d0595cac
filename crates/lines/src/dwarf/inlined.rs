//! Calls that a compiler replaced by the code of what they called: of a byte in an SDK's function that was inlined, the author
//! wants to know the line of the call.
//!
//! Enters: the entries of a unit, one after the other. Leaves: for each such call its bytes and its place. Refuses: what is not of
//! the form.

use gimli::{
    Attribute, AttributeValue, DebugAddr, DebugAddrBase, DebugRanges, DebugRngLists, RangeLists,
    RangeListsOffset, constants,
};

use super::rows::Files;
use super::units::Unit;
use super::{DwarfError, MAPPINGS_MAX, Reading, Sections, Slice, slice, within};
use crate::lines::{Inlined, Spot};

/// What an entry says of itself.
#[derive(Default)]
struct Entry {
    low: Option<u64>,
    /// An address, or a length.
    high: Option<High>,
    ranges: Option<usize>,
    file: Option<u64>,
    line: Option<u32>,
    column: Option<u32>,
}

enum High {
    Address(u64),
    Length(u64),
}

/// Reads all entries of a unit.
pub(super) fn read<'a>(
    unit: &Unit<'a>,
    sections: &Sections<'a>,
    files: &mut Files<'a>,
    reading: &mut Reading<'a>,
) -> Result<(), DwarfError> {
    let mut entries = unit.header.entries_raw(&unit.abbreviations, None)?;
    while !entries.is_empty() {
        // What is at the depth of the first is behind its end.
        let depth = usize::try_from(entries.next_depth()).unwrap_or(0);
        let Some(abbreviation) = entries.read_abbreviation()? else {
            reading.step(1)?;
            continue;
        };
        let attributes = abbreviation.attributes();
        reading.step(attributes.len().saturating_add(1))?;
        if abbreviation.tag() != constants::DW_TAG_inlined_subroutine {
            entries.skip_attributes(attributes)?;
            continue;
        }
        let mut entry = Entry::default();
        for attribute in attributes {
            entry.take(&entries.read_attribute(*attribute)?);
        }
        let (Some(file), Some(line)) = (entry.file, entry.line) else {
            continue;
        };
        if let Some(call) = files.place(file, line, entry.column, reading)? {
            for (from, to) in entry.stretches(unit, sections, reading)? {
                keep(from, to, depth, call, reading)?;
            }
        }
    }
    Ok(())
}

fn keep(
    from: u64,
    to: u64,
    depth: usize,
    call: Spot,
    reading: &mut Reading<'_>,
) -> Result<(), DwarfError> {
    if let Some((_, bytes)) = reading.stretch(from, to) {
        within("inlined calls", reading.inlined.len() + 1, MAPPINGS_MAX)?;
        reading.inlined.push(Inlined { bytes, depth, call });
    }
    Ok(())
}

impl Entry {
    fn take(&mut self, attribute: &Attribute<Slice<'_>>) {
        let value = attribute.value();
        let number = || value.udata_value();
        match attribute.name() {
            constants::DW_AT_low_pc => self.low = address(&value),
            constants::DW_AT_high_pc => {
                self.high = match address(&value) {
                    Some(address) => Some(High::Address(address)),
                    None => number().map(High::Length),
                };
            }
            constants::DW_AT_ranges => {
                if let AttributeValue::RangeListsRef(at) = value {
                    self.ranges = Some(at.0);
                }
            }
            constants::DW_AT_call_file => {
                self.file = match value {
                    AttributeValue::FileIndex(file) => Some(file),
                    _ => number(),
                };
            }
            constants::DW_AT_call_line => {
                let line = number().and_then(|line| u32::try_from(line).ok());
                self.line = line.filter(|line| *line > 0);
            }
            constants::DW_AT_call_column => {
                let column = number().and_then(|column| u32::try_from(column).ok());
                self.column = column.filter(|column| *column > 0);
            }
            _ => {}
        }
    }

    /// The addresses of its code, from and to.
    fn stretches<'a>(
        &self,
        unit: &Unit<'a>,
        sections: &Sections<'a>,
        reading: &mut Reading<'a>,
    ) -> Result<Vec<(u64, u64)>, DwarfError> {
        let mut found = Vec::new();
        if let Some(ranges) = self.ranges {
            let lists = RangeLists::new(
                DebugRanges::from(slice(sections.ranges)),
                DebugRngLists::from(slice(sections.rnglists)),
            );
            let mut ranges = lists.ranges(
                RangeListsOffset(ranges),
                unit.header.encoding(),
                unit.low,
                &DebugAddr::from(slice(&[])),
                DebugAddrBase(0),
            )?;
            while let Some(range) = ranges.next()? {
                reading.step(1)?;
                found.push((range.begin, range.end));
            }
            return Ok(found);
        }
        let (Some(low), Some(high)) = (self.low, &self.high) else {
            return Ok(found);
        };
        let high = match high {
            High::Address(high) => Some(*high),
            High::Length(length) => low.checked_add(*length),
        };
        found.extend(high.map(|high| (low, high)));
        Ok(found)
    }
}

const fn address(value: &AttributeValue<Slice<'_>>) -> Option<u64> {
    match value {
        AttributeValue::Addr(address) => Some(*address),
        _ => None,
    }
}
