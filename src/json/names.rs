//! Members' names: where they stand, and what they stand for.
//!
//! In: spans of names that the parser has accepted. Out: the bytes to compare them by.
//! They refuse nothing.
//!
//! A name with escapes is written out once, so that comparing names is comparing bytes: a long
//! name of nothing but escapes costs no more at each look-up than its price allows for.

use super::escape::unescape;

/// Says that the rest of the word is a place in `Names::written`.
const WRITTEN: u32 = 1 << 31;

/// A name. Two words: its span with quotes, or where to find that.
#[derive(Clone, Copy)]
pub(super) struct Key(pub(super) [u32; 2]);

/// A name with escapes: its span with quotes, and the span of what it stands for.
struct Written {
    source: [u32; 2],
    plain: [u32; 2],
}

/// What is known of all names of a text, beyond their spans.
#[derive(Default)]
pub(super) struct Names {
    written: Vec<Written>,
    plain: Vec<u8>,
}

impl Names {
    /// Notes a name, its quotes at `start` and before `end`.
    #[inline(always)]
    pub(super) fn key(&mut self, text: &[u8], span: (usize, usize), escaped: bool) -> Key {
        let source = [span.0 as u32, span.1 as u32];
        if escaped {
            self.write(text, source)
        } else {
            Key(source)
        }
    }

    fn write(&mut self, text: &[u8], source: [u32; 2]) -> Key {
        let start = self.plain.len() as u32;
        unescape(inside(text, source), &mut self.plain);
        let plain = [start, self.plain.len() as u32];
        self.written.push(Written { source, plain });
        Key([WRITTEN | (self.written.len() - 1) as u32, 0])
    }

    /// The UTF-8 that the name stands for.
    #[inline(always)]
    pub(super) fn name<'a>(&'a self, text: &'a [u8], key: Key) -> &'a [u8] {
        match self.written(key) {
            None => inside(text, key.0),
            Some(Written {
                plain: [start, end],
                ..
            }) => self
                .plain
                .get(*start as usize..*end as usize)
                .unwrap_or_default(),
        }
    }

    /// The name's span in the text, with its quotes.
    pub(super) fn span(&self, key: Key) -> (usize, usize) {
        let [start, end] = self.written(key).map_or(key.0, |written| written.source);
        (start as usize, end as usize)
    }

    pub(super) fn shrink(&mut self) {
        self.written.shrink_to_fit();
        self.plain.shrink_to_fit();
    }

    #[inline(always)]
    fn written(&self, key: Key) -> Option<&Written> {
        let [word, _] = key.0;
        if word & WRITTEN == 0 {
            None
        } else {
            self.written.get((word & !WRITTEN) as usize)
        }
    }
}

/// What stands between the quotes.
#[inline(always)]
fn inside(text: &[u8], [start, end]: [u32; 2]) -> &[u8] {
    text.get(start as usize + 1..end as usize - 1)
        .unwrap_or_default()
}
