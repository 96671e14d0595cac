//! A source map of version 3, as compilers write one beside a module (ECMA-426).
//!
//! Enters: a stranger's JSON. Leaves: [`Lines`]. Refuses: other versions, maps that are too large, and mappings that are
//! not in order or name what is not there.

use serde::Deserialize;

use crate::lines::{Lines, MAPPINGS_MAX, Mapping, SOURCES_MAX, Spot};
use crate::vlq::{self, VlqError};

/// Why a source map is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MapError {
    /// A mapping has some other number of fields.
    #[error("mapping {mapping} has {got} fields, 1, 4 or 5 are allowed")]
    Fields {
        /// Which, counted from 0.
        mapping: usize,
        /// How many.
        got: usize,
    },
    /// It is not of the form.
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    /// A number of it is wrong.
    #[error("mapping {mapping}: {error}")]
    Number {
        /// Of which mapping, counted from 0.
        mapping: usize,
        /// Why.
        error: VlqError,
    },
    /// The bytes do not rise.
    #[error("mapping {mapping} stands before the one before it")]
    Order {
        /// From which on, counted from 0.
        mapping: usize,
    },
    /// A place is below zero, or in no source.
    #[error("mapping {mapping} is of no place in a source")]
    Place {
        /// Which, counted from 0.
        mapping: usize,
    },
    /// There are too many of something.
    #[error("it has {got} {what}, {allowed} are allowed")]
    Size {
        /// Of what.
        what: &'static str,
        /// How many there are.
        got: usize,
        /// How many there may be.
        allowed: usize,
    },
    /// A module has one line.
    #[error("it is of several lines; a module has one")]
    SeveralLines,
    /// It is another version.
    #[error("it is of version {0}, 3 is allowed")]
    Version(u64),
}

/// The form. What else there may be, such as the sources themselves, is not looked at.
#[derive(Deserialize)]
struct Form {
    version: u64,
    sources: Vec<Option<String>>,
    mappings: String,
}

pub(super) fn read(bytes: &[u8]) -> Result<Lines, MapError> {
    let form: Form = serde_json::from_slice(bytes)?;
    if form.version != 3 {
        return Err(MapError::Version(form.version));
    }
    within("sources", form.sources.len(), SOURCES_MAX)?;
    let text = first_line(form.mappings.as_bytes());
    if text.contains(&b';') {
        return Err(MapError::SeveralLines);
    }
    let commas = text.iter().filter(|byte| **byte == b',').count();
    within("mappings", commas + 1, MAPPINGS_MAX)?;
    Ok(Lines {
        mappings: mappings(text, form.sources.len())?,
        sources: form.sources,
        inlined: Vec::new(),
    })
}

/// The text without the lines at its end on which nothing stands.
fn first_line(text: &[u8]) -> &[u8] {
    let last = text.iter().rposition(|byte| *byte != b';');
    &text[..last.map_or(0, |last| last + 1)]
}

fn within(what: &'static str, got: usize, allowed: usize) -> Result<(), MapError> {
    match got > allowed {
        true => Err(MapError::Size { what, got, allowed }),
        false => Ok(()),
    }
}

fn mappings(text: &[u8], sources: usize) -> Result<Vec<Mapping>, MapError> {
    let mut found = Vec::new();
    if text.is_empty() {
        return Ok(found);
    }
    // Each number counts from the one before it of the same kind.
    let mut last = [0_u32; 4];
    for (mapping, part) in text.split(|byte| *byte == b',').enumerate() {
        let (fields, got) = fields(part, mapping)?;
        for (last, field) in last.iter_mut().zip(&fields[..got.min(4)]) {
            *last = last
                .checked_add_signed(*field)
                .ok_or(MapError::Place { mapping })?;
        }
        if got > 0 && fields[0] < 0 {
            return Err(MapError::Order { mapping });
        }
        let place = (got > 1).then(|| place(last, sources));
        let place = place.map(|place| place.ok_or(MapError::Place { mapping }));
        found.push(Mapping {
            byte: last[0] as usize,
            place: place.transpose()?,
        });
    }
    Ok(found)
}

/// A map counts from 0, people from 1.
fn place([_, source, line, column]: [u32; 4], sources: usize) -> Option<Spot> {
    Some(Spot {
        source: Some(source as usize).filter(|source| *source < sources)?,
        line: line.checked_add(1)?,
        column: Some(column.checked_add(1)?),
    })
}

/// A mapping's fields, and how many there are.
fn fields(mut part: &[u8], mapping: usize) -> Result<([i32; 5], usize), MapError> {
    let (mut fields, mut got) = ([0; 5], 0);
    while !part.is_empty() {
        let (number, rest) =
            vlq::read(part).map_err(|error| MapError::Number { mapping, error })?;
        if let Some(field) = fields.get_mut(got) {
            *field = number;
        }
        (got, part) = (got + 1, rest);
    }
    match got {
        1 | 4 | 5 => Ok((fields, got)),
        _ => Err(MapError::Fields { mapping, got }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(sources: &[&str], mappings: &str) -> Result<Lines, MapError> {
        let sources = serde_json::to_string(sources).expect("JSON");
        let text =
            format!(r#"{{"version":3,"sources":{sources},"names":[],"mappings":"{mappings}"}}"#);
        read(text.as_bytes())
    }

    /// A byte, and its source, line and column.
    type Written = (usize, Option<(usize, u32, u32)>);

    fn written(mappings: &[Written]) -> String {
        let (mut text, mut last) = (String::new(), [0_i64; 4]);
        for (byte, place) in mappings {
            if !text.is_empty() {
                text.push(',');
            }
            let place =
                place.map(|(source, line, column)| [source as i64, line.into(), column.into()]);
            let numbers = [*byte as i64]
                .into_iter()
                .chain(place.into_iter().flatten());
            for (number, last) in numbers.zip(&mut last) {
                vlq::write(i32::try_from(number - *last).expect("small"), &mut text);
                *last = number;
            }
        }
        text
    }

    #[test]
    fn a_byte_has_the_place_of_the_last_mapping_before_it() {
        let text = written(&[(10, Some((0, 4, 2))), (20, None), (30, Some((1, 0, 0)))]);
        let map = map(&["a.ts", "b.ts"], &text).expect("a map");
        let at = |byte, least| map.place(byte, least).map(|place| place.to_string());
        assert_eq!(at(9, 0), None);
        assert_eq!(at(10, 0).as_deref(), Some("a.ts:5:3"));
        assert_eq!(at(19, 0).as_deref(), Some("a.ts:5:3"));
        assert_eq!(at(19, 11), None, "what is mapped is another function");
        assert_eq!((at(20, 0), at(29, 0)), (None, None));
        assert_eq!(at(99, 0).as_deref(), Some("b.ts:1:1"));
        let first = |bytes| map.first(&bytes).map(|place| place.to_string());
        assert_eq!(first(11..31).as_deref(), Some("b.ts:1:1"));
        assert_eq!(first(11..30), None);
    }

    #[test]
    fn a_map_that_is_not_in_order_is_refused_with_its_reason() {
        let reason = |mappings: &str| {
            map(&["a.ts"], mappings)
                .map(drop)
                .map_err(|error| error.to_string())
        };
        assert_eq!(reason(""), Ok(()));
        assert_eq!(reason(";;"), Ok(()));
        for (mappings, expected) in [
            ("AAAA;AAAA", "it is of several lines; a module has one"),
            ("AA", "mapping 0 has 2 fields, 1, 4 or 5 are allowed"),
            ("AAAAAA", "mapping 0 has 6 fields, 1, 4 or 5 are allowed"),
            ("AAAA,", "mapping 1 has 0 fields, 1, 4 or 5 are allowed"),
            ("C,D", "mapping 1 stands before the one before it"),
            ("ACAA", "mapping 0 is of no place in a source"),
            ("AADA", "mapping 0 is of no place in a source"),
            ("A*AA", "mapping 0: byte 0x2a is no base64 digit"),
        ] {
            assert_eq!(reason(mappings), Err(expected.to_owned()), "{mappings}");
        }
        let other = read(br#"{"version":2,"sources":[],"mappings":""}"#);
        assert!(matches!(other, Err(MapError::Version(2))));
        assert!(matches!(read(b"[]"), Err(MapError::Form(_))));
        let many = ",".repeat(MAPPINGS_MAX);
        assert!(matches!(map(&[], &many), Err(MapError::Size { .. })));
    }

    proptest! {
        #[test]
        fn any_text_is_a_map_or_an_error(mappings in "[A-Za-z0-9+/,;]{0,80}", byte: usize) {
            if let Ok(map) = map(&["a", "b"], &mappings) {
                map.place(byte, 0);
                map.first(&(0..byte));
            }
        }

        #[test]
        fn what_was_written_is_found(lines in prop::collection::vec((1_usize..50, 0_usize..2, 0_u32..9_000, 0_u32..200), 1..40)) {
            let mut byte = 0;
            let mappings: Vec<_> = lines.iter().map(|(step, source, line, column)| {
                byte += step;
                (byte, Some((*source, *line, *column)))
            }).collect();
            let map = map(&["a", "b"], &written(&mappings)).expect("a map");
            for (byte, place) in mappings {
                let (source, line, column) = place.expect("each has one");
                let found = map.place(byte, 0).expect("a place").to_string();
                prop_assert_eq!(found, format!("{}:{}:{}", ["a", "b"][source], line + 1, column + 1));
            }
        }
    }
}
