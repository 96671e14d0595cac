//! Builds a document's index as the parser goes.
//!
//! In: the parser's calls. Out: a [`Document`]. It refuses nothing: the parser has.

use std::sync::Arc;

use super::super::names::{Key, Names};
use super::super::parser::Sink;
use super::{Document, Node, UNORDERED_MAX};

/// The index so far.
pub(super) struct Index {
    nodes: Vec<Node>,
    blocks: Vec<u32>,
    /// Children so far of the open containers, innermost last.
    children: Vec<u32>,
    /// The open containers, and where their children begin.
    open: Vec<(u32, usize)>,
}

impl Index {
    pub(super) fn new(text_bytes: usize) -> Self {
        // Ordinary text has a value in each dozen bytes or so.
        let values = text_bytes / 16 + 4;
        Self {
            nodes: Vec::with_capacity(values),
            blocks: Vec::with_capacity(values),
            children: Vec::new(),
            open: Vec::new(),
        }
    }

    pub(super) fn finish(self, text: Arc<[u8]>, mut names: Names) -> Document {
        let Self {
            mut nodes,
            mut blocks,
            ..
        } = self;
        nodes.shrink_to_fit();
        blocks.shrink_to_fit();
        names.shrink();
        Document {
            text,
            nodes,
            blocks,
            names,
        }
    }

    fn push(&mut self, start: usize, end: usize) -> u32 {
        let number = self.nodes.len() as u32;
        self.nodes.push(Node {
            start: start as u32,
            end: end as u32,
            block: 0,
        });
        if !self.open.is_empty() {
            self.children.push(number);
        }
        number
    }

    /// Ends the innermost container and begins its block; gives where its children begin.
    fn close(&mut self, end: usize) -> usize {
        let (number, base) = self.open.pop().unwrap_or_default();
        if let Some(node) = self.nodes.get_mut(number as usize) {
            node.end = end as u32;
            node.block = self.blocks.len() as u32;
        }
        self.blocks.push((self.children.len() - base) as u32);
        base
    }
}

impl Sink for Index {
    fn open(&mut self, start: usize) {
        let number = self.push(start, start);
        self.open.push((number, self.children.len()));
    }

    fn close_array(&mut self, end: usize) {
        let base = self.close(end);
        self.blocks.extend_from_slice(&self.children[base..]);
        self.children.truncate(base);
    }

    fn close_object(&mut self, end: usize, keys: &[Key], order: &[u32]) {
        let base = self.close(end);
        for (&value, key) in self.children[base..].iter().zip(keys) {
            let Key([start, end]) = *key;
            self.blocks.extend([value, start, end]);
        }
        if keys.len() > UNORDERED_MAX {
            self.blocks.extend_from_slice(order);
        }
        self.children.truncate(base);
    }

    fn scalar(&mut self, start: usize, end: usize) {
        self.push(start, end);
    }

    fn wants_order(members: usize) -> bool {
        members > UNORDERED_MAX
    }
}
