//! Truth values, absence, lists and objects with names that are not fixed.
//!
//! Enters and leaves: such values. Refuses, when reading: white space, lists and names out of their order, doubles.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Decode, Encode, Label, ReadError, Reader};

impl Encode for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(if *self { b"true" } else { b"false" });
    }
}

impl Decode for bool {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        if reader.eat("true") {
            return Ok(true);
        }
        reader.expect("false", "true or false")?;
        Ok(false)
    }
}

impl<T: Encode> Encode for Option<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Some(value) => value.encode(out),
            None => out.extend_from_slice(b"null"),
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        if reader.eat("null") {
            return Ok(None);
        }
        T::decode(reader).map(Some)
    }
}

impl<T: Encode> Encode for Vec<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'[');
        for (index, item) in self.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            item.encode(out);
        }
        out.push(b']');
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        reader.expect("[", "a list")?;
        let mut items = Self::new();
        if reader.eat("]") {
            return Ok(items);
        }
        loop {
            items.push(T::decode(reader)?);
            if reader.eat("]") {
                return Ok(items);
            }
            reader.expect(",", "`,` or `]`")?;
        }
    }
}

impl<T: Encode> Encode for BTreeMap<Label, T> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (index, (name, value)) in self.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            name.encode(out);
            out.push(b':');
            value.encode(out);
        }
        out.push(b'}');
    }
}

impl<T: Decode> Decode for BTreeMap<Label, T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        reader.expect("{", "an object")?;
        let mut members = Self::new();
        if reader.eat("}") {
            return Ok(members);
        }
        loop {
            let refused = reader.unexpected("a member name after the one before it in order");
            let name = Label::decode(reader)?;
            if members
                .last_key_value()
                .is_some_and(|(last, _)| *last >= name)
            {
                return Err(refused);
            }
            reader.expect(":", "`:`")?;
            members.insert(name, T::decode(reader)?);
            if reader.eat("}") {
                return Ok(members);
            }
            reader.expect(",", "`,` or `}`")?;
        }
    }
}

/// A list whose items are in rising order, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sorted<T>(Vec<T>);

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self::none()
    }
}

impl<T> Sorted<T> {
    /// No items.
    pub const fn none() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord> Sorted<T> {
    /// The items, in order.
    pub fn as_slice(&self) -> &[T] {
        &self.0
    }
}

impl<T: Ord> FromIterator<T> for Sorted<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut items: Vec<T> = items.into_iter().collect();
        items.sort_unstable();
        items.dedup();
        Self(items)
    }
}

impl<T: Encode> Encode for Sorted<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl<T: Decode + Ord> Decode for Sorted<T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        let refused = reader.unexpected("a list in rising order");
        let items = Vec::<T>::decode(reader)?;
        if items.windows(2).all(|pair| pair[0] < pair[1]) {
            return Ok(Self(items));
        }
        Err(refused)
    }
}
