//! The names of the objects that are open: no name twice in one object.
//!
//! In: spans of names as the parser meets them. Out: for an object that ends, its names and, on
//! demand, their order. Refused: a name that stands for the same text as an earlier one.
//!
//! Whatever the names, an object of `n` names of `b` bytes costs O(b log n): nothing is hashed
//! into buckets that an adversary could fill.

use super::error::{JsonError, JsonErrorKind};
use super::names::{Key, Names};

/// Up to this many names, a suspicious one is compared with each before it.
const LINEAR_MAX: usize = 16;

/// What is remembered of an open object.
#[derive(Clone, Copy, Default)]
pub(super) struct ObjectKeys {
    /// A bit for each kind of name seen, as `kind` sorts them. It spares comparisons and decides
    /// nothing: names of one kind are compared.
    seen: u64,
    /// Where its names begin on the stack of names.
    base: u32,
    /// Two names of one kind were not compared yet.
    unsure: bool,
}

/// The names of all open objects, innermost last.
pub(super) struct Keys<'a> {
    text: &'a [u8],
    names: Names,
    stack: Vec<Key>,
    /// The beginnings and places of the names of the object that ends, to sort them by.
    sorting: Vec<(u64, u32)>,
    order: Vec<u32>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            names: Names::default(),
            stack: Vec::new(),
            sorting: Vec::new(),
            order: Vec::new(),
        }
    }

    pub(super) fn open(&self) -> ObjectKeys {
        ObjectKeys {
            base: self.stack.len() as u32,
            ..ObjectKeys::default()
        }
    }

    /// Adds the name whose quotes stand at `start` and before `end`.
    #[inline(always)]
    pub(super) fn add(
        &mut self,
        object: &mut ObjectKeys,
        (start, end): (usize, usize),
        escaped: bool,
    ) -> Result<(), JsonError> {
        let key = self.names.key(self.text, (start, end), escaped);
        let bit = 1 << kind(self.names.name(self.text, key));
        if object.seen & bit != 0 {
            self.compare(object, key)?;
        }
        object.seen |= bit;
        if self.stack.capacity() == 0 {
            self.stack.reserve(2 * LINEAR_MAX);
        }
        self.stack.push(key);
        Ok(())
    }

    fn compare(&self, object: &mut ObjectKeys, key: Key) -> Result<(), JsonError> {
        let earlier = &self.stack[object.base as usize..];
        if earlier.len() > LINEAR_MAX {
            object.unsure = true;
            return Ok(());
        }
        let name = self.names.name(self.text, key);
        match earlier
            .iter()
            .any(|&e| self.names.name(self.text, e) == name)
        {
            true => Err(self.doubled(key)),
            false => Ok(()),
        }
    }

    /// The names of the object that ends, in document order, and their places in order of what
    /// they stand for if the caller wants it or it is needed to see that they differ.
    pub(super) fn close(
        &mut self,
        object: &ObjectKeys,
        wants_order: impl Fn(usize) -> bool,
    ) -> Result<(&[Key], &[u32]), JsonError> {
        self.order.clear();
        let base = object.base as usize;
        if object.unsure || wants_order(self.stack.len() - base) {
            self.sort(base)?;
        }
        Ok((&self.stack[base..], &self.order))
    }

    /// Forgets the names of the object that has ended.
    pub(super) fn forget(&mut self, object: &ObjectKeys) {
        self.stack.truncate(object.base as usize);
    }

    /// Gives up the names of the whole text, for looking them up later.
    pub(super) fn into_names(self) -> Names {
        self.names
    }

    /// Orders the places of the names from `base` on, or tells the first that doubles another.
    fn sort(&mut self, base: usize) -> Result<(), JsonError> {
        let keys = &self.stack[base..];
        let name = |place: u32| self.names.name(self.text, keys[place as usize]);
        self.sorting.clear();
        self.sorting
            .extend((0..keys.len() as u32).map(|place| (beginning(name(place)), place)));
        self.sorting.sort_unstable_by(|a, b| {
            let by_name = || name(a.1).cmp(name(b.1)).then(a.1.cmp(&b.1));
            a.0.cmp(&b.0).then_with(by_name)
        });
        let doubled =
            |pair: &&[(u64, u32)]| pair[0].0 == pair[1].0 && name(pair[0].1) == name(pair[1].1);
        let first = self
            .sorting
            .windows(2)
            .filter(doubled)
            .map(|pair| pair[1].1)
            .min();
        if let Some(place) = first {
            return Err(self.doubled(keys[place as usize]));
        }
        self.order
            .extend(self.sorting.iter().map(|&(_, place)| place));
        Ok(())
    }

    fn doubled(&self, key: Key) -> JsonError {
        JsonError::new(self.names.span(key).0, JsonErrorKind::DoubledKey)
    }
}

/// The first eight bytes as a number that orders as they do; equal ones need a second look.
fn beginning(name: &[u8]) -> u64 {
    let mut eight = [0; 8];
    let taken = name.len().min(8);
    eight[..taken].copy_from_slice(&name[..taken]);
    u64::from_be_bytes(eight)
}

/// One of 64 kinds, from the length and three bytes.
#[inline(always)]
fn kind(name: &[u8]) -> u32 {
    let (Some(&first), Some(&last)) = (name.first(), name.last()) else {
        return 0;
    };
    let middle = name[name.len() / 2];
    let mix = u32::from_le_bytes([first, last, middle, name.len() as u8]);
    mix.wrapping_mul(0x9E37_79B1) >> 26
}
