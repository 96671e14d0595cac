//! What reading can end in. No text of the input is quoted: an offset and a byte say where.

use std::fmt;

/// Why a text is not strict JSON, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} at byte {offset}")]
#[non_exhaustive]
pub struct JsonError {
    /// Where the fault begins, in bytes from the start of the text.
    pub offset: usize,
    /// What is wrong there.
    pub kind: JsonErrorKind,
}

impl JsonError {
    pub(crate) fn new(offset: usize, kind: JsonErrorKind) -> Self {
        Self { offset, kind }
    }
}

/// The ways in which a text is not strict JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonErrorKind {
    /// A backslash that begins none of JSON's escapes.
    BadEscape,
    /// Something that begins as a number and does not go on as one.
    BadNumber,
    /// Bytes that are not UTF-8.
    BadUtf8,
    /// The text begins with a byte-order mark.
    ByteOrderMark,
    /// A byte below 0x20 stands bare in a string.
    ControlCharacter {
        /// That byte.
        byte: u8,
    },
    /// A container is nested too deep.
    Depth {
        /// How deep it would have been.
        got: usize,
        /// How deep it may be.
        allowed: usize,
    },
    /// A member's name that its object already has.
    DoubledKey,
    /// An escape that names half of a surrogate pair.
    LoneSurrogate,
    /// The text is longer than is read at all.
    TooLarge {
        /// Its length in bytes.
        got: usize,
        /// The longest that is read.
        allowed: usize,
    },
    /// Something other than white space follows the value.
    TrailingData,
    /// A byte that cannot stand here.
    UnexpectedByte {
        /// That byte.
        byte: u8,
    },
    /// The text ends before its value does.
    UnexpectedEnd,
}

impl fmt::Display for JsonErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadEscape => f.write_str("bad escape"),
            Self::BadNumber => f.write_str("bad number"),
            Self::BadUtf8 => f.write_str("bad utf-8"),
            Self::ByteOrderMark => f.write_str("byte-order mark"),
            Self::ControlCharacter { byte } => write!(f, "bare control character 0x{byte:02x}"),
            Self::Depth { got, allowed } => {
                write!(f, "nested {got} deep where {allowed} is allowed")
            }
            Self::DoubledKey => f.write_str("doubled member name"),
            Self::LoneSurrogate => f.write_str("lone surrogate"),
            Self::TooLarge { got, allowed } => {
                write!(f, "text of {got} bytes where {allowed} are allowed")
            }
            Self::TrailingData => f.write_str("data after the value"),
            Self::UnexpectedByte { byte } => write!(f, "unexpected byte 0x{byte:02x}"),
            Self::UnexpectedEnd => f.write_str("unexpected end"),
        }
    }
}

/// Why a value has no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NumberError {
    /// The value is not a number.
    #[error("not a number")]
    NotANumber,
    /// The number rounds to an infinity.
    #[error("number beyond the range of binary64")]
    Overflow,
}
