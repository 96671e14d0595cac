//! Whose a module's code is, byte for byte, by the source map that its compiler left.
//!
//! Enters: a module in AssemblyScript with its map. Leaves: bytes by [`Part`]: the author's functions, the SDK's, what reads and
//! writes each of the author's classes, and each part of the language's library. Refuses what is no source map. A function that
//! was put in the place of its call counts where it was written, which names of functions cannot tell.

mod name;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use serde::Deserialize;
use tenzik_lines::{Functions, Lines, Place};

use super::size::Origin;
use crate::debug::SOURCE_MAP;
use crate::error::Failure;
use crate::source::Source;

/// How many parts are told in lines.
pub(super) const TOLD: usize = 12;

/// Code of one kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    /// Who wrote it.
    pub(super) origin: Origin,
    /// What it is, for people.
    pub(super) name: String,
}

/// Parts with their bytes, the largest first.
pub(super) type Parts = Vec<(Part, usize)>;

/// The texts of the sources, which are only read here.
#[derive(Deserialize)]
struct Contents {
    #[serde(default, rename = "sourcesContent")]
    texts: Vec<Option<String>>,
}

/// Reads the map of a module that was just built.
pub(super) fn read(module: &[u8], map: &Path) -> Result<Parts, Failure> {
    let bytes = Source::File(map.to_owned()).read(SOURCE_MAP)?;
    Ok(parts(module, &bytes))
}

/// The parts of a module; none where the map is not of the form.
fn parts(module: &[u8], map: &[u8]) -> Parts {
    let contents = serde_json::from_slice::<Contents>(map);
    let (Ok(lines), Ok(contents)) = (Lines::of_map(map), contents) else {
        return Vec::new();
    };
    let lines: Vec<_> = lines.stretches().collect();
    let text = |source: usize| contents.texts.get(source).and_then(Option::as_deref);
    let mut names: BTreeMap<(usize, u32), Part> = BTreeMap::new();
    let mut part = |line: Place<'_>| {
        let named = names.entry((line.source, line.line));
        let name = || name::of(line.name, line.line, text(line.source).unwrap_or_default());
        named.or_insert_with(name).clone()
    };
    let functions = Functions::of(module);
    let mut bytes: BTreeMap<Part, usize> = BTreeMap::new();
    for (defined, body) in functions.bodies().iter().enumerate() {
        let mut count = |part, more: usize| *bytes.entry(part).or_default() += more;
        let known = known(&lines, body);
        let Some(first) = known.first() else {
            count(
                name::of_function(functions.name_of_body(defined)),
                body.len(),
            );
            continue;
        };
        // What has no line counts with what stands before it, and at the beginning with what stands behind it.
        count(part(first.1), first.0 - body.start);
        for (index, (from, line)) in known.iter().enumerate() {
            let to = known.get(index + 1).map_or(body.end, |(byte, _)| *byte);
            count(part(*line), to - from);
        }
    }
    let mut parts: Parts = bytes.into_iter().filter(|(_, bytes)| *bytes > 0).collect();
    parts.sort_by_key(|(_, bytes)| Reverse(*bytes));
    parts
}

/// From which bytes of a function a line is known.
fn known<'a>(lines: &[(usize, Option<Place<'a>>)], body: &Range<usize>) -> Vec<(usize, Place<'a>)> {
    let first = lines.partition_point(|(byte, _)| *byte < body.start);
    let within = lines[first..].iter();
    let within = within.take_while(|(byte, _)| *byte < body.end);
    within
        .filter_map(|(byte, line)| Some((*byte, (*line)?)))
        .collect()
}

/// Bytes by who wrote them.
pub(super) fn origins(parts: &Parts) -> BTreeMap<Origin, usize> {
    parts
        .iter()
        .fold(BTreeMap::new(), |mut all, (part, bytes)| {
            *all.entry(part.origin).or_default() += bytes;
            all
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two functions, of which the second has code of four sources.
    const MODULE: &str = "(module (memory (export \"memory\") 1) (func $tenzik-like (nop) (nop))
        (func (export \"run\") (nop) (nop) (nop) (nop)))";

    fn map(module: &[u8], mappings: &str) -> String {
        let bodies = Functions::of(module);
        let first = bodies.bodies()[0].start + 1;
        let mut head = String::new();
        tenzik_lines::vlq::write(i32::try_from(first).expect("a small module"), &mut head);
        let sources = [
            "tenzik-like.ts",
            "tenzik-run.ts",
            "~lib/map.ts",
            "~lib/@tenzik/sdk/assembly/typed.ts",
        ];
        let texts = [
            "function own(): void {\n}",
            "import { Order as C0 } from \"./index\";\nfunction f0(h: i32): C0 {\n}",
            "",
            "export function readText(): void {\n}",
        ];
        serde_json::json!({
            "version": 3, "sources": sources, "sourcesContent": texts, "names": [],
            "mappings": mappings.replace("HEAD", &head),
        })
        .to_string()
    }

    #[test]
    fn each_byte_counts_where_it_was_written() {
        let module = wat::parse_str(MODULE).expect("a module");
        let sizes: usize = Functions::of(&module)
            .bodies()
            .iter()
            .map(std::ops::Range::len)
            .sum();
        // The first function is of source 0; the second, 5 bytes on, begins with glue, and has one instruction of each other.
        let parts = parts(&module, map(&module, "HEADAAA,KCCA,CCAA,CCAA").as_bytes());
        let named: Vec<_> = parts
            .iter()
            .map(|(part, bytes)| (part.origin.name(), &part.name[..], *bytes))
            .collect();
        assert_eq!(
            named,
            [
                ("own", "tenzik-like.ts own", 4),
                ("sdk", "typed.ts readText", 3),
                ("sdk", "read Order", 2),
                ("library", "Map", 1),
            ]
        );
        assert_eq!(
            named.iter().map(|(_, _, bytes)| bytes).sum::<usize>(),
            sizes
        );
        let origins = origins(&parts);
        assert_eq!(origins[&Origin::Sdk], 5);
    }

    #[test]
    fn what_is_no_map_has_no_parts() {
        let module = wat::parse_str(MODULE).expect("a module");
        for map in [
            "",
            "{}",
            "[]",
            r#"{"version":3,"sources":[],"mappings":"AAAA"}"#,
        ] {
            assert_eq!(parts(&module, map.as_bytes()), [], "{map}");
        }
        // A function of no known line is told by its name, if it has one.
        let named = parts(&module, map(&module, "").as_bytes());
        let named: Vec<_> = named
            .iter()
            .map(|(part, bytes)| (part.origin.name(), &part.name[..], *bytes))
            .collect();
        assert_eq!(
            named,
            [
                ("unnamed", "of no known line", 6),
                ("own", "tenzik-like", 4)
            ]
        );
    }
}
