//! Signed notes, and the keys that sign them (c2sp.org/signed-note).
//!
//! Enters: foreign bytes, texts of keys. Leaves: a [`Note`] of which nothing is verified yet, a [`VerifierKey`].
//! Refuses: every spelling but one, control characters, weak keys, notes above [`NOTE_BYTES_MAX`].

mod key;
mod name;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

pub use key::{KeyId, SignatureType, VerifierKey, VerifierKeyError};
pub use name::{KEY_NAME_BYTES_MAX, KeyName, NotAKeyName};

use crate::lines::{base64, from_base64, lines};

/// The most bytes of a note: room for [`SIGNATURES_MAX`] lines of Ed25519, or for a dozen of post-quantum ones.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;
/// The most signatures of a note. The specification asks for 16 at least.
pub const SIGNATURES_MAX: usize = 64;

/// Why bytes are no signed note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// A control character other than the newline.
    #[error("a control character at byte {at}")]
    Control {
        /// Where it is.
        at: usize,
    },
    /// A signature line is not of the form.
    #[error("signature line {line} is not of the form")]
    Line {
        /// Which one, counted from 0.
        line: usize,
    },
    /// No signature, or too many.
    #[error("{signatures} signatures, 1 to {SIGNATURES_MAX} are allowed")]
    Signatures {
        /// How many there are.
        signatures: usize,
    },
    /// Too large.
    #[error("{bytes} bytes, {NOTE_BYTES_MAX} are allowed")]
    Size {
        /// How many there are.
        bytes: usize,
    },
    /// The bytes do not end in a newline.
    #[error("the last line does not end")]
    Unended,
    /// There is no empty line, after which signatures would stand.
    #[error("no empty line before the signatures")]
    Unsigned,
    /// Not UTF-8.
    #[error("not UTF-8 from byte {at} on")]
    Utf8 {
        /// How many bytes are.
        at: usize,
    },
}

/// A signature of a note: who made it, and its bytes. What they are depends on the key.
///
/// Text, without the newline: `— <key name> base64(key id || signature)`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SignatureLine {
    name: KeyName,
    id: KeyId,
    /// Not empty.
    signature: Vec<u8>,
}

/// A text that is no signature line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an em dash, a key name, and key id and signature in Base 64")]
pub struct NotASignatureLine;

impl SignatureLine {
    /// What a key's owner signed. The signature is not looked at here.
    pub(crate) const fn new(name: KeyName, id: KeyId, signature: Vec<u8>) -> Self {
        Self {
            name,
            id,
            signature,
        }
    }

    /// The key's name.
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key's id.
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The bytes after the key id, at least one.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }
}

impl fmt::Display for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.id.as_bytes().as_slice(), &self.signature].concat();
        write!(f, "\u{2014} {} {}", self.name, base64(&bytes))
    }
}

impl fmt::Debug for SignatureLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SignatureLine {
    type Err = NotASignatureLine;

    fn from_str(text: &str) -> Result<Self, NotASignatureLine> {
        let read = || {
            let (name, bytes) = text.strip_prefix("\u{2014} ")?.split_once(' ')?;
            let bytes = from_base64(bytes)?;
            let (id, signature) = bytes.split_first_chunk()?;
            let name = KeyName::new(name).ok()?;
            (!signature.is_empty())
                .then(|| Self::new(name, KeyId::from_bytes(*id), signature.to_vec()))
        };
        read().ok_or(NotASignatureLine)
    }
}

/// A text with signature lines, each of the form, none verified.
///
/// ```text
/// the text, of one line or more
///
/// — node.example/log AAECAwQF...
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Note {
    /// Ends in a newline.
    text: String,
    signatures: Vec<SignatureLine>,
}

impl Note {
    /// Puts a text and signatures together.
    ///
    /// # Errors
    /// [`NoteError`] if this could not be read again.
    pub fn new(text: String, signatures: Vec<SignatureLine>) -> Result<Self, NoteError> {
        check_text(&text)?;
        check_count(signatures.len())?;
        let note = Self { text, signatures };
        check_size(note.to_bytes().len())?;
        Ok(note)
    }

    /// Reads a note.
    ///
    /// # Errors
    /// [`NoteError`]. What is read is written as the same bytes again.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NoteError> {
        let whole = plain_text(bytes)?;
        // The text may have empty lines of its own; the last one ends it.
        let empty = whole.rfind("\n\n").ok_or(NoteError::Unsigned)?;
        Ok(Self {
            signatures: read_signatures(&whole[empty + 2..])?,
            text: whole[..=empty].to_owned(),
        })
    }

    /// The text, with the newline at its end.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, in their order.
    pub fn signatures(&self) -> &[SignatureLine] {
        &self.signatures
    }

    /// The lines that say they are this key's.
    pub fn signatures_of(&self, key: &VerifierKey) -> impl Iterator<Item = &SignatureLine> {
        self.signatures
            .iter()
            .filter(|line| line.id == key.id() && line.name == *key.name())
    }

    /// The note's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.to_string().into_bytes()
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.text, write_signatures(&self.signatures))
    }
}

impl fmt::Debug for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Note")
            .field("text", &self.text)
            .field("signatures", &self.signatures)
            .finish()
    }
}

/// Bytes as text of bounded size, without control characters but newlines.
pub(crate) fn plain_text(bytes: &[u8]) -> Result<&str, NoteError> {
    check_size(bytes.len())?;
    let text = std::str::from_utf8(bytes).map_err(|error| NoteError::Utf8 {
        at: error.valid_up_to(),
    })?;
    check_text(text)?;
    Ok(text)
}

/// Signature lines, each with a newline.
pub(crate) fn write_signatures(signatures: &[SignatureLine]) -> String {
    signatures.iter().map(|line| format!("{line}\n")).collect()
}

/// Reads what [`write_signatures`] writes.
pub(crate) fn read_signatures(text: &str) -> Result<Vec<SignatureLine>, NoteError> {
    let count = text.matches('\n').count();
    check_count(count)?;
    let read = lines(text).ok_or(NoteError::Unended)?;
    read.enumerate()
        .map(|(line, text)| text.parse().map_err(|_| NoteError::Line { line }))
        .collect()
}

fn check_text(text: &str) -> Result<(), NoteError> {
    let control = |byte: u8| byte < b' ' && byte != b'\n';
    if let Some(at) = text.bytes().position(control) {
        return Err(NoteError::Control { at });
    }
    text.ends_with('\n').then_some(()).ok_or(NoteError::Unended)
}

const fn check_count(signatures: usize) -> Result<(), NoteError> {
    if signatures == 0 || signatures > SIGNATURES_MAX {
        return Err(NoteError::Signatures { signatures });
    }
    Ok(())
}

const fn check_size(bytes: usize) -> Result<(), NoteError> {
    if bytes > NOTE_BYTES_MAX {
        return Err(NoteError::Size { bytes });
    }
    Ok(())
}
