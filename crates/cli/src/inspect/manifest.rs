//! What a capsule's author says of it: its manifest, with the schemas of input and output.
//!
//! Enters: a module, and the file beside it. Leaves: the manifest, from the module's section `tenzik:manifest`, or else from
//! `NAME.manifest.json`. Refuses: nothing; what is no JSON object is told as such. Nothing in it is held against the module.

use std::path::Path;

use serde_json::Value;
use wasmparser::{Parser, Payload};

use crate::source::{CONFIG, Source};
use crate::text;

/// The custom section that a manifest is embedded in.
const SECTION: &str = "tenzik:manifest";
/// How long a line of a schema may be.
const LINE_CHARS_MAX: usize = 200;
/// How many lines of one schema are shown.
const LINES_MAX: usize = 200;

/// A manifest and where it was.
pub(super) struct Manifest {
    /// `module` or `file`.
    pub(super) from: &'static str,
    /// What it says; null if it is no JSON object.
    pub(super) content: Value,
}

impl Manifest {
    /// Looks into the module, and then beside it.
    pub(super) fn find(module: &[u8], source: &Source) -> Option<Self> {
        let (from, bytes) = match embedded(module) {
            Some(bytes) => ("module", bytes.to_vec()),
            None => ("file", beside(source)?),
        };
        let content = serde_json::from_slice(&bytes).ok().filter(Value::is_object);
        Some(Self {
            from,
            content: content.unwrap_or_default(),
        })
    }

    /// Lines for people.
    pub(super) fn lines(&self) -> String {
        let place = match self.from {
            "module" => "in the module",
            _ => "in the file beside it",
        };
        if self.content.is_null() {
            return format!("manifest   {place}, and no JSON object\n");
        }
        let mut lines = format!("manifest   {place}; its author's word\n");
        let members = [
            ("name", "name"),
            ("version", "version"),
            ("about", "description"),
            ("input", "input_type"),
        ];
        for (label, name) in members {
            if let Some(said) = self.content.get(name).and_then(Value::as_str) {
                let said = text::shown(said, text::MESSAGE_CHARS_MAX);
                lines += &format!("{label:<10} {said}\n");
            }
        }
        for name in ["input", "output"] {
            if let Some(schema) = self.content.get(name) {
                lines += &format!("schema     of the {name}\n{}", schema_lines(schema));
            }
        }
        lines
    }
}

fn embedded(module: &[u8]) -> Option<&[u8]> {
    let payloads = Parser::new(0).parse_all(module).map_while(Result::ok);
    payloads.into_iter().find_map(|payload| match payload {
        Payload::CustomSection(section) if section.name() == SECTION => Some(section.data()),
        _ => None,
    })
}

/// A file that cannot be read is as one that is not there: most capsules have none.
fn beside(source: &Source) -> Option<Vec<u8>> {
    let Source::File(path) = source else {
        return None;
    };
    let stem = path.file_name()?.to_str()?.strip_suffix(".wasm")?;
    let path = path.with_file_name(format!("{stem}.manifest.json"));
    Path::is_file(&path)
        .then(|| Source::File(path).read(CONFIG).ok())
        .flatten()
}

fn schema_lines(schema: &Value) -> String {
    let pretty = serde_json::to_string_pretty(schema).unwrap_or_default();
    let more = pretty.lines().count().saturating_sub(LINES_MAX);
    let shown = pretty.lines().take(LINES_MAX);
    let mut lines: String = shown
        .map(|line| format!("  {}\n", text::shown(line, LINE_CHARS_MAX)))
        .collect();
    if more > 0 {
        lines += &format!("  and {more} more lines; --json has all\n");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_goes_before_the_file() {
        let folder = tempfile::tempdir().expect("a directory");
        let source = Source::File(folder.path().join("a.wasm"));
        let plain = wat::parse_str("(module)").expect("a module");
        assert!(Manifest::find(&plain, &source).is_none());
        std::fs::write(folder.path().join("a.manifest.json"), r#"{"name":"file"}"#)
            .expect("a file");
        let found = Manifest::find(&plain, &source).expect("the file");
        assert_eq!(
            (found.from, &found.content["name"]),
            ("file", &Value::from("file"))
        );
        let with =
            wat::parse_str(r#"(module (@custom "tenzik:manifest" "{\"name\":\"\1b[2J\"}"))"#);
        let found = Manifest::find(&with.expect("a module"), &source).expect("the section");
        assert_eq!((found.from, found.content.is_null()), ("module", true));
        let with =
            wat::parse_str(r#"(module (@custom "tenzik:manifest" "{\"name\":\"\\u001b[2J\"}"))"#);
        let found = Manifest::find(&with.expect("a module"), &source).expect("the section");
        assert!(
            found.lines().contains("name       \\u{1b}[2J\n"),
            "{}",
            found.lines()
        );
        assert!(Manifest::find(&plain, &Source::Stdin).is_none());
    }
}
