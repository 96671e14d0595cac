//! The index of a JSON text: where each value and each name stands.
//!
//! In: text, and handles. Out: kinds, counts, neighbours, and source spans; text and numbers are
//! read from the source only when asked for, so a caller can price each reading first.
//! Refused: text that is not strict JSON.
//!
//! Twelve bytes a value and four a place in its container; twelve more a member, and another
//! four where an object is large enough for its names to be kept in order.

mod index;

use std::borrow::Cow;
use std::sync::Arc;

use self::index::Index;
use super::error::{JsonError, NumberError};
use super::escape::unescape;
use super::names::{Key, Names};
use super::number;
use super::parser;

/// Objects with more members than this are searched by their names' order, the rest one by one.
/// It bounds what a look-up can cost beyond its price.
const UNORDERED_MAX: usize = 8;

/// Names a value: its number in document order, from 0 at the root, before its children.
///
/// One that comes from another document may name nothing here, and is then answered as for an
/// empty value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(pub(super) u32);

impl Handle {
    /// The whole value.
    pub const ROOT: Self = Self(0);

    /// The number as the ABI shows it.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

/// What a value is. The discriminants are those of the ABI's `json_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// `null`
    Null = 0,
    /// `false`
    False = 1,
    /// `true`
    True = 2,
    /// A number.
    Number = 3,
    /// A string.
    String = 4,
    /// An array.
    Array = 5,
    /// An object.
    Object = 6,
}

struct Node {
    start: u32,
    end: u32,
    /// For a container, where its block begins: see `Document::blocks`.
    block: u32,
}

/// A JSON text with its index.
pub struct Document {
    text: Arc<[u8]>,
    nodes: Vec<Node>,
    /// For each container its count of children, then for each child its handle, and for a
    /// member also the two words of its name; then, for an object of more than
    /// `UNORDERED_MAX` members, the members' places in order of their names.
    blocks: Vec<u32>,
    names: Names,
}

impl Document {
    /// Reads and indexes a text.
    ///
    /// # Errors
    /// The first fault found, with its offset, if the text is not strict JSON.
    pub fn parse(text: Arc<[u8]>) -> Result<Self, JsonError> {
        let (index, names) = parser::parse(&text, Index::new(text.len()))?;
        Ok(index.finish(text, names))
    }

    /// The handle of that number, if there is one.
    #[must_use]
    pub fn handle(&self, number: u32) -> Option<Handle> {
        ((number as usize) < self.nodes.len()).then_some(Handle(number))
    }

    /// How many values there are, the root included.
    #[must_use]
    pub fn values(&self) -> usize {
        self.nodes.len()
    }

    /// What the value is, or `None` if the handle is not of this document.
    #[must_use]
    pub fn kind(&self, handle: Handle) -> Option<Kind> {
        Some(match self.source(handle).first()? {
            b'n' => Kind::Null,
            b'f' => Kind::False,
            b't' => Kind::True,
            b'"' => Kind::String,
            b'[' => Kind::Array,
            b'{' => Kind::Object,
            _ => Kind::Number,
        })
    }

    /// Elements of an array or members of an object, `None` for anything else.
    #[must_use]
    pub fn len(&self, handle: Handle) -> Option<usize> {
        self.block(handle).map(|(_, block)| count(block))
    }

    /// Members of an object; 0 for anything else. What a search for a name is priced by.
    #[must_use]
    pub fn members(&self, handle: Handle) -> usize {
        self.object(handle).map_or(0, count)
    }

    /// The value of the object's member of that name.
    #[must_use]
    pub fn get(&self, handle: Handle, name: &str) -> Option<Handle> {
        let block = self.object(handle)?;
        let members = count(block);
        let name_at = |i| member(block, i).map(|(_, key)| self.names.name(&self.text, key));
        let name = name.as_bytes();
        let place = if members > UNORDERED_MAX {
            let order = block.get(1 + 3 * members..1 + 4 * members)?;
            let found = order.binary_search_by(|&i| name_at(i as usize).cmp(&Some(name)));
            *order.get(found.ok()?)? as usize
        } else {
            (0..members).find(|&i| name_at(i) == Some(name))?
        };
        member(block, place).map(|(value, _)| value)
    }

    /// The array's element, or the value of the object's member, at that place.
    #[must_use]
    pub fn at(&self, handle: Handle, place: usize) -> Option<Handle> {
        let (is_object, block) = self.block(handle)?;
        if place >= count(block) {
            return None;
        }
        let words = if is_object { 3 } else { 1 };
        block.get(1 + words * place).copied().map(Handle)
    }

    /// The unescaped name of the object's member at that place.
    #[must_use]
    pub fn key(&self, handle: Handle, place: usize) -> Option<&str> {
        let name = self.names.name(&self.text, self.member_key(handle, place)?);
        Some(utf8(name))
    }

    /// Where the name of the object's member at that place stands, quotes included.
    #[must_use]
    pub fn key_span(&self, handle: Handle, place: usize) -> Option<(usize, usize)> {
        self.member_key(handle, place)
            .map(|key| self.names.span(key))
    }

    /// The length of that name in the source, quotes included; 0 if there is none.
    #[must_use]
    pub fn key_source_bytes(&self, handle: Handle, place: usize) -> usize {
        self.key_span(handle, place)
            .map_or(0, |(start, end)| end - start)
    }

    /// The value as it stands in the text.
    #[must_use]
    pub fn raw(&self, handle: Handle) -> &str {
        utf8(self.source(handle))
    }

    /// The length of the value in the text.
    #[must_use]
    pub fn raw_bytes(&self, handle: Handle) -> usize {
        let (start, end) = self.span(handle);
        end - start
    }

    /// Where the value stands in the text; an empty span for a handle of another document.
    #[must_use]
    pub fn span(&self, handle: Handle) -> (usize, usize) {
        self.nodes
            .get(handle.0 as usize)
            .map_or((0, 0), |n| (n.start as usize, n.end as usize))
    }

    /// The string unescaped, `None` if the value is no string.
    #[must_use]
    pub fn string(&self, handle: Handle) -> Option<Cow<'_, str>> {
        let inside = self.raw(handle).strip_prefix('"')?.strip_suffix('"')?;
        if !inside.contains('\\') {
            return Some(Cow::Borrowed(inside));
        }
        let mut out = Vec::with_capacity(inside.len());
        unescape(inside.as_bytes(), &mut out);
        String::from_utf8(out).ok().map(Cow::Owned)
    }

    /// The binary64 nearest to the number, ties to even.
    ///
    /// # Errors
    /// [`NumberError`] if the value is no number or rounds to an infinity.
    pub fn number(&self, handle: Handle) -> Result<f64, NumberError> {
        match self.kind(handle) {
            Some(Kind::Number) => number::nearest(self.raw(handle)),
            _ => Err(NumberError::NotANumber),
        }
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self) -> &Arc<[u8]> {
        &self.text
    }

    /// The value's bytes, without the second look at their UTF-8 that `raw` must take.
    pub(super) fn source(&self, handle: Handle) -> &[u8] {
        let (start, end) = self.span(handle);
        self.text.get(start..end).unwrap_or_default()
    }

    /// The value and all below it: they have consecutive handles, and begin before it ends.
    pub(super) fn subtree(&self, handle: Handle) -> impl Iterator<Item = Handle> + use<'_> {
        let (_, end) = self.span(handle);
        let below = self.nodes.get(handle.0 as usize..).unwrap_or_default();
        let inside = below
            .iter()
            .take_while(move |node| (node.start as usize) < end);
        inside.zip(handle.0..).map(|(_, number)| Handle(number))
    }

    fn member_key(&self, handle: Handle, place: usize) -> Option<Key> {
        let block = self.object(handle)?;
        let (_, key) = (place < count(block)).then(|| member(block, place))??;
        Some(key)
    }

    fn object(&self, handle: Handle) -> Option<&[u32]> {
        self.block(handle)
            .and_then(|(is_object, block)| is_object.then_some(block))
    }

    fn block(&self, handle: Handle) -> Option<(bool, &[u32])> {
        let node = self.nodes.get(handle.0 as usize)?;
        let is_object = match self.text.get(node.start as usize)? {
            b'{' => true,
            b'[' => false,
            _ => return None,
        };
        Some((is_object, self.blocks.get(node.block as usize..)?))
    }
}

/// The parser has seen that the text is UTF-8, and spans end between characters.
fn utf8(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

fn count(block: &[u32]) -> usize {
    block.first().map_or(0, |&count| count as usize)
}

fn member(block: &[u32], place: usize) -> Option<(Handle, Key)> {
    match block.get(1 + 3 * place..)? {
        [value, start, end, ..] => Some((Handle(*value), Key([*start, *end]))),
        _ => None,
    }
}
