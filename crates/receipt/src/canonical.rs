//! The receipt's canonical JSON: the only form that is written and the only form that is read.
//!
//! Enters: typed values to write, foreign bytes to read.
//! Leaves: RFC 8785 bytes, typed values.
//! Refuses: everything that [`Encode`] would not have written, at the byte where it differs: white space,
//! another order of members, unknown or doubled members, escapes, floats, negative or padded integers.
//!
//! Text is printable ASCII without `"` and `\`, numbers are integers below 2^53, and absence is `null`. So
//! no value has two spellings, and a reader needs neither an unescaper nor a number formatter.

mod macros;
mod number;
mod parts;
mod text;
mod value;

use alloc::vec::Vec;

pub use number::{Int, TooLarge};
pub use parts::Sorted;
pub use text::{Label, NotALabel};
pub use value::Value;

pub(crate) use macros::{Punctuation, names, object};
pub(crate) use number::push_decimal;
pub(crate) use text::encode_text;

/// Why bytes are not the canonical form of what was to be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The parts do not fit together.
    #[error("the receipt contradicts itself: {rule}")]
    Contradiction {
        /// The rule that is broken.
        rule: &'static str,
    },
    /// Another member, or none, stands where this one must.
    #[error("expected the member {name} at byte {offset}")]
    Member {
        /// The member, with its punctuation.
        name: &'static str,
        /// Where it was looked for.
        offset: usize,
    },
    /// More bytes than are ever read.
    #[error("{bytes} bytes; at most {bytes_max} are read")]
    Size {
        /// How many there are.
        bytes: usize,
        /// How many may be.
        bytes_max: usize,
    },
    /// Bytes follow where nothing may.
    #[error("nothing may follow at byte {offset}")]
    Trailing {
        /// Where they begin.
        offset: usize,
    },
    /// A value of another kind or form.
    #[error("expected {expected} at byte {offset}")]
    Value {
        /// The form that is allowed.
        expected: &'static str,
        /// Where it was looked for.
        offset: usize,
    },
}

/// Writes a value in its one canonical form.
pub trait Encode {
    /// Appends the value's canonical JSON.
    fn encode(&self, out: &mut Vec<u8>);

    /// The value's canonical JSON.
    fn to_canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.encode(&mut out);
        out
    }
}

/// Reads a value from its one canonical form.
pub trait Decode: Sized {
    /// Reads the value that stands at the reader's position.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError>;

    /// Reads a value that is all of `bytes`.
    fn from_canonical(bytes: &[u8]) -> Result<Self, ReadError> {
        let mut reader = Reader::new(bytes);
        let value = Self::decode(&mut reader)?;
        reader.finish()?;
        Ok(value)
    }
}

/// A position in bytes that are read from left to right, once.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
    depth: u8,
}

/// How deep extension values may nest. Typed members have their own, smaller depth.
pub const VALUE_DEPTH_MAX: u8 = 8;

/// How long a text may be, in bytes.
pub const LABEL_BYTES_MAX: usize = 256;

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            offset: 0,
            depth: 0,
        }
    }

    /// Starts at a later byte, which is at most the last one's end; errors count from the first.
    pub(crate) const fn at(bytes: &'a [u8], offset: usize) -> Self {
        Self {
            bytes,
            offset,
            depth: 0,
        }
    }

    /// Whether `text` comes next. Moves past it if so.
    pub fn eat(&mut self, text: &str) -> bool {
        let next = self.peek(text);
        if next {
            self.offset += text.len();
        }
        next
    }

    /// Whether `text` comes next.
    pub fn peek(&self, text: &str) -> bool {
        self.rest().starts_with(text.as_bytes())
    }

    /// The next `count` bytes, or all that are left if there are fewer.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let rest = self.rest();
        let taken = &rest[..count.min(rest.len())];
        self.offset += taken.len();
        taken
    }

    /// Reads the member `name`, given with its punctuation (`{"a":` or `,"b":`).
    pub fn member<T: Decode>(&mut self, name: &'static str) -> Result<T, ReadError> {
        if !self.eat(name) {
            return Err(ReadError::Member {
                name,
                offset: self.offset,
            });
        }
        T::decode(self)
    }

    /// Moves past `text`, or says what was expected.
    pub fn expect(&mut self, text: &str, expected: &'static str) -> Result<(), ReadError> {
        if self.eat(text) {
            return Ok(());
        }
        Err(self.unexpected(expected))
    }

    /// The error for anything but `expected` at this position.
    pub const fn unexpected(&self, expected: &'static str) -> ReadError {
        ReadError::Value {
            expected,
            offset: self.offset,
        }
    }

    /// Ends the reading; every byte must have been read.
    pub fn finish(self) -> Result<(), ReadError> {
        if self.offset == self.bytes.len() {
            return Ok(());
        }
        Err(ReadError::Trailing {
            offset: self.offset,
        })
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.offset..]
    }

    /// A quoted text. Nothing in it is escaped, so it ends at the next quote.
    pub fn text(&mut self) -> Result<&'a str, ReadError> {
        self.expect("\"", "a text")?;
        let rest = self.rest();
        let len = rest.iter().take_while(|byte| is_plain(**byte)).count();
        if len > LABEL_BYTES_MAX || rest.get(len) != Some(&b'"') {
            return Err(self.unexpected("at most 256 bytes of plain ASCII text"));
        }
        self.offset += len + 1;
        // Plain bytes are ASCII, so this conversion has nothing to refuse.
        core::str::from_utf8(&rest[..len]).map_err(|_| self.unexpected("a text"))
    }

    fn nested<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, ReadError>,
    ) -> Result<T, ReadError> {
        if self.depth == VALUE_DEPTH_MAX {
            return Err(self.unexpected("a value nested at most 8 deep"));
        }
        self.depth += 1;
        let value = read(self);
        self.depth -= 1;
        value
    }
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}
