//! The walk of a query over a document.
//!
//! In: segments, a document, prices and a meter. Out: the result's bytes. Refused: a step that
//! the meter does not pay for, and a node that would not fit the result.
//!
//! Each node goes through all that is left of the query before the next one is looked at, so no
//! list of nodes is ever held; the order is that of the RFC's nodelists all the same. Each
//! segment goes at least one level down, so the recursion is bounded by the document's depth.

use super::super::document::{Document, Handle, Kind};
use super::{Meter, Segment, SelectError, Selector, WalkPrice};

pub(super) struct Walk<'a, M> {
    document: &'a Document,
    price: &'a WalkPrice,
    result_bytes_max: usize,
    meter: &'a mut M,
    out: Vec<u8>,
}

type Step<M> = Result<(), SelectError<<M as Meter>::Error>>;

impl<'a, M: Meter> Walk<'a, M> {
    pub(super) fn new(
        document: &'a Document,
        price: &'a WalkPrice,
        result_bytes_max: usize,
        meter: &'a mut M,
    ) -> Self {
        Self {
            document,
            price,
            result_bytes_max,
            meter,
            out: Vec::new(),
        }
    }

    pub(super) fn run(mut self, segments: &[Segment]) -> Result<Vec<u8>, SelectError<M::Error>> {
        self.follow(segments, Handle::ROOT)?;
        if self.out.is_empty() {
            self.out.push(b'[');
        }
        self.out.push(b']');
        Ok(self.out)
    }

    /// Applies all that is left of the query to one node.
    fn follow(&mut self, segments: &[Segment], node: Handle) -> Step<M> {
        let Some((segment, rest)) = segments.split_first() else {
            return self.emit(node);
        };
        if !segment.descendant {
            return self.select(segment, rest, node);
        }
        let document = self.document;
        for below in document.subtree(node) {
            self.charge(self.price.node)?;
            self.select(segment, rest, below)?;
        }
        Ok(())
    }

    fn select(&mut self, segment: &Segment, rest: &[Segment], node: Handle) -> Step<M> {
        for selector in &segment.selectors {
            match selector {
                Selector::Index(index) => self.index(*index, rest, node)?,
                Selector::Name(name) => self.name(name, rest, node)?,
                Selector::Slice { start, end, step } => {
                    let array = self.document.kind(node) == Some(Kind::Array);
                    let len = if array { self.document.len(node) } else { None };
                    let places = slice(len.unwrap_or(0), *start, *end, *step);
                    self.children(places, rest, node)?;
                }
                Selector::Wildcard => {
                    let places = 0..self.document.len(node).unwrap_or(0);
                    self.children(places, rest, node)?;
                }
            }
        }
        Ok(())
    }

    fn name(&mut self, name: &str, rest: &[Segment], node: Handle) -> Step<M> {
        let members = self.document.members(node) as u64;
        self.charge(self.price.node + self.price.member * members)?;
        match self.document.get(node, name) {
            Some(child) => self.follow(rest, child),
            None => Ok(()),
        }
    }

    fn index(&mut self, index: i64, rest: &[Segment], node: Handle) -> Step<M> {
        self.charge(self.price.node)?;
        if self.document.kind(node) != Some(Kind::Array) {
            return Ok(());
        }
        let len = self.document.len(node).unwrap_or(0) as i64;
        let place = if index < 0 { len + index } else { index };
        let child = usize::try_from(place)
            .ok()
            .and_then(|i| self.document.at(node, i));
        child.map_or(Ok(()), |child| self.follow(rest, child))
    }

    fn children(
        &mut self,
        places: impl Iterator<Item = usize>,
        rest: &[Segment],
        node: Handle,
    ) -> Step<M> {
        self.charge(self.price.node)?;
        for place in places {
            self.charge(self.price.child)?;
            if let Some(child) = self.document.at(node, place) {
                self.follow(rest, child)?;
            }
        }
        Ok(())
    }

    /// Appends a selected node, behind its bracket or comma.
    fn emit(&mut self, node: Handle) -> Step<M> {
        let source = self.document.source(node);
        self.charge(self.price.source_byte * (source.len() as u64 + 1))?;
        // One more for the closing bracket.
        if self.out.len() + 1 + source.len() + 1 > self.result_bytes_max {
            return Err(SelectError::TooLarge {
                allowed: self.result_bytes_max,
            });
        }
        self.out.push(if self.out.is_empty() { b'[' } else { b',' });
        self.out.extend_from_slice(source);
        Ok(())
    }

    fn charge(&mut self, fuel: u64) -> Step<M> {
        self.meter.charge(fuel).map_err(SelectError::Meter)
    }
}

/// The places that a slice selects in an array of `len`, as RFC 9535 section 2.3.4.2 has it.
fn slice(
    len: usize,
    start: Option<i64>,
    end: Option<i64>,
    step: i64,
) -> impl Iterator<Item = usize> {
    let len = len as i64;
    let from_end = |i: i64| if i < 0 { len + i } else { i };
    let (first, bound) = if step >= 0 {
        let first = start.map_or(0, from_end).clamp(0, len);
        (first, end.map_or(len, from_end).clamp(0, len))
    } else {
        let first = start.map_or(len - 1, from_end).clamp(-1, len - 1);
        (first, end.map_or(-1, from_end).clamp(-1, len - 1))
    };
    let inside = move |i: &i64| match step {
        0 => false,
        1.. => *i < bound,
        _ => *i > bound,
    };
    std::iter::successors(Some(first), move |i| Some(i + step))
        .take_while(inside)
        .filter_map(|i| usize::try_from(i).ok())
}
