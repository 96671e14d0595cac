//! RFC 9535's grammar without filters and functions, read by hand and without backtracking.
//!
//! In: a query of bounded length. Out: its segments. Refused: anything the RFC's ABNF does not
//! have, integers beyond ±(2^53 - 1), and half surrogate pairs.

use super::super::escape::escape;
use super::{Path, PathError, Segment, Selector, scan};

/// The largest integer that I-JSON, and so RFC 9535, lets stand in a query.
const INTEGER_MAX: i64 = (1 << 53) - 1;

/// Where the first `?` or `(` outside of quotes is. A quote opens wherever it stands, ends at the
/// next of its kind that no backslash precedes, and without one goes on to the end.
pub(super) fn unsupported(query: &[u8]) -> Option<usize> {
    let mut quote = None;
    let mut bytes = query.iter().enumerate();
    while let Some((offset, &byte)) = bytes.next() {
        match (quote, byte) {
            (None, b'?' | b'(') => return Some(offset),
            (None, b'\'' | b'"') => quote = Some(byte),
            (Some(_), b'\\') => {
                bytes.next();
            }
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

pub(super) fn query(query: &str) -> Result<Path, PathError> {
    let mut parser = Parser { query, pos: 0 };
    parser.expect(b'$')?;
    let mut segments = Vec::new();
    while parser.pos < query.len() {
        // White space may stand before a segment only, so what trails is refused here.
        parser.space();
        segments.push(parser.segment()?);
    }
    Ok(Path { segments })
}

struct Parser<'a> {
    query: &'a str,
    pos: usize,
}

impl Parser<'_> {
    fn segment(&mut self) -> Result<Segment, PathError> {
        if self.peek() == b'[' {
            return Ok(Segment {
                descendant: false,
                selectors: self.bracketed()?,
            });
        }
        self.expect(b'.')?;
        let descendant = self.take(b'.');
        let selectors = match self.peek() {
            b'[' if descendant => self.bracketed()?,
            _ if self.take(b'*') => vec![Selector::Wildcard],
            _ => vec![Selector::Name(self.shorthand()?)],
        };
        Ok(Segment {
            descendant,
            selectors,
        })
    }

    fn bracketed(&mut self) -> Result<Vec<Selector>, PathError> {
        self.expect(b'[')?;
        let mut selectors = Vec::new();
        loop {
            self.space();
            selectors.push(self.selector()?);
            self.space();
            if !self.take(b',') {
                break;
            }
        }
        self.expect(b']')?;
        Ok(selectors)
    }

    fn selector(&mut self) -> Result<Selector, PathError> {
        match self.peek() {
            b'\'' | b'"' => self.quoted().map(Selector::Name),
            b'*' => {
                self.pos += 1;
                Ok(Selector::Wildcard)
            }
            _ => self.index_or_slice(),
        }
    }

    fn index_or_slice(&mut self) -> Result<Selector, PathError> {
        let start = self.integer_if_any()?;
        self.space();
        if !self.take(b':') {
            return start.map(Selector::Index).ok_or(self.invalid());
        }
        self.space();
        let end = self.integer_if_any()?;
        self.space();
        let mut step = None;
        if self.take(b':') {
            self.space();
            step = self.integer_if_any()?;
        }
        Ok(Selector::Slice {
            start,
            end,
            step: step.unwrap_or(1),
        })
    }

    /// `0`, or a sign and digits that do not begin with 0.
    fn integer_if_any(&mut self) -> Result<Option<i64>, PathError> {
        let start = self.pos;
        if !matches!(self.peek(), b'-' | b'0'..=b'9') {
            return Ok(None);
        }
        let digits = start + usize::from(self.peek() == b'-');
        let end = scan::digits(self.query.as_bytes(), digits);
        let text = &self.query[start..end];
        let padded = self.query.as_bytes().get(digits) == Some(&b'0') && text != "0";
        match text.parse::<i64>() {
            Ok(value) if !padded && (-INTEGER_MAX..=INTEGER_MAX).contains(&value) => {
                self.pos = end;
                Ok(Some(value))
            }
            _ => Err(self.invalid()),
        }
    }

    fn shorthand(&mut self) -> Result<String, PathError> {
        let rest = &self.query[self.pos..];
        let name_char = |c: char| c == '_' || c.is_ascii_alphanumeric() || !c.is_ascii();
        let name = &rest[..rest.find(|c| !name_char(c)).unwrap_or(rest.len())];
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(self.invalid());
        }
        self.pos += name.len();
        Ok(name.to_owned())
    }

    fn quoted(&mut self) -> Result<String, PathError> {
        let quote = self.peek();
        let mut name = String::new();
        self.pos += 1;
        loop {
            let rest = &self.query[self.pos..];
            match rest.chars().next() {
                Some('\\') => name.push(self.escaped(quote)?),
                Some(c) if c >= ' ' => {
                    self.pos += c.len_utf8();
                    if c == char::from(quote) {
                        return Ok(name);
                    }
                    name.push(c);
                }
                _ => return Err(self.invalid()),
            }
        }
    }

    /// JSON's escapes, but of the two quotes only the one that needs it.
    fn escaped(&mut self, quote: u8) -> Result<char, PathError> {
        let after = &self.query.as_bytes()[self.pos + 1..];
        let (c, taken) = match after.first() {
            Some(&byte) if byte == quote => (char::from(quote), 1),
            Some(b'"') | None => return Err(self.invalid()),
            Some(_) => escape(after).map_err(|_| self.invalid())?,
        };
        self.pos += 1 + taken;
        Ok(c)
    }

    fn peek(&self) -> u8 {
        scan::byte(self.query.as_bytes(), self.pos)
    }

    fn take(&mut self, byte: u8) -> bool {
        let here = self.peek() == byte;
        self.pos += usize::from(here);
        here
    }

    fn expect(&mut self, byte: u8) -> Result<(), PathError> {
        if self.take(byte) {
            Ok(())
        } else {
            Err(self.invalid())
        }
    }

    fn space(&mut self) {
        self.pos = scan::space(self.query.as_bytes(), self.pos);
    }

    fn invalid(&self) -> PathError {
        PathError::Invalid { offset: self.pos }
    }
}
