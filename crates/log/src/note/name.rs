//! Names of keys.
//!
//! Enters: text. Leaves: a [`KeyName`]. Refuses: spaces, `+`, control characters, the empty and the long name.

use std::fmt;

/// The most bytes of a key's name, those of a label in a receipt.
pub const KEY_NAME_BYTES_MAX: usize = 256;

/// The name of a key: 1 to [`KEY_NAME_BYTES_MAX`] bytes of UTF-8 without Unicode spaces, `+` and control characters.
///
/// The specification would have DEL and the controls above it. They are refused because names are shown to people.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

/// A text that is no key's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 1 to {KEY_NAME_BYTES_MAX} bytes without spaces, plus signs and control characters")]
pub struct NotAKeyName;

impl KeyName {
    /// Takes a name, if it is of the form.
    ///
    /// # Errors
    /// [`NotAKeyName`].
    pub fn new(text: &str) -> Result<Self, NotAKeyName> {
        let refused = |char: char| char.is_whitespace() || char.is_control() || char == '+';
        let fits = (1..=KEY_NAME_BYTES_MAX).contains(&text.len());
        if fits && !text.contains(refused) {
            return Ok(Self(text.to_owned()));
        }
        Err(NotAKeyName)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
