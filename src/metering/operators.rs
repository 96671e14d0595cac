//! What is known of operators by opcode, beside their cost.
//!
//! Enters: an opcode of `docs/abi.md`'s features that is not of control. Leaves: how many operands it takes and gives, and
//! what it does with a NaN. Refuses nothing: what validation does not let through takes and gives nothing.

pub(super) const MEMORY_GROW: u8 = 0x40;

/// Operands taken, results given.
pub(super) const fn arity(opcode: u8) -> (usize, usize) {
    match opcode {
        // drop, select
        0x1a => (1, 0),
        0x1b => (3, 1),
        // local.get, global.get; local.set, global.set; local.tee
        0x20 | 0x23 => (0, 1),
        0x21 | 0x24 => (1, 0),
        0x22 => (1, 1),
        // loads; stores; memory.size; memory.grow
        0x28..=0x35 => (1, 1),
        0x36..=0x3e => (2, 0),
        0x3f => (0, 1),
        0x40 => (1, 1),
        // constants
        0x41..=0x44 => (0, 1),
        // eqz, then the other comparisons
        0x45 | 0x50 => (1, 1),
        0x46..=0x66 => (2, 1),
        // clz, ctz, popcnt, then the other integer arithmetic
        0x67..=0x69 | 0x79..=0x7b => (1, 1),
        0x6a..=0x8a => (2, 1),
        // abs, neg, ceil, floor, trunc, nearest, sqrt, then the other float arithmetic
        0x8b..=0x91 | 0x99..=0x9f => (1, 1),
        0x92..=0xa6 => (2, 1),
        // conversions, reinterpretations, sign extensions
        0xa7..=0xc4 => (1, 1),
        _ => (0, 0),
    }
}

/// As [`arity`], by the number after the prefix 0xfc.
pub(super) const fn arity_prefixed(sub: u32) -> (usize, usize) {
    match sub {
        // saturating truncations
        0..=7 => (1, 1),
        // memory.init, memory.copy, memory.fill, table.init, table.copy
        8 | 10 | 11 | 12 | 14 => (3, 0),
        _ => (0, 0),
    }
}

/// Arithmetic that may give a NaN of any bits.
pub(super) const fn makes_nan(opcode: u8) -> bool {
    matches!(opcode, 0x8d..=0x97 | 0x9b..=0xa5 | 0xb6 | 0xbb)
}

pub(super) const fn is_double(opcode: u8) -> bool {
    matches!(opcode, 0x9b..=0xa5 | 0xbb)
}

/// Integers made floats.
pub(super) const fn converts(opcode: u8) -> bool {
    matches!(opcode, 0xb2..=0xb5 | 0xb7..=0xba)
}

/// Operators that take floats and make no difference between NaNs: drop, comparisons, conversions to integers.
pub(super) const fn cannot_see(opcode: u8) -> bool {
    matches!(opcode, 0x1a | 0x5b..=0x66) || truncates(opcode)
}

pub(super) const fn truncates(opcode: u8) -> bool {
    matches!(opcode, 0xa8..=0xab | 0xae..=0xb1)
}
