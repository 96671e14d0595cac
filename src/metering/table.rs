//! What operators cost, in units of fuel.
//!
//! Enters: an operator's bytes. Leaves: its cost, the same in every implementation: the tables are part of
//! `docs/rules.json`. Refuses nothing; an operator that validation does not let through costs what an unlisted one does.
//!
//! A unit is about a quarter of a nanosecond of compiled code. The tables are measured, not derived: `cargo bench --bench
//! operators` prints what a unit of each class takes.

/// For entering a function.
pub(crate) const ENTRY: u32 = 10;
/// For an operator that no table lists.
pub(crate) const OPERATOR: u8 = 1;
/// A bulk memory operator costs its length divided by 2 to this power.
pub(crate) const BULK_SHIFT: u32 = 3;
/// For each page that a memory grows by.
pub(crate) const GROW_PAGE: u32 = 4_000;
/// What each frame of the stack has beside its locals and its height.
pub(crate) const FRAME: u32 = 8;

/// What comes before the number of a saturating truncation or a bulk operator.
pub(super) const PREFIX: u8 = 0xfc;

/// Operators by opcode.
pub(crate) const OPERATORS: [u8; 256] = operators();
/// Operators by the number after the prefix 0xfc.
pub(crate) const OPERATORS_FC: [u8; 15] = [8, 8, 8, 8, 8, 8, 8, 8, 20, 8, 20, 20, 20, 8, 20];

const fn operators() -> [u8; 256] {
    let mut costs = [OPERATOR; 256];
    let mut opcode = 0;
    while opcode < 256 {
        costs[opcode] = cost(opcode as u8);
        opcode += 1;
    }
    costs
}

/// The opcodes are those of the binary format.
const fn cost(opcode: u8) -> u8 {
    match opcode {
        // unreachable, nop, block, else, end, return, drop: no code, or none that counts
        0x00..=0x02 | 0x05 | 0x0b | 0x0f | 0x1a => 0,
        // br_table
        0x0e => 4,
        // call, call_indirect
        0x10 => 2,
        0x11 => 24,
        // select
        0x1b => 2,
        // loads; stores
        0x28..=0x35 => 3,
        0x36..=0x3e => 2,
        // memory.grow
        0x40 => 200,
        // comparisons of floats
        0x5b..=0x66 => 3,
        // clz, ctz; popcnt
        0x67 | 0x68 | 0x79 | 0x7a => 6,
        0x69 | 0x7b => 14,
        // mul
        0x6c | 0x7e => 2,
        // div and rem of 32 bits, of 64
        0x6d..=0x70 => 24,
        0x7f..=0x82 => 40,
        // abs, neg, copysign
        0x8b | 0x8c | 0x98 | 0x99 | 0x9a | 0xa6 => 3,
        // ceil, floor, trunc, nearest
        0x8d..=0x90 | 0x9b..=0x9e => 20,
        // sqrt
        0x91 | 0x9f => 22,
        // add, sub, mul
        0x92..=0x94 | 0xa0..=0xa2 => 6,
        // div
        0x95 | 0xa3 => 14,
        // min, max
        0x96 | 0x97 | 0xa4 | 0xa5 => 8,
        // trunc to integers
        0xa8..=0xab | 0xae..=0xb1 => 8,
        // convert from integers
        0xb2..=0xb5 | 0xb7..=0xba => 8,
        // demote, promote
        0xb6 | 0xbb => 6,
        // reinterpret
        0xbc..=0xbf => 4,
        _ => OPERATOR,
    }
}

/// What an operator costs that begins with this opcode; `sub` is the number after a prefix 0xfc.
pub(super) fn operator_cost(opcode: u8, sub: u32) -> u32 {
    if opcode != PREFIX {
        return OPERATORS[usize::from(opcode)].into();
    }
    OPERATORS_FC
        .get(sub as usize)
        .copied()
        .unwrap_or(OPERATOR)
        .into()
}
