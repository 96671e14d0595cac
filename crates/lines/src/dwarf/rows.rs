//! `.debug_line`: tables of rows, each of which says from which address on the code is of which line.
//!
//! Enters: the section, one table after the other. Leaves: a mapping for each row of a function that is in the module. Refuses:
//! what is not of the form. Rows of functions that the linker dropped are at addresses of no function, and do not count.

use std::collections::HashMap;

use gimli::{ColumnType, DebugLine, DebugLineOffset, LineProgramHeader, LineRow};

use super::units::{Unit, Units};
use super::{Claim, DwarfError, MAPPINGS_MAX, Reading, Sections, Slice, inlined, slice, within};
use crate::lines::{Mapping, Spot};

/// What an address of WebAssembly takes.
const ADDRESS_BYTES: u8 = 4;
/// A length of this value says that the length itself follows, in 8 bytes.
const LONG: [u8; 4] = [0xff; 4];

/// Reads all tables, each once, and with each what its units say.
pub(super) fn read<'a>(
    sections: &Sections<'a>,
    units: &Units<'a>,
    reading: &mut Reading<'a>,
) -> Result<(), DwarfError> {
    let mut at = 0;
    while at < sections.line.len() {
        reading.step(1)?;
        let lines = DebugLine::from(slice(sections.line));
        let program = lines.program(DebugLineOffset(at), ADDRESS_BYTES, None, None)?;
        let units = units.get(&at).map_or(&[][..], Vec::as_slice);
        let long = sections
            .line
            .get(at..)
            .is_some_and(|from| from.starts_with(&LONG));
        let length = if long { 12 } else { 4 };
        at = at
            .saturating_add(length)
            .saturating_add(program.header().unit_length());
        let mut files = Files::new(program.header().clone(), units);
        let mut rows = program.rows();
        let mut sequence = Vec::new();
        while let Some((_, row)) = rows.next_row()? {
            reading.step(1)?;
            sequence.push(*row);
            if row.end_sequence() {
                keep(&sequence, &mut files, reading)?;
                sequence.clear();
            }
        }
        for unit in units {
            inlined::read(unit, sections, &mut files, reading)?;
        }
    }
    Ok(())
}

/// Rows of which the last is only an end: kept if they are of one function.
fn keep<'a>(
    sequence: &[LineRow],
    files: &mut Files<'a>,
    reading: &mut Reading<'a>,
) -> Result<(), DwarfError> {
    let [first, .., end] = sequence else {
        return Ok(());
    };
    let Some((body, _)) = reading.stretch(first.address(), end.address()) else {
        return Ok(());
    };
    if let Some(claim) = reading.claimed.get_mut(body) {
        *claim = match claim {
            Claim::None => Claim::One,
            _ => Claim::Several,
        };
    }
    for row in sequence {
        let Some(byte) = reading.byte(row.address()) else {
            continue;
        };
        let line = row.line().filter(|_| !row.end_sequence());
        let line = line.and_then(|line| u32::try_from(line.get()).ok());
        let column = match row.column() {
            ColumnType::Column(column) => u32::try_from(column.get()).ok(),
            ColumnType::LeftEdge => None,
        };
        let place = match line {
            Some(line) => files.place(row.file_index(), line, column, reading)?,
            None => None,
        };
        within("rows", reading.mappings.len() + 1, MAPPINGS_MAX)?;
        reading.mappings.push(Mapping { byte, place });
    }
    Ok(())
}

/// The files of a table, by their number there.
pub(super) struct Files<'a> {
    header: LineProgramHeader<Slice<'a>>,
    /// The folder that relative names count from, before version 5 of DWARF.
    folder: Option<String>,
    sources: HashMap<u64, Option<usize>>,
}

impl<'a> Files<'a> {
    fn new(header: LineProgramHeader<Slice<'a>>, units: &[Unit<'a>]) -> Self {
        Self {
            header,
            folder: units.first().and_then(|unit| unit.folder.clone()),
            sources: HashMap::new(),
        }
    }

    /// A place in a file; none in one that is not there.
    pub(super) fn place(
        &mut self,
        file: u64,
        line: u32,
        column: Option<u32>,
        reading: &mut Reading<'a>,
    ) -> Result<Option<Spot>, DwarfError> {
        let source = match self.sources.get(&file) {
            Some(source) => *source,
            None => {
                let source = self.source(file, reading)?;
                self.sources.insert(file, source);
                source
            }
        };
        Ok(source.map(|source| Spot {
            source,
            line,
            column,
        }))
    }

    fn source(&self, file: u64, reading: &mut Reading<'a>) -> Result<Option<usize>, DwarfError> {
        let Some(file) = self.header.file(file) else {
            return Ok(None);
        };
        let sources = &reading.sources;
        let Some(name) = sources.text(file.path_name()) else {
            return Ok(None);
        };
        let directory = |number| {
            let directory = self.header.directory(number)?;
            sources.text(directory)
        };
        // From version 5 on, directory 0 is that of the unit; before, it is not among them.
        let base = self.folder.clone().or_else(|| directory(0));
        let texts = [base, directory(file.directory_index()), Some(name)];
        let texts: Vec<&str> = texts.iter().flatten().map(String::as_str).collect();
        let texts: Vec<&str> = texts.into_iter().filter(|text| !text.is_empty()).collect();
        // Many files may share one long name.
        reading.step(texts.iter().map(|text| text.len()).sum())?;
        reading.sources.number(&texts).map(Some)
    }
}
