//! Names of sources: put together of what DWARF has of them, and told from the capsule's folder where they are in it.
//!
//! Enters: a stranger's texts. Leaves: a name with no `.` in it and no `..` behind a folder, so that it says where it is.
//! Refuses: too many of them. None is opened.

use std::collections::HashMap;
use std::path::Path;

use gimli::AttributeValue;

use super::{DwarfError, SOURCES_MAX, Sections, Slice, within};

/// How much of a name is read; no system has longer paths.
const PATH_BYTES_MAX: usize = 4096;

/// The names, each once.
pub(super) struct Sources<'a> {
    str: &'a [u8],
    line_str: &'a [u8],
    /// Of the capsule, part by part.
    folder: Option<Vec<String>>,
    numbers: HashMap<String, usize>,
}

impl<'a> Sources<'a> {
    pub(super) fn new(sections: &Sections<'a>, folder: Option<&Path>) -> Self {
        let folder = folder.map(|folder| parts(&folder.to_string_lossy()).1);
        Self {
            str: sections.str,
            line_str: sections.line_str,
            folder,
            numbers: HashMap::new(),
        }
    }

    /// The number of a name that is put together of these, each of which may begin at the root.
    pub(super) fn number(&mut self, texts: &[&str]) -> Result<usize, DwarfError> {
        let name = self.name(texts);
        let next = self.numbers.len();
        if let Some(number) = self.numbers.get(&name) {
            return Ok(*number);
        }
        within("sources", next + 1, SOURCES_MAX)?;
        self.numbers.insert(name, next);
        Ok(next)
    }

    fn name(&self, texts: &[&str]) -> String {
        let (at_root, parts) = parts(&texts.join("/"));
        // What stands before a part that begins at the root does not count.
        let root = texts.iter().rposition(|text| text.starts_with('/'));
        let (at_root, parts) = match root {
            Some(root) if root > 0 => self::parts(&texts[root..].join("/")),
            _ => (at_root, parts),
        };
        let folder = self.folder.as_ref().filter(|_| at_root);
        match folder.and_then(|folder| parts.strip_prefix(&folder[..])) {
            Some(within) => within.join("/"),
            None if at_root => format!("/{}", parts.join("/")),
            None => parts.join("/"),
        }
    }

    /// A text, wherever it stands.
    pub(super) fn text(&self, value: AttributeValue<Slice<'a>>) -> Option<String> {
        let bytes = match value {
            AttributeValue::String(text) => text.slice(),
            AttributeValue::DebugStrRef(at) => self.str.get(at.0..)?,
            AttributeValue::DebugLineStrRef(at) => self.line_str.get(at.0..)?,
            _ => return None,
        };
        let bytes = bytes.get(..PATH_BYTES_MAX).unwrap_or(bytes);
        let end = bytes.iter().position(|byte| *byte == 0);
        let bytes = &bytes[..end.unwrap_or(bytes.len())];
        Some(String::from_utf8_lossy(bytes).into_owned())
    }

    /// By number.
    pub(super) fn names(self) -> Vec<Option<String>> {
        let mut names = vec![None; self.numbers.len()];
        for (name, number) in self.numbers {
            names[number] = Some(name);
        }
        names
    }
}

/// The parts of a path, and whether it begins at the root.
fn parts(path: &str) -> (bool, Vec<String>) {
    let at_root = path.starts_with('/');
    let mut parts: Vec<String> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        let above = part == "..";
        if above && parts.last().is_some_and(|last| last != "..") {
            parts.pop();
        } else if !(above && at_root) {
            parts.push(part.to_owned());
        }
    }
    (at_root, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_in_the_folder_is_named_from_there_and_no_other() {
        let sources = Sources::new(&Sections::default(), Some(Path::new("/home/ada/order")));
        for (texts, name) in [
            (&["/home/ada/order", ".", "order.c"][..], "order.c"),
            (&["/home/ada/order", "src", "lib.rs"], "src/lib.rs"),
            (
                &["/home/ada/order", "../sdk", "lib.rs"],
                "/home/ada/sdk/lib.rs",
            ),
            (
                &["/home/ada/order-2", "", "order.c"],
                "/home/ada/order-2/order.c",
            ),
            (
                &["/home/ada/order", "/usr/lib", "std.zig"],
                "/usr/lib/std.zig",
            ),
            (&["/home/ada/order", "a", "/b//c/./d.h"], "/b/c/d.h"),
            (&["/", "../../etc", "passwd"], "/etc/passwd"),
            (&["", "a/b/../../../x", "y.c"], "../x/y.c"),
            (&["", "", "order.c"], "order.c"),
        ] {
            // A text that is empty before another does not put that at the root.
            let texts: Vec<_> = texts
                .iter()
                .copied()
                .filter(|text| !text.is_empty())
                .collect();
            assert_eq!(sources.name(&texts), name, "{texts:?}");
        }
    }
}
