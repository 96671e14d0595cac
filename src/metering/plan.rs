//! What is done to a function: the result of reading it, and all that writing it needs.

use wasmparser::{BlockType, FuncType};

/// The types that a body's operators refer to.
pub(super) struct Types<'a> {
    pub(super) types: &'a [FuncType],
    /// Each function's type, imported ones first.
    pub(super) functions: &'a [u32],
}

impl Types<'_> {
    pub(super) fn of_type(&self, index: u32) -> (usize, usize) {
        self.types
            .get(index as usize)
            .map_or((0, 0), |ty| (ty.params().len(), ty.results().len()))
    }

    pub(super) fn of_function(&self, index: u32) -> (usize, usize) {
        let ty = self.functions.get(index as usize).copied();
        self.of_type(ty.unwrap_or(u32::MAX))
    }

    pub(super) fn of_block(&self, block: BlockType) -> (usize, usize) {
        match block {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(index) => self.of_type(index),
        }
    }
}

/// A function's new parts.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// By place, in the order of the body. The first is the entry's charge.
    pub(super) edits: Vec<Edit>,
    /// The function's frame on the stack, in units.
    pub(super) frame: u64,
    /// Whether it calls, and so has frames above its own.
    pub(super) calls: bool,
    pub(super) loops: bool,
    pub(super) bulk: bool,
    pub(super) grows: bool,
    pub(super) canonical_f32: bool,
    pub(super) canonical_f64: bool,
}

/// Something to do at a place of the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit {
    pub(super) at: usize,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// Take the cost of a region.
    Charge(u64),
    /// The same, and look.
    ChargeRound(u64),
    /// Take the price of the length on the operand stack, divided by 2 to this power, and look.
    ChargeLength(u32),
    /// Put the counter where the callee finds it; it is fetched after `end`.
    Call { end: usize },
    /// A trapping truncation, up to `end`.
    Truncate { end: usize },
    /// Make a NaN canonical, if somebody can see its bits.
    Canonical { double: bool, seen: bool },
    /// Put a call of the growing function in the place of `memory.grow`.
    Grow { end: usize },
    /// Put a branch to the outermost block in the place of `return`.
    Return { depth: u32, end: usize },
    /// Leave out dead code.
    Skip { end: usize },
}

impl Plan {
    pub(super) fn edit(&mut self, at: usize, what: What) {
        self.edits.push(Edit { at, what });
    }

    /// Somebody can see the bits of this edit's NaN.
    pub(super) fn see(&mut self, edit: usize) {
        if let Some(What::Canonical { double, seen }) =
            self.edits.get_mut(edit).map(|edit| &mut edit.what)
        {
            *seen = true;
            self.canonical_f64 |= *double;
            self.canonical_f32 |= !*double;
        }
    }
}
