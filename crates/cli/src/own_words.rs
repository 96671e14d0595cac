//! What a capsule says of an input that it does not take.
//!
//! Enters: the message of its `fail`, a stranger's text. Leaves: a line to show, and what to do where the words are known.
//! Refuses nothing. Capsules of the SDKs begin a message with the JSON Pointer of the place, which is empty where the whole
//! input is meant.

use crate::text;

/// How the SDKs end a message about a whole number of 64 bits.
const WIDE: [&str; 2] = [": not an i64", ": not a u64"];

/// The message on one line, with a word for the whole input where the place is that.
pub(crate) fn shown(words: &str) -> String {
    let whole = match words.starts_with(": ") {
        true => "the input",
        false => "",
    };
    format!("{whole}{}", text::shown(words, text::MESSAGE_CHARS_MAX))
}

/// What to do about a message, if there is more to say than it says itself.
pub(crate) fn hint(words: &str) -> Option<&'static str> {
    let wide = WIDE.iter().any(|end| words.ends_with(end));
    wide.then_some(
        "beyond 2^53 a whole number is a string of digits, in quotes: a JSON number would be rounded",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_the_whole_input_has_a_word() {
        assert_eq!(shown(": not an object"), "the input: not an object");
        assert_eq!(shown("/a: missing"), "/a: missing");
        assert_eq!(shown(":\u{1b}"), ":\\u{1b}");
    }

    #[test]
    fn a_number_that_a_reader_could_round_has_a_hint() {
        for words in ["/big: not an i64", ": not a u64"] {
            assert!(
                hint(words).is_some_and(|hint| hint.contains("2^53")),
                "{words}"
            );
        }
        assert_eq!(hint("/big: not an i32"), None);
    }
}
