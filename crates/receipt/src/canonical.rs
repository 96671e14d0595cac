//! The receipt's canonical JSON: the only form that is written and the only form that is read.
//!
//! Enters: typed values to write, foreign bytes to read.
//! Leaves: RFC 8785 bytes, typed values.
//! Refuses: everything that [`Encode`] would not have written, at the byte where it differs: white space,
//! another order of members, unknown or doubled members, escapes, floats, negative or padded integers.
//!
//! Text is printable ASCII without `"` and `\`, numbers are integers below 2^53, and absence is `null`. So
//! no value has two spellings, and a reader needs neither an unescaper nor a number formatter.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

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

/// A whole number from 0 to 2^53 - 1: what every JSON reader holds exactly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Int(u64);

/// A number of 2^53 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{got} is not below 2^53")]
pub struct TooLarge {
    /// The number.
    pub got: u64,
}

impl Int {
    /// 0
    pub const ZERO: Self = Self(0);
    /// 2^53 - 1
    pub const MAX: Self = Self((1 << 53) - 1);

    /// Takes a number that is at most [`Int::MAX`].
    pub const fn new(number: u64) -> Result<Self, TooLarge> {
        if number > Self::MAX.0 {
            return Err(TooLarge { got: number });
        }
        Ok(Self(number))
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl From<u32> for Int {
    fn from(number: u32) -> Self {
        Self(number.into())
    }
}

impl TryFrom<u64> for Int {
    type Error = TooLarge;

    fn try_from(number: u64) -> Result<Self, TooLarge> {
        Self::new(number)
    }
}

impl fmt::Display for Int {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Encode for Int {
    fn encode(&self, out: &mut Vec<u8>) {
        let mut digits = [0_u8; 20];
        let mut start = digits.len();
        let mut rest = self.0;
        loop {
            start -= 1;
            // A remainder of 10 fits a byte.
            digits[start] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        out.extend_from_slice(&digits[start..]);
    }
}

impl Decode for Int {
    fn decode(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        let refused = reader.unexpected("a whole number below 2^53, without sign and leading zero");
        let rest = reader.rest();
        let len = rest
            .iter()
            .take(17)
            .take_while(|b| b.is_ascii_digit())
            .count();
        let digits = reader.take(len);
        if len == 0 || len > 16 || (len > 1 && digits[0] == b'0') {
            return Err(refused);
        }
        let number = digits
            .iter()
            .fold(0, |n, digit| n * 10 + u64::from(digit - b'0'));
        Self::new(number).map_err(|_| refused)
    }
}

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sorted<T>(Vec<T>);

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

/// A value of an extension: JSON without floats, escapes, empty texts and names, and more than
/// [`VALUE_DEPTH_MAX`] levels (a number is one level, a list of numbers is two).
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
