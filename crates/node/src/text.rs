//! Foreign text made safe to show.
//!
//! Enters: words of callers, capsules and files. Leaves: one line of bounded length without control characters. Refuses nothing.

use std::path::Path;

/// How many characters of foreign words are shown.
pub(crate) const CHARS_MAX: usize = 400;

/// The text on one line, at most [`CHARS_MAX`] characters of it, with what could steer a terminal escaped.
pub(crate) fn shown(text: &str) -> String {
    let mut line = String::new();
    let mut chars = text.chars();
    for char in chars.by_ref().take(CHARS_MAX) {
        match char {
            '"' | '\'' => line.push(char),
            _ => line.extend(char.escape_debug()),
        }
    }
    if chars.next().is_some() {
        line.push('…');
    }
    line
}

/// A path, to be read by a person.
pub(crate) fn path(path: &Path) -> String {
    shown(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_hostile_text_is_cut_and_escaped() {
        let line = shown(&"\u{1b}[2J\u{202e}".repeat(200));
        assert!(line.chars().all(|char| !char.is_control()));
        assert!(!line.contains('\u{202e}'));
        assert!(line.ends_with('…'));
    }
}
