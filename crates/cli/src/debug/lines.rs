//! Places in sources as they are shown.
//!
//! Enters: [`Lines`], whose names are a stranger's. Leaves: one line of bounded length. Refuses nothing.

use std::ops::Range;

use tenzik_lines::{Lines, Place};

use crate::text;

/// How much of a source's name is shown. What is cut is its beginning: the file is at its end.
const SOURCE_CHARS_MAX: usize = 120;
/// How many calls are told that were inlined at one byte.
const INLINED_TOLD: usize = 8;

/// Where a byte comes from that is not before `least`: the place, and the calls that were inlined there, the innermost first.
pub(super) fn position(lines: &Lines, byte: usize, least: usize) -> Option<String> {
    let (place, calls) = (lines.place(byte, least), lines.inlined(byte));
    // A compiler that does not say where code is from may still say where the call was.
    if place.is_none() && calls.is_empty() {
        return None;
    }
    Some(shown(place, byte, &calls))
}

/// The first line of a stretch of bytes.
pub(super) fn first(lines: &Lines, bytes: &Range<usize>) -> Option<String> {
    let column = None;
    let place = lines.first(bytes)?;
    Some(told(Place { column, ..place }))
}

fn shown(place: Option<Place<'_>>, byte: usize, calls: &[Place<'_>]) -> String {
    let mut shown = place.map_or_else(|| format!("byte {byte:#x}"), told);
    for call in calls.iter().take(INLINED_TOLD) {
        shown += &format!(", inlined at {}", told(*call));
    }
    if calls.len() > INLINED_TOLD {
        shown += ", inlined at …";
    }
    shown
}

fn told(place: Place<'_>) -> String {
    let chars = place.name.chars().count();
    let end: String = match chars.checked_sub(SOURCE_CHARS_MAX) {
        None | Some(0) => place.name.to_owned(),
        Some(more) => ['…']
            .into_iter()
            .chain(place.name.chars().skip(more))
            .collect(),
    };
    let name = text::shown(&end, SOURCE_CHARS_MAX + 1);
    Place {
        name: &name,
        ..place
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str, line: u32) -> Place<'_> {
        Place {
            source: 0,
            name,
            line,
            column: Some(7),
        }
    }

    #[test]
    fn a_byte_without_a_line_has_its_calls_all_the_same() {
        let calls = [place("own.zig", 60), place("own.zig", 80)];
        assert_eq!(
            shown(Some(place("sdk.zig", 5)), 10, &calls),
            "sdk.zig:5:7, inlined at own.zig:60:7, inlined at own.zig:80:7"
        );
        assert_eq!(
            shown(None, 20, &calls[1..]),
            "byte 0x14, inlined at own.zig:80:7"
        );
        let map = Lines::of_map(br#"{"version":3,"sources":["a.ts"],"mappings":"UAAA,KACA"}"#);
        let map = map.expect("a map");
        assert_eq!(position(&map, 9, 0), None);
        assert_eq!(position(&map, 12, 0).as_deref(), Some("a.ts:1:1"));
        assert_eq!(first(&map, &(11..16)).as_deref(), Some("a.ts:2"));
    }

    #[test]
    fn what_is_told_has_a_bound() {
        let calls = vec![place("own.zig", 1); 50];
        let told = shown(Some(place("sdk.zig", 5)), 10, &calls);
        assert_eq!(told.matches("inlined at").count(), INLINED_TOLD + 1);
        assert!(told.ends_with(", inlined at …"), "{told}");
        let name = format!("{}\u{1b}[2J/end.zig", "/a".repeat(5_000));
        let told = shown(Some(place(&name, 9)), 10, &[]);
        assert!(
            told.starts_with("…") && told.ends_with(r"\u{1b}[2J/end.zig:9:7"),
            "{told}"
        );
        assert!(told.chars().count() < 2 * SOURCE_CHARS_MAX);
    }
}
