//! What is known of a module beside its code: the names of its functions, and where its bytes come from.
//!
//! Enters: a module and its path. Leaves: [`Symbols`]: a name for each function, a place for each byte where one is known.
//! Refuses: a debug module of other code, a map or DWARF that is not in order: each is told, and nothing is taken from it.
//!
//! `tenzik build` leaves `NAME.debug.wasm`, whose code is that of `NAME.wasm` to the byte. It has DWARF, or of AssemblyScript
//! `NAME.debug.wasm.map` beside it. No other file is looked for.

use std::path::{Path, PathBuf};

use tenzik_lines::{Functions, Lines};
use wasmparser::{Parser, Payload};

use super::lines;
use crate::error::Exit;
use crate::source::{CAPSULE, Kind, Source};
use crate::{files, text};

/// How much of a function's name is shown.
const NAME_CHARS_MAX: usize = 80;

/// A source map: a hundred times what a capsule has.
pub(crate) const SOURCE_MAP: Kind = Kind {
    what: "source map",
    bytes_max: 16 * 1024 * 1024,
    too_large: Exit::LimitHit,
};

/// What is known of a module.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    functions: Functions,
    lines: Option<Lines>,
    /// What could not be used, and why.
    pub(super) notes: Vec<String>,
}

impl Symbols {
    /// What the module has itself, and what lies beside it; nothing does if it came from stdin.
    pub(super) fn beside(module: &[u8], path: Option<&Path>) -> Self {
        let mut symbols = Self {
            functions: Functions::of(module),
            ..Self::default()
        };
        let Some(path) = path else {
            symbols.described_by(module, None);
            return symbols;
        };
        symbols.described_by(module, Some(path));
        let debug = path.with_extension("debug.wasm");
        let wanting = symbols.functions.names.is_empty() || symbols.lines.is_none();
        if wanting && debug.is_file() {
            symbols.named_by(module, &debug);
        }
        symbols.mapped_by(&appended(path));
        symbols
    }

    /// A function as it is called, or by where it begins, or by its number. No terminal and no format is steered by it.
    pub(super) fn function(&self, index: u32) -> String {
        if let Some(name) = self.functions.names.get(&index) {
            return text::shown(name, NAME_CHARS_MAX);
        }
        let body = self.functions.body(index);
        let first = self.lines.as_ref().zip(body);
        let first = first.and_then(|(lines, body)| lines::first(lines, body));
        first.unwrap_or_else(|| format!("function {index}"))
    }

    /// Where a byte of a function comes from: a line of a source, or the byte itself.
    pub(super) fn place(&self, function: u32, byte: usize) -> String {
        let body = self.functions.body(function);
        let lines = self.lines.as_ref().zip(body);
        let place = lines.and_then(|(lines, body)| lines::position(lines, byte, body.start));
        place.unwrap_or_else(|| format!("byte {byte:#x}"))
    }

    /// Takes names and lines of a module that has the same code.
    fn named_by(&mut self, module: &[u8], path: &Path) {
        let Ok(named) = self.read(path, CAPSULE) else {
            return;
        };
        if code(&named) != code(module) {
            self.notes.push(other_code(&named, path));
            return;
        }
        if self.functions.names.is_empty() {
            self.functions.names = Functions::of(&named).names;
        }
        self.mapped_by(&appended(path));
        self.described_by(&named, Some(path));
    }

    /// Takes the lines that the module carries itself.
    fn described_by(&mut self, module: &[u8], path: Option<&Path>) {
        if self.lines.is_some() {
            return;
        }
        // Compilers name the folder as the system does.
        let folder = path.and_then(|path| files::directory(path).canonicalize().ok());
        match Lines::of_dwarf(module, &self.functions, folder.as_deref()) {
            Ok(lines) => self.lines = lines,
            Err(error) => {
                let name = path.map_or_else(|| "stdin".to_owned(), text::path);
                self.notes.push(format!("{name}: no lines: {error}"));
            }
        }
    }

    /// Takes the lines of a source map.
    fn mapped_by(&mut self, path: &Path) {
        if self.lines.is_some() || !path.is_file() {
            return;
        }
        let Ok(bytes) = self.read(path, SOURCE_MAP) else {
            return;
        };
        match Lines::of_map(&bytes) {
            Ok(lines) => self.lines = Some(lines),
            Err(error) => {
                let why = text::shown(&error.to_string(), text::MESSAGE_CHARS_MAX);
                self.notes
                    .push(format!("{} is not used: {why}", text::path(path)));
            }
        }
    }

    fn read(&mut self, path: &Path, kind: Kind) -> Result<Vec<u8>, ()> {
        Source::File(path.to_owned())
            .read(kind)
            .map_err(|error| self.notes.push(error.to_string()))
    }
}

/// Why nothing is taken from a module of other code, and what to do.
fn other_code(named: &[u8], path: &Path) -> String {
    let path = text::path(path);
    match traces(named) {
        true => format!(
            "{path} has other code, as its source traces: `tenzik run {path} --debug DIR` tells its names and lines"
        ),
        false => {
            format!("{path} has other code: build both again, and `tenzik build --debug` last")
        }
    }
}

/// Whether a module is built for debugging: it imports what AssemblyScript's `trace` becomes.
pub(crate) fn traces(module: &[u8]) -> bool {
    let parts = Parser::new(0).parse_all(module).map_while(Result::ok);
    let imports = parts.filter_map(|part| match part {
        Payload::ImportSection(imports) => Some(imports),
        _ => None,
    });
    imports
        .flat_map(|imports| imports.into_imports().flatten())
        .any(|import| (import.module, import.name) == ("env", "trace"))
}

fn appended(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".map");
    name.into()
}

/// All that runs, and where it stands: every section but the custom ones.
fn code(module: &[u8]) -> Option<Vec<(usize, &[u8])>> {
    let mut sections = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.ok()?;
        let custom = matches!(payload, Payload::CustomSection(_));
        if let Some((_, range)) = payload.as_section().filter(|_| !custom) {
            sections.push((range.start, module.get(range)?));
        }
    }
    Some(sections)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const PLAIN: &str = "(module (func (export \"run\")) (memory (export \"memory\") 1))";
    const NAMED: &str = "(module (func $start (export \"run\")) (memory (export \"memory\") 1))";
    const OTHER: &str =
        "(module (func $start (export \"run\") (nop)) (memory (export \"memory\") 1))";

    fn wasm(text: &str) -> Vec<u8> {
        wat::parse_str(text).expect("a module")
    }

    fn beside(debug: &[u8], map: &str) -> Symbols {
        let folder = tempfile::tempdir().expect("a directory");
        let path = folder.path().join("c.wasm");
        fs::write(folder.path().join("c.debug.wasm"), debug).expect("a file");
        fs::write(folder.path().join("c.debug.wasm.map"), map).expect("a file");
        Symbols::beside(&wasm(PLAIN), Some(&path))
    }

    const MAP: &str = r#"{"version":3,"sources":["a\u001b[2J.ts"],"names":[],"mappings":"AAEE"}"#;

    #[test]
    fn names_and_lines_come_from_a_module_of_the_same_code() {
        let symbols = beside(&wasm(NAMED), MAP);
        assert_eq!(symbols.function(0), "start");
        assert_eq!(symbols.function(9), "function 9");
        assert!(symbols.notes.is_empty());
        // The mapping is of byte 0, which is before the function.
        assert_eq!(symbols.place(0, 0x20), "byte 0x20");
    }

    #[test]
    fn nothing_is_taken_from_a_module_of_other_code() {
        for debug in [wasm(OTHER), b"no module".to_vec()] {
            let symbols = beside(&debug, MAP);
            assert_eq!(symbols.function(0), "function 0");
            assert!(
                symbols.notes[0].contains("has other code"),
                "{:?}",
                symbols.notes
            );
        }
    }

    #[test]
    fn a_map_that_is_wrong_is_told_and_not_used() {
        let symbols = beside(&wasm(NAMED), "{}");
        assert_eq!(symbols.function(0), "start");
        assert!(
            symbols.notes[0].contains("is not used: missing field"),
            "{:?}",
            symbols.notes
        );
    }
}
