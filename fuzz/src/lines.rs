//! Places in sources, by a module with DWARF or a source map of a stranger's.
//!
//! Enters: bytes. Leaves nothing. Refuses: lines that are not in order, or that tell another place for a byte than their stretch.

use std::path::Path;

use tenzik_lines::{Functions, Lines};

/// How many stretches are asked for one by one.
const ASKED_MAX: usize = 500;

/// The bytes are a source map, or a module.
pub fn lines(bytes: &[u8]) {
    if let Ok(lines) = Lines::of_map(bytes) {
        agree(&lines);
    }
    let functions = Functions::of(bytes);
    for folder in [None, Some(Path::new("/home/ada/c"))] {
        if let Ok(Some(lines)) = Lines::of_dwarf(bytes, &functions, folder) {
            agree(&lines);
        }
    }
}

fn agree(lines: &Lines) {
    let stretches: Vec<_> = lines.stretches().collect();
    assert!(stretches.is_sorted_by_key(|(byte, _)| *byte));
    for (at, (byte, place)) in stretches.iter().enumerate().take(ASKED_MAX) {
        // Of several at one byte the last counts.
        if stretches.get(at + 1).is_none_or(|(next, _)| next > byte) {
            assert_eq!(lines.place(*byte, 0), *place);
            assert_eq!(lines.place(*byte, byte.saturating_add(1)), None);
        }
        for call in lines.inlined(*byte) {
            assert!(!call.to_string().is_empty());
        }
        // Whatever is first from here on is no further back.
        let rest = stretches[at..].iter();
        let named = rest.filter(|(_, place)| place.is_some()).count() > 0;
        assert!(!named || lines.first(&(*byte..usize::MAX)).is_some());
    }
}
