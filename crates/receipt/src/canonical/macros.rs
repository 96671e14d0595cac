//! Objects and names: types whose members, or whose spellings, are listed once, for writing and for reading.
//!
//! Enters: lists. Leaves: structs and enums with their canonical forms. Refuses, when reading: another order, other members,
//! other names.

use super::{Decode, ReadError, Reader};

/// Defines a struct with its canonical form: an object of these members, in this order.
///
/// RFC 8785 sorts members by name; a test holds each list against that order.
macro_rules! object {
    ($(#[$meta:meta])* $vis:vis $name:ident { $($(#[$doc:meta])* $key:literal => $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        $vis struct $name { $($(#[$doc])* $vis $field: $type,)* }

        impl $crate::canonical::Encode for $name {
            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                let start = out.len();
                $(
                    out.extend_from_slice(concat!(",\"", $key, "\":").as_bytes());
                    $crate::canonical::Encode::encode(&self.$field, out);
                )*
                out[start] = b'{';
                out.push(b'}');
            }
        }

        impl $crate::canonical::Decode for $name {
            fn decode(reader: &mut $crate::canonical::Reader<'_>) -> Result<Self, $crate::canonical::ReadError> {
                let mut punctuation = $crate::canonical::Punctuation::first();
                $(let $field = punctuation.member(
                    reader,
                    concat!("{\"", $key, "\":"),
                    concat!(",\"", $key, "\":"),
                )?;)*
                reader.expect("}", "the end of the object")?;
                Ok(Self { $($field,)* })
            }
        }

        impl $name {
            /// The members' names, in the order in which they are written.
            #[allow(dead_code, reason = "not every object is compared")]
            $vis const MEMBERS: &'static [&'static str] = &[$($key),*];

            /// Each member's canonical JSON, in that order.
            #[allow(dead_code, reason = "not every object is compared")]
            $vis fn members(&self) -> impl Iterator<Item = (&'static str, alloc::vec::Vec<u8>)> {
                let values = [$($crate::canonical::Encode::to_canonical(&self.$field)),*];
                Self::MEMBERS.iter().copied().zip(values)
            }
        }
    };
}
pub(crate) use object;

/// Which of a member's two spellings comes next: after `{` or after `,`.
pub(crate) struct Punctuation {
    first: bool,
}

impl Punctuation {
    pub(crate) const fn first() -> Self {
        Self { first: true }
    }

    pub(crate) fn member<T: Decode>(
        &mut self,
        reader: &mut Reader<'_>,
        opening: &'static str,
        following: &'static str,
    ) -> Result<T, ReadError> {
        let name = if self.first { opening } else { following };
        self.first = false;
        reader.member(name)
    }
}

/// Defines an enum whose canonical form is one of these texts.
macro_rules! names {
    ($(#[$meta:meta])* $name:ident, $expected:literal { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name that stands in a receipt.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value of that name, if there is one.
            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)* _ => None }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl $crate::canonical::Encode for $name {
            fn encode(&self, out: &mut alloc::vec::Vec<u8>) {
                $crate::canonical::encode_text(self.name(), out);
            }
        }

        impl $crate::canonical::Decode for $name {
            fn decode(reader: &mut $crate::canonical::Reader<'_>) -> Result<Self, $crate::canonical::ReadError> {
                let refused = reader.unexpected($expected);
                Self::from_name(reader.text()?).ok_or(refused)
            }
        }
    };
}
pub(crate) use names;
