//! Foreign text made safe to show.
//!
//! Enters: file names, capsules' messages, anything that someone else chose. Leaves: one line of bounded length in which
//! every character that could steer a terminal is escaped. Refuses nothing.

use std::path::Path;

/// How many characters of a capsule's message are shown.
pub(crate) const MESSAGE_CHARS_MAX: usize = 1_000;

/// How many characters of a path are shown.
const PATH_CHARS_MAX: usize = 400;

/// The text on one line, at most so many characters of it, control characters and direction marks escaped.
pub(crate) fn shown(text: &str, chars_max: usize) -> String {
    let mut line = String::new();
    let mut chars = text.chars();
    for char in chars.by_ref().take(chars_max) {
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

/// Text of many lines, such as a compiler's about a stranger's source: only what steers a terminal is escaped.
pub(crate) fn lines(text: &str) -> String {
    let mut shown = String::new();
    for char in text.replace("\r\n", "\n").chars() {
        match char {
            '\n' | '\t' => shown.push(char),
            _ if char.is_control() || TURNS.contains(&char) => shown.extend(char.escape_unicode()),
            _ => shown.push(char),
        }
    }
    shown
}

/// Marks that turn the direction of text or hide in it.
const TURNS: [char; 14] = [
    '\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{202a}', '\u{202b}', '\u{202c}',
    '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
];

/// A path, to be read by a person.
pub(crate) fn path(path: &Path) -> String {
    shown(&path.to_string_lossy(), PATH_CHARS_MAX)
}

/// A count with its noun.
pub(crate) fn counted(count: impl Into<usize>, noun: &str) -> String {
    match count.into() {
        1 => format!("1 {noun}"),
        count => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_gets_through() {
        let hostile = "a\u{1b}[2J\u{9b}31m\r\u{202e}\u{7f}\u{0}b";
        let line = shown(hostile, 100);
        assert!(line.chars().all(|char| !char.is_control()), "{line}");
        assert!(!line.contains('\u{202e}'), "{line}");
        assert_eq!(shown("it's \"ä\"", 100), "it's \"ä\"");
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(
            lines("a\tb\\\r\nc\u{1b}[31m\r\u{9b}\u{202e}é\n"),
            "a\tb\\\nc\\u{1b}[31m\\u{d}\\u{9b}\\u{202e}é\n"
        );
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(shown("abcdef", 3), "abc…");
        assert_eq!(shown("abc", 3), "abc");
    }
}
