//! Origins: the names of logs.
//!
//! Enters: text. Leaves: an [`Origin`]. Refuses: what cannot be a key's name, or cannot stand in a receipt.

use std::fmt;

use tenzik_receipt::Label;

use crate::note::KeyName;

/// The name of a log, which is its key's name: 1 to 256 bytes of printable ASCII without spaces, `+`, `"` and `\`.
///
/// The specification takes any line that is not empty. Here an origin must fit into a receipt's promise of a log, whose
/// texts are [`Label`]s, and into a signature line, whose names are [`KeyName`]s: else a log could keep a receipt that
/// cannot name it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(KeyName);

/// A text that is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 1 to 256 bytes of printable ASCII without spaces, plus signs, quotes and backslashes")]
pub struct NotAnOrigin;

impl Origin {
    /// Takes an origin, if it is of the form.
    ///
    /// # Errors
    /// [`NotAnOrigin`].
    pub fn new(text: &str) -> Result<Self, NotAnOrigin> {
        let name = KeyName::new(text).map_err(|_| NotAnOrigin)?;
        Label::new(text.to_owned()).map_err(|_| NotAnOrigin)?;
        Ok(Self(name))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The name of the log's key.
    pub const fn name(&self) -> &KeyName {
        &self.0
    }

    /// As a receipt's promise names it.
    pub fn label(&self) -> Label {
        Label::new(self.as_str().to_owned()).expect("an origin is a label, it was made as one")
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}
