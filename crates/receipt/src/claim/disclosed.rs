//! Values that are open, or hidden in a private run.

use alloc::vec::Vec;

use crate::canonical::{Decode, Encode, ReadError, Reader};
use crate::digest::Keyed;

/// A value that is open, or in a private run a keyed commitment to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disclosed<T> {
    /// A commitment that only the holder of the run's secret can check.
    Keyed(Keyed),
    /// The value itself.
    Open(T),
}

impl<T> Disclosed<T> {
    /// Whether the value is a keyed commitment.
    pub const fn is_keyed(&self) -> bool {
        matches!(self, Self::Keyed(_))
    }

    /// The value, if it is open.
    pub const fn open(&self) -> Option<&T> {
        match self {
            Self::Keyed(_) => None,
            Self::Open(value) => Some(value),
        }
    }
}

impl<T: Encode> Encode for Disclosed<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Keyed(keyed) => keyed.encode(out),
            Self::Open(value) => value.encode(out),
        }
    }
}

impl<T: Decode> Decode for Disclosed<T> {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        if reader.peek("\"blake3-keyed:") {
            return Keyed::decode(reader).map(Self::Keyed);
        }
        T::decode(reader).map(Self::Open)
    }
}
