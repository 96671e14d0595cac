//! A function's operand stack, and which of its values may be a NaN of any bits.
//!
//! Enters: what each operator takes and gives. Leaves: the greatest height; marks on those edits of the [`Plan`] that
//! make a NaN canonical which somebody can see. Refuses nothing.
//!
//! Arithmetic gives a NaN if it got one, whatever its bits. So a result that goes into arithmetic only, or is compared,
//! converted to an integer or dropped, needs no canonical form.

use super::plan::Plan;

/// What is known of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operand {
    /// Of bits that must be kept.
    Raw,
    /// A number, and no NaN.
    Number,
    /// Arithmetic's result, and the edit that would make it canonical.
    Pending(u32),
}

#[derive(Default)]
pub(super) struct Operands {
    stack: Vec<Operand>,
    /// No operand below this one is pending.
    settled: usize,
    height_max: usize,
}

impl Operands {
    pub(super) fn height(&self) -> usize {
        self.stack.len()
    }

    /// The greatest height after any operator so far; called after each.
    pub(super) fn measure(&mut self) -> usize {
        self.height_max = self.height_max.max(self.stack.len());
        self.height_max
    }

    pub(super) fn give(&mut self, count: usize) {
        self.stack.resize(self.stack.len() + count, Operand::Raw);
    }

    pub(super) fn push(&mut self, operand: Operand) {
        self.stack.push(operand);
    }

    pub(super) fn top(&self) -> Operand {
        self.stack.last().copied().unwrap_or(Operand::Raw)
    }

    /// Takes operands for something that makes no difference between NaNs.
    pub(super) fn take_unseen(&mut self, count: usize) {
        let left = self.stack.len().saturating_sub(count);
        self.stack.truncate(left);
        self.settled = self.settled.min(left);
    }

    pub(super) fn take(&mut self, count: usize, plan: &mut Plan) {
        let left = self.stack.len().saturating_sub(count);
        self.see(left, plan);
        self.take_unseen(count);
    }

    /// Whoever gets control next may look at any operand.
    pub(super) fn take_none(&mut self, plan: &mut Plan) {
        self.see(self.settled, plan);
        self.settled = self.stack.len();
    }

    /// At the start of an arm or the end of a construct: so many operands, on top of those below it.
    pub(super) fn reset(&mut self, base: usize, count: usize) {
        self.stack.truncate(base);
        self.give(count);
        self.settled = self.stack.len();
    }

    fn see(&mut self, from: usize, plan: &mut Plan) {
        for operand in &mut self.stack[from..] {
            if let Operand::Pending(edit) = *operand {
                plan.see(edit as usize);
                *operand = Operand::Raw;
            }
        }
    }
}
