//! The units of `.debug_info`: which folder each was compiled in, and which lines are its own.
//!
//! Enters: the section, and its abbreviations. Leaves: [`Unit`]s by the place of their lines. Refuses: what is not of the form.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugAbbrevOffset, DebugInfo, UnitHeader, constants,
};

use super::{DwarfError, Reading, Sections, Slice, slice};

/// What was compiled at once.
pub(super) struct Unit<'a> {
    pub(super) header: UnitHeader<Slice<'a>>,
    pub(super) abbreviations: Rc<Abbreviations>,
    /// The folder it was compiled in.
    pub(super) folder: Option<String>,
    /// What its lists of ranges count from.
    pub(super) low: u64,
}

/// By the place of their lines in `.debug_line`.
pub(super) type Units<'a> = BTreeMap<usize, Vec<Unit<'a>>>;

/// Reads the first entry of each unit.
pub(super) fn read<'a>(
    sections: &Sections<'a>,
    reading: &mut Reading<'a>,
) -> Result<Units<'a>, DwarfError> {
    let mut headers = Vec::new();
    let mut units = DebugInfo::from(slice(sections.info)).units();
    while let Some(header) = units.next()? {
        reading.step(1)?;
        headers.push(header);
    }
    let abbreviations = abbreviations(sections.abbrev, &headers)?;
    let mut units = Units::new();
    for header in headers {
        let Some(abbreviations) = abbreviations.get(&header.debug_abbrev_offset().0) else {
            continue;
        };
        if let Some((lines, unit)) = unit(header, abbreviations, reading)? {
            units.entry(lines).or_default().push(unit);
        }
    }
    Ok(units)
}

/// The abbreviations at each place that a unit names. They end where the next begin: otherwise a small section, of which each
/// unit named another byte, would be read as often as there are units.
fn abbreviations(
    section: &[u8],
    headers: &[UnitHeader<Slice<'_>>],
) -> Result<BTreeMap<usize, Rc<Abbreviations>>, DwarfError> {
    let places: BTreeSet<usize> = headers
        .iter()
        .map(|header| header.debug_abbrev_offset().0)
        .collect();
    let ends = places.iter().skip(1).copied().chain([section.len()]);
    let mut read = BTreeMap::new();
    for (place, end) in places.iter().copied().zip(ends) {
        let section = DebugAbbrev::from(slice(section.get(..end).unwrap_or(section)));
        let abbreviations = section.abbreviations(DebugAbbrevOffset(place))?;
        read.insert(place, Rc::new(abbreviations));
    }
    Ok(read)
}

/// A unit, and the place of its lines; nothing if it has none.
fn unit<'a>(
    header: UnitHeader<Slice<'a>>,
    abbreviations: &Rc<Abbreviations>,
    reading: &mut Reading<'a>,
) -> Result<Option<(usize, Unit<'a>)>, DwarfError> {
    let mut entries = header.entries_raw(abbreviations, None)?;
    let Some(root) = entries.read_abbreviation()? else {
        return Ok(None);
    };
    let (mut lines, mut folder, mut low) = (None, None, 0);
    for attribute in root.attributes() {
        reading.step(1)?;
        let attribute = entries.read_attribute(*attribute)?;
        match (attribute.name(), attribute.value()) {
            (constants::DW_AT_stmt_list, AttributeValue::DebugLineRef(at)) => lines = Some(at.0),
            (constants::DW_AT_comp_dir, value) => folder = reading.sources.text(value),
            (constants::DW_AT_low_pc, AttributeValue::Addr(address)) => low = address,
            _ => {}
        }
    }
    let lines = lines.filter(|_| root.tag() == constants::DW_TAG_compile_unit);
    Ok(lines.map(|lines| {
        let abbreviations = Rc::clone(abbreviations);
        let unit = Unit {
            header,
            abbreviations,
            folder,
            low,
        };
        (lines, unit)
    }))
}
