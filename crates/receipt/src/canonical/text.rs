//! Short plain texts.
//!
//! Enters: text, or a quoted text to read. Leaves: a [`Label`]. Refuses: quotes, backslashes, anything but printable ASCII, no
//! text at all, more than 256 bytes.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::{Decode, Encode, LABEL_BYTES_MAX, ReadError, Reader, is_plain};

pub(crate) fn encode_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// A short plain text: 1 to 256 bytes of printable ASCII without `"` and `\`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Cow<'static, str>);

/// A text that cannot stand in a receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 1 to 256 bytes of printable ASCII without quotes and backslashes")]
pub struct NotALabel;

impl Label {
    /// Takes a text, if it is of the form.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Result<Self, NotALabel> {
        let text = text.into();
        let fits = (1..=LABEL_BYTES_MAX).contains(&text.len());
        if fits && text.bytes().all(is_plain) {
            return Ok(Self(text));
        }
        Err(NotALabel)
    }

    /// Takes a constant.
    ///
    /// # Panics
    /// If the text is not of the form; in a `const`, that is a compile error.
    pub const fn constant(text: &'static str) -> Self {
        let bytes = text.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= LABEL_BYTES_MAX);
        let mut index = 0;
        while index < bytes.len() {
            assert!(is_plain(bytes[index]));
            index += 1;
        }
        Self(Cow::Borrowed(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Encode for Label {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_text(&self.0, out);
    }
}

impl Decode for Label {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        let refused = reader.unexpected("a text that is not empty");
        match reader.text()? {
            "" => Err(refused),
            text => Ok(Self(Cow::Owned(String::from(text)))),
        }
    }
}
