use gimli::write::{
    Address, AttributeValue, Dwarf, EndianVec, FileId, LineProgram, LineString, Unit,
};
use gimli::{Encoding, Format, LineEncoding};
use proptest::prelude::*;

use super::*;

/// Two functions: of the first the code is 3 bytes, of the second 8.
const TEXT: &str = "(module (func (nop)) (func (drop (i32.div_s (i32.const 1) (i32.const 0)))))";

/// Rows from an address on: how far behind it each is, its line and column; and where they end.
struct Rows<'a> {
    from: u64,
    rows: &'a [(u64, u64, u64)],
    end: u64,
}

/// A call that is gone: its code, and its line.
type Call = (Range<u64>, u64);

fn plain() -> Vec<u8> {
    wat::parse_str(TEXT).expect("a module")
}

/// Where a function's code begins, as DWARF counts.
fn address(function: usize) -> u64 {
    let module = with(plain(), &[(".debug_line", b"x")]);
    let sections = Sections::of(&module).expect("small");
    let code = sections.expect("there are lines").code;
    (Functions::of(&module).bodies()[function].start - code) as u64
}

fn with(mut module: Vec<u8>, sections: &[(&str, &[u8])]) -> Vec<u8> {
    let number = |mut left: usize, to: &mut Vec<u8>| loop {
        let more = if left > 127 { 0x80 } else { 0 };
        to.push((left & 0x7f) as u8 | more);
        left >>= 7;
        if left == 0 {
            break;
        }
    };
    for (name, data) in sections {
        let mut section = Vec::new();
        number(name.len(), &mut section);
        section.extend_from_slice(name.as_bytes());
        section.extend_from_slice(data);
        module.push(0);
        number(section.len(), &mut module);
        module.extend(section);
    }
    module
}

/// The sections of a unit that was compiled in `/home/ada/c` from `own.c` there and `/sdk/sdk.h`.
fn dwarf(version: u16, sequences: &[Rows<'_>], calls: &[Call]) -> Vec<(&'static str, Vec<u8>)> {
    let encoding = Encoding {
        address_size: 4,
        format: Format::Dwarf32,
        version,
    };
    let text = |text: &str| LineString::String(text.into());
    let (own, home) = (text("own.c"), text("/home/ada/c"));
    let mut lines = LineProgram::new(encoding, LineEncoding::default(), home, None, own, None);
    let folders = [lines.default_directory(), lines.add_directory(text("/sdk"))];
    let own = lines.add_file(text("own.c"), folders[0], None);
    lines.add_file(text("sdk.h"), folders[1], None);
    for sequence in sequences {
        write_rows(sequence, own, &mut lines);
    }
    let mut dwarf = Dwarf::new();
    let unit = dwarf.units.add(Unit::new(encoding, lines));
    describe(dwarf.units.get_mut(unit), own, calls);
    let mut sections = gimli::write::Sections::new(EndianVec::new(LittleEndian));
    dwarf.write(&mut sections).expect("it is written");
    let mut found = Vec::new();
    let each = sections.for_each(|id, data| {
        found.push((id.name(), data.slice().to_vec()));
        Ok::<_, ()>(())
    });
    each.expect("all of them");
    found
}

fn write_rows(sequence: &Rows<'_>, file: FileId, lines: &mut LineProgram) {
    lines.begin_sequence(Some(Address::Constant(sequence.from)));
    for (offset, line, column) in sequence.rows {
        let row = lines.row();
        (row.address_offset, row.line, row.column, row.file) = (*offset, *line, *column, file);
        lines.generate_row();
    }
    lines.end_sequence(sequence.end);
}

/// Each call is within the one before it.
fn describe(unit: &mut Unit, file: FileId, calls: &[Call]) {
    let root = unit.root();
    let home = AttributeValue::String(b"/home/ada/c".to_vec());
    unit.get_mut(root).set(gimli::DW_AT_comp_dir, home);
    let mut parent = unit.add(root, gimli::DW_TAG_subprogram);
    for (bytes, line) in calls {
        parent = unit.add(parent, gimli::DW_TAG_inlined_subroutine);
        let entry = unit.get_mut(parent);
        let low = AttributeValue::Address(Address::Constant(bytes.start));
        entry.set(gimli::DW_AT_low_pc, low);
        entry.set(
            gimli::DW_AT_high_pc,
            AttributeValue::Udata(bytes.end - bytes.start),
        );
        entry.set(
            gimli::DW_AT_call_file,
            AttributeValue::FileIndex(Some(file)),
        );
        entry.set(gimli::DW_AT_call_line, AttributeValue::Udata(*line));
    }
}

fn module(sections: &[(&'static str, Vec<u8>)]) -> Vec<u8> {
    let sections: Vec<_> = sections
        .iter()
        .map(|(name, data)| (*name, &data[..]))
        .collect();
    with(plain(), &sections)
}

fn lines(module: &[u8]) -> Result<Option<Lines>, String> {
    let folder = Path::new("/home/ada/c");
    read(module, &Functions::of(module), Some(folder)).map_err(|error| error.to_string())
}

/// The place of a byte of a function.
fn at(module: &[u8], function: usize, byte: usize) -> Option<String> {
    let lines = lines(module).expect("in order").expect("there are lines");
    let start = Functions::of(module).bodies()[function].start;
    let calls: Vec<_> = lines
        .inlined(start + byte)
        .iter()
        .map(ToString::to_string)
        .collect();
    let place = lines.place(start + byte, start)?.to_string();
    Some([vec![place], calls].concat().join(", inlined at "))
}

#[test]
fn a_byte_has_its_line_in_each_version_of_dwarf() {
    let second = Rows {
        from: address(1),
        rows: &[(0, 7, 0), (1, 8, 12), (5, 0, 12), (6, 9, 1)],
        end: 8,
    };
    for version in 2..=5 {
        let module = module(&dwarf(version, std::slice::from_ref(&second), &[]));
        let at = |byte| at(&module, 1, byte);
        assert_eq!(at(0).as_deref(), Some("own.c:7"), "version {version}");
        assert_eq!(at(4).as_deref(), Some("own.c:8:12"));
        // Line 0 is that of nobody.
        assert_eq!(at(5), None);
        assert_eq!(at(7).as_deref(), Some("own.c:9:1"));
        assert_eq!(super::tests::at(&module, 0, 1), None);
    }
}

#[test]
fn inlined_calls_are_found_where_their_code_is() {
    let from = address(1);
    let second = Rows {
        from,
        rows: &[(0, 7, 0)],
        end: 8,
    };
    let calls = [(from + 1..from + 6, 20), (from + 2..from + 4, 30)];
    let module = module(&dwarf(4, &[second], &calls));
    assert_eq!(
        at(&module, 1, 1).as_deref(),
        Some("own.c:7, inlined at own.c:20")
    );
    assert_eq!(
        at(&module, 1, 3).as_deref(),
        Some("own.c:7, inlined at own.c:30, inlined at own.c:20")
    );
    assert_eq!(at(&module, 1, 6).as_deref(), Some("own.c:7"));
}

#[test]
fn rows_of_functions_that_are_not_there_do_not_count() {
    let rows = &[(0, 7, 3)];
    let dropped = |from, end| Rows { from, rows, end };
    let all = [
        dropped(0, 4),
        // A linker's own mark.
        dropped(0xffff_ffff, 0),
        // Longer than the function, and beyond the code.
        dropped(address(0), 40),
        dropped(5_000, 8),
    ];
    for one in &all {
        let module = module(&dwarf(4, std::slice::from_ref(one), &[]));
        let nowhere = lines(&module).expect_err("no rows");
        assert_eq!(nowhere, "none of them is of a function of this code");
    }
}

#[test]
fn of_two_sequences_for_one_function_neither_is_told() {
    let rows = |function, line: &'static [(u64, u64, u64)]| Rows {
        from: address(function),
        rows: line,
        end: 3,
    };
    let both = [
        rows(0, &[(0, 7, 3)]),
        rows(1, &[(0, 8, 1)]),
        rows(0, &[(0, 9, 1)]),
    ];
    let module = module(&dwarf(4, &both, &[]));
    assert_eq!(at(&module, 0, 1), None);
    assert_eq!(at(&module, 1, 1).as_deref(), Some("own.c:8:1"));
}

#[test]
fn where_nothing_is_nothing_is_said() {
    assert!(lines(&plain()).expect("no lines").is_none());
    let empty = with(plain(), &[(".debug_line", b""), (".debug_info", b"junk")]);
    assert!(lines(&empty).expect("no lines").is_none());
    assert!(lines(b"no module").expect("no lines").is_none());
}

#[test]
fn what_is_too_large_is_refused_with_its_figures() {
    let large = vec![0; LINE_BYTES_MAX + 1];
    let module = with(plain(), &[(".debug_line", &large)]);
    let refused = lines(&module).expect_err("too large");
    assert_eq!(
        refused,
        "bytes of .debug_line: 1048577, 1048576 are allowed"
    );
}

/// Ten thousand entries, each with a list of ten thousand ranges: small sections that take long.
#[test]
fn what_would_take_long_ends_early() {
    let mut sections = dwarf(4, &[], &[(1..2, 3)]);
    let mut ranges = [[1, 0, 0, 0], [2, 0, 0, 0]].concat().repeat(10_000);
    ranges.extend([0; 8]);
    let abbreviations = [
        // A unit with its lines; a call with a list of ranges, and its file and line.
        &[1, 0x11, 1, 0x10, 0x17, 0, 0][..],
        &[2, 0x1d, 0, 0x55, 0x17, 0x58, 0x0b, 0x59, 0x0b, 0, 0, 0],
    ];
    let entry = [2, 0, 0, 0, 0, 1, 1];
    let body = [
        &[4, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0][..],
        &entry.repeat(10_000),
    ]
    .concat();
    let length = u32::try_from(body.len()).expect("small").to_le_bytes();
    sections.retain(|(name, _)| *name == ".debug_line");
    sections.push((".debug_ranges", ranges));
    sections.push((".debug_abbrev", abbreviations.concat()));
    sections.push((".debug_info", [&length[..], &body].concat()));
    let refused = lines(&module(&sections)).expect_err("too many steps");
    assert!(refused.starts_with("steps: "), "{refused}");
}

proptest! {
    /// A byte here and there is another, or the end is missing.
    #[test]
    fn any_sections_are_lines_or_an_error(version in 2_u16..=5, changes in prop::collection::vec((0_usize..20, any::<usize>(), any::<u8>()), 0..12), cut: Option<(usize, usize)>) {
        let from = address(1);
        let rows = Rows { from, rows: &[(0, 7, 0), (1, 8, 12)], end: 8 };
        let mut sections = dwarf(version, &[rows], &[(from..from + 3, 4), (from + 1..from + 2, 5)]);
        sections.retain(|(_, data)| !data.is_empty());
        for (section, byte, value) in changes {
            let count = sections.len();
            let data = &mut sections[section % count].1;
            let len = data.len();
            data[byte % len] = value;
        }
        if let Some((section, to)) = cut {
            let count = sections.len();
            let data = &mut sections[section % count].1;
            data.truncate(to % (data.len() + 1));
        }
        if let Ok(Some(lines)) = lines(&module(&sections)) {
            for byte in 0..200 {
                lines.place(byte, 0);
                lines.inlined(byte);
                lines.first(&(0..byte));
            }
        }
    }
}
