//! The one parser of strict JSON: a loop with a stack of its own, so no nesting can use up ours.
//!
//! In: bytes of any kind. Out: calls on a [`Sink`], in document order.
//! Refused: what `docs/abi.md` ("Strict JSON") refuses.

use super::error::{JsonError, JsonErrorKind as Kind};
use super::escape::{EscapeFault, escape};
use super::keys::{Keys, ObjectKeys};
use super::names::{Key, Names};
use super::{DEPTH_MAX, TEXT_BYTES_MAX, scan};

/// Is told of each value as it is read.
pub(super) trait Sink {
    /// A container begins.
    fn open(&mut self, start: usize);
    /// The innermost container, an array, ends.
    fn close_array(&mut self, end: usize);
    /// The innermost container, an object, ends. `order` is empty unless it was wanted or needed.
    fn close_object(&mut self, end: usize, keys: &[Key], order: &[u32]);
    /// A value that is no container.
    fn scalar(&mut self, start: usize, end: usize);
    /// Whether an object of so many members must come with its names' order.
    fn wants_order(members: usize) -> bool;
}

/// Keeps nothing: for a verdict alone.
pub(super) struct Nothing;

impl Sink for Nothing {
    fn open(&mut self, _: usize) {}
    fn close_array(&mut self, _: usize) {}
    fn close_object(&mut self, _: usize, _: &[Key], _: &[u32]) {}
    fn scalar(&mut self, _: usize, _: usize) {}
    fn wants_order(_: usize) -> bool {
        false
    }
}

/// Reads `text` and gives back the sink that was told of it, and the names that it was told of.
pub(super) fn parse<S: Sink>(text: &[u8], sink: S) -> Result<(S, Names), JsonError> {
    if text.len() > TEXT_BYTES_MAX {
        let kind = Kind::TooLarge {
            got: text.len(),
            allowed: TEXT_BYTES_MAX,
        };
        return Err(JsonError::new(TEXT_BYTES_MAX, kind));
    }
    if text.starts_with(b"\xEF\xBB\xBF") {
        return Err(JsonError::new(0, Kind::ByteOrderMark));
    }
    std::str::from_utf8(text).map_err(|e| JsonError::new(e.valid_up_to(), Kind::BadUtf8))?;
    let mut parser = Parser {
        text,
        pos: 0,
        sink,
        keys: Keys::new(text),
        depth: 0,
        open: [const { None }; DEPTH_MAX],
    };
    parser.run()?;
    Ok((parser.sink, parser.keys.into_names()))
}

struct Parser<'a, S> {
    text: &'a [u8],
    pos: usize,
    sink: S,
    keys: Keys<'a>,
    depth: usize,
    /// The open containers, outermost first; `None` for an array.
    open: [Option<ObjectKeys>; DEPTH_MAX],
}

impl<S: Sink> Parser<'_, S> {
    fn run(&mut self) -> Result<(), JsonError> {
        while self.value()? || self.after_value()? {}
        self.pos = scan::space(self.text, self.pos);
        match self.pos < self.text.len() {
            true => Err(self.fault(Kind::TrailingData)),
            false => Ok(()),
        }
    }

    /// Reads a value, or the beginning of one: true if it opened a container whose first value
    /// is due.
    #[inline(always)]
    fn value(&mut self) -> Result<bool, JsonError> {
        self.pos = scan::space(self.text, self.pos);
        let start = self.pos;
        match scan::byte(self.text, start) {
            b'"' => {
                self.string()?;
            }
            b'{' => return self.open_object(),
            b'[' => return self.open_array(),
            b'-' | b'0'..=b'9' => match scan::number(self.text, start) {
                Some(end) => self.pos = end,
                None => return Err(self.fault(Kind::BadNumber)),
            },
            b't' => self.word(b"true")?,
            b'f' => self.word(b"false")?,
            b'n' => self.word(b"null")?,
            _ => return Err(self.unexpected()),
        }
        self.sink.scalar(start, self.pos);
        Ok(false)
    }

    /// Goes on behind a value: true if another is due, false if it was the last of the text.
    #[inline(always)]
    fn after_value(&mut self) -> Result<bool, JsonError> {
        while self.depth > 0 {
            self.pos = scan::space(self.text, self.pos);
            let in_object = self.open[self.depth - 1].is_some();
            match (scan::byte(self.text, self.pos), in_object) {
                (b',', true) => {
                    self.pos += 1;
                    self.key()?;
                    return Ok(true);
                }
                (b',', false) => {
                    self.pos += 1;
                    return Ok(true);
                }
                (b'}', true) => self.close_object()?,
                (b']', false) => self.close_array(),
                _ => return Err(self.unexpected()),
            }
        }
        Ok(false)
    }

    fn open_object(&mut self) -> Result<bool, JsonError> {
        let keys = self.keys.open();
        self.enter(Some(keys))?;
        if scan::byte(self.text, self.pos) == b'}' {
            self.close_object()?;
            return Ok(false);
        }
        self.key()?;
        Ok(true)
    }

    fn open_array(&mut self) -> Result<bool, JsonError> {
        self.enter(None)?;
        if scan::byte(self.text, self.pos) == b']' {
            self.close_array();
            return Ok(false);
        }
        Ok(true)
    }

    fn enter(&mut self, container: Option<ObjectKeys>) -> Result<(), JsonError> {
        let Some(slot) = self.open.get_mut(self.depth) else {
            return Err(self.fault(Kind::Depth {
                got: self.depth + 1,
                allowed: DEPTH_MAX,
            }));
        };
        *slot = container;
        self.depth += 1;
        self.sink.open(self.pos);
        self.pos = scan::space(self.text, self.pos + 1);
        Ok(())
    }

    fn close_array(&mut self) {
        self.depth -= 1;
        self.pos += 1;
        self.sink.close_array(self.pos);
    }

    fn close_object(&mut self) -> Result<(), JsonError> {
        self.depth -= 1;
        self.pos += 1;
        if let Some(object) = &self.open[self.depth] {
            let (keys, order) = self.keys.close(object, S::wants_order)?;
            self.sink.close_object(self.pos, keys, order);
            self.keys.forget(object);
        }
        Ok(())
    }

    /// Reads a member's name and its colon.
    #[inline(always)]
    fn key(&mut self) -> Result<(), JsonError> {
        self.pos = scan::space(self.text, self.pos);
        if scan::byte(self.text, self.pos) != b'"' {
            return Err(self.unexpected());
        }
        let start = self.pos;
        let escaped = self.string()?;
        if let Some(object) = &mut self.open[self.depth - 1] {
            self.keys.add(object, (start, self.pos), escaped)?;
        }
        self.pos = scan::space(self.text, self.pos);
        if scan::byte(self.text, self.pos) != b':' {
            return Err(self.unexpected());
        }
        self.pos += 1;
        Ok(())
    }

    /// Reads the string that begins here and says whether it has escapes.
    #[inline(always)]
    fn string(&mut self) -> Result<bool, JsonError> {
        let mut escaped = false;
        self.pos += 1;
        loop {
            self.pos = scan::plain(self.text, self.pos);
            match self.text.get(self.pos) {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(&byte) => return Err(self.fault(Kind::ControlCharacter { byte })),
                None => return Err(self.fault(Kind::UnexpectedEnd)),
            }
            escaped = true;
        }
        self.pos += 1;
        Ok(escaped)
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match escape(&self.text[self.pos + 1..]) {
            Ok((_, taken)) => self.pos += 1 + taken,
            Err(EscapeFault::Bad) => return Err(self.fault(Kind::BadEscape)),
            Err(EscapeFault::End) => {
                return Err(JsonError::new(self.text.len(), Kind::UnexpectedEnd));
            }
            Err(EscapeFault::LoneSurrogate) => return Err(self.fault(Kind::LoneSurrogate)),
        }
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Result<(), JsonError> {
        for &expected in word {
            if scan::byte(self.text, self.pos) != expected {
                return Err(self.unexpected());
            }
            self.pos += 1;
        }
        Ok(())
    }

    fn fault(&self, kind: Kind) -> JsonError {
        JsonError::new(self.pos, kind)
    }

    fn unexpected(&self) -> JsonError {
        match self.text.get(self.pos) {
            Some(&byte) => self.fault(Kind::UnexpectedByte { byte }),
            None => self.fault(Kind::UnexpectedEnd),
        }
    }
}
