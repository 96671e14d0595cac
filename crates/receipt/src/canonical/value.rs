//! Values of extensions: JSON without floats, escapes and deep nesting.
//!
//! Enters: such a value, or bytes to read. Leaves: a [`Value`]. Refuses: more than eight levels.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Decode, Encode, Int, Label, ReadError, Reader};

/// A value of an extension: JSON without floats, escapes, empty texts and names, and more than
/// [`VALUE_DEPTH_MAX`](super::VALUE_DEPTH_MAX) levels (a number is one level, a list of numbers is two).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(Int),
    /// A text.
    Text(Label),
    /// A list.
    List(Vec<Value>),
    /// An object.
    Object(BTreeMap<Label, Value>),
}

impl Value {
    /// Whether the value is at most so many levels deep; a value that holds none is one level.
    pub(crate) fn nests_within(&self, levels: u8) -> bool {
        let Some(below) = levels.checked_sub(1) else {
            return false;
        };
        match self {
            Self::List(values) => values.iter().all(|value| value.nests_within(below)),
            Self::Object(members) => members.values().all(|value| value.nests_within(below)),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Text(_) => true,
        }
    }
}

impl Encode for Value {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(value) => value.encode(out),
            Self::Int(value) => value.encode(out),
            Self::Text(value) => value.encode(out),
            Self::List(value) => value.encode(out),
            Self::Object(value) => value.encode(out),
        }
    }
}

impl Decode for Value {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        reader.nested(|reader| {
            if reader.eat("null") {
                return Ok(Self::Null);
            }
            match reader.rest().first() {
                Some(b'[') => Vec::decode(reader).map(Self::List),
                Some(b'{') => BTreeMap::decode(reader).map(Self::Object),
                Some(b'"') => Label::decode(reader).map(Self::Text),
                Some(b't' | b'f') => bool::decode(reader).map(Self::Bool),
                _ => Int::decode(reader).map(Self::Int),
            }
        })
    }
}
