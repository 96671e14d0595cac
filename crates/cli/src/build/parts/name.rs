//! What a line of a source is part of, in words that an author knows.
//!
//! Enters: a source's name, a line, the text. Leaves: a [`Part`]. Refuses nothing: a line of no known function is its file's.
//! The SDK's compiler writes a source of its own, with a reader and a writer for each type: those are named by the type.

use super::{Origin, Part};

/// The source that the SDK's compiler writes, and the one with the texts in it.
const GLUE: &str = "tenzik-run.ts";
const TEXTS: &str = "tenzik-text.ts";
/// What compiles the SDK names by the package, and its entry by the place where it lies.
const SDK: &str = "~lib/@tenzik/sdk/";
const SDK_ENTRY: &str = "sdk/assembly/entry.ts";
const LIBRARY: &str = "~lib/";

/// Parts of the library that are called otherwise by who uses them, by the beginnings of their files' names.
const LIBRARY_PARTS: [(&str, &str); 12] = [
    ("array.ts", "Array"),
    ("date.ts", "Date"),
    ("map.ts", "Map"),
    ("math.ts", "Math"),
    ("rt", "memory (new)"),
    ("set.ts", "Set"),
    ("string.ts", "string"),
    (
        "util/casemap.ts",
        "case tables (toLowerCase, toUpperCase); their rows are data",
    ),
    ("util/math.ts", "Math"),
    ("util/number.ts", "numbers as text (toString)"),
    ("util/sort.ts", "sort"),
    ("util/string.ts", "string"),
];

/// A function that no line is known of, by its name, if it has one.
pub(super) fn of_function(name: Option<&str>) -> Part {
    match name {
        Some(name) => Part {
            origin: Origin::of(name),
            name: name.to_owned(),
        },
        None => Part {
            origin: Origin::Unnamed,
            name: "of no known line".to_owned(),
        },
    }
}

/// What a line is part of, counted from 1.
pub(super) fn of(source: &str, line: u32, text: &str) -> Part {
    let part = |origin, name: String| Part { origin, name };
    let above = || function_above(text, line);
    if source == GLUE {
        return part(Origin::Sdk, glue(text, line));
    }
    if source == TEXTS {
        return part(Origin::Sdk, "texts of names and messages".to_owned());
    }
    let of_sdk = source
        .strip_prefix(SDK)
        .or_else(|| source.ends_with(SDK_ENTRY).then_some(source));
    if let Some(file) = of_sdk {
        return part(Origin::Sdk, with_function(last(file), above()));
    }
    match source.strip_prefix(LIBRARY) {
        Some(file) => part(Origin::Library, library(file)),
        None => part(Origin::Own, with_function(source, above())),
    }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn with_function(file: &str, function: Option<&str>) -> String {
    match function.and_then(name_of) {
        Some(function) => format!("{file} {function}"),
        None => file.to_owned(),
    }
}

fn library(file: &str) -> String {
    let known = LIBRARY_PARTS.iter();
    let mut known = known.filter(|(begin, _)| file.starts_with(begin));
    let name = known.next().map(|(_, name)| *name);
    name.unwrap_or_else(|| file.trim_end_matches(".ts"))
        .to_owned()
}

/// The last line up to this one that begins a function of the file.
fn function_above(text: &str, line: u32) -> Option<&str> {
    let lines: Vec<&str> = text.lines().take(line as usize).collect();
    let begins = |line: &&&str| {
        let words = line
            .trim_start_matches("@inline ")
            .trim_start_matches("export ");
        words.starts_with("function ")
    };
    lines.iter().rev().find(begins).copied()
}

/// The name in a function's first line.
fn name_of(function: &str) -> Option<&str> {
    let (_, behind) = function.split_once("function ")?;
    let name = behind.split(['(', '<']).next()?.trim();
    (!name.is_empty()).then_some(name)
}

/// What a line of the glue does with which type: `read Order`, `write Total`.
fn glue(text: &str, line: u32) -> String {
    let of_type = |function: &str| {
        let (_, behind) = function.split_once('(')?;
        let (parameters, result) = behind.split_once("): ")?;
        let (_, parameter) = parameters.split_once(": ")?;
        let result = result.split(" {").next()?;
        Some(match result {
            "void" => format!("write {}", with_classes(text, parameter)),
            _ => format!("read {}", with_classes(text, result)),
        })
    };
    let function = function_above(text, line);
    function
        .and_then(of_type)
        .unwrap_or_else(|| "calls of readers, run and writers".to_owned())
}

/// A type with the author's names in place of `C0`, `C1`, …, by the imports.
fn with_classes(text: &str, type_name: &str) -> String {
    let mut named = String::new();
    for word in type_name.split_inclusive(|c: char| !c.is_alphanumeric()) {
        let bare = word.trim_end_matches(|c: char| !c.is_alphanumeric());
        named += class(text, bare).unwrap_or(bare);
        named += &word[bare.len()..];
    }
    named
}

/// The author's class that the glue calls so.
fn class<'a>(text: &'a str, alias: &str) -> Option<&'a str> {
    let imports = text.lines().filter_map(|line| {
        let inside = line.strip_prefix("import { ")?.split_once(" }")?.0;
        inside.split_once(" as ")
    });
    let mut found = imports.filter(|(_, as_what)| *as_what == alias);
    found.next().map(|(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GLUE_TEXT: &str = "import { Item as C1 } from \"./index\";
import { Total as C2 } from \"./index\";
function f1(h: i32): Array<C1> {
x();
}
function f6(h: i32): string | null { return json_type(h) ? readText(h) : null; }
function f3(o: C2): void {
}
export function run(): void { f3(author(f0(0))); }";

    #[test]
    fn glue_is_named_by_the_authors_types() {
        let name = |line| of(GLUE, line, GLUE_TEXT).name;
        assert_eq!(name(4), "read Array<Item>");
        assert_eq!(name(6), "read string | null");
        assert_eq!(name(7), "write Total");
        assert_eq!(name(9), "calls of readers, run and writers");
        assert_eq!(name(1), "calls of readers, run and writers");
        assert_eq!(name(9_999), "calls of readers, run and writers");
        assert_eq!(of(GLUE, 4, "").name, "calls of readers, run and writers");
    }

    #[test]
    fn everybody_has_their_own() {
        let origin = |source: &str| of(source, 1, "").origin;
        assert_eq!(origin("tenzik-table.ts"), Origin::Own);
        assert_eq!(origin("lib/tenzik-run.ts"), Origin::Own);
        assert_eq!(origin(TEXTS), Origin::Sdk);
        assert_eq!(origin("../a/tenzik-sdk/assembly/entry.ts"), Origin::Sdk);
        assert_eq!(origin("~lib/@tenzik/sdk/assembly/typed.ts"), Origin::Sdk);
        assert_eq!(origin("~lib/@other/package/index.ts"), Origin::Library);
    }

    #[test]
    fn the_library_has_the_names_of_its_classes() {
        let name = |source: &str| of(source, 1, "").name;
        assert_eq!(name("~lib/map.ts"), "Map");
        assert_eq!(name("~lib/rt/stub.ts"), "memory (new)");
        assert_eq!(name("~lib/util/number.ts"), "numbers as text (toString)");
        assert_eq!(name("~lib/typedarray.ts"), "typedarray");
    }
}
