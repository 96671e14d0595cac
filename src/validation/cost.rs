//! An upper estimate of what compiling a module costs, so that a few kilobytes cannot be a bomb.
//!
//! Enters: the operators of valid function bodies, as raw opcodes with their immediates.
//! Leaves: one number, the compile cost, the same in every implementation.
//! Refuses: nothing itself; `shape.rs` holds the bound.
//!
//! A compiler's time goes three ways: a fixed part for each function and each thing that is visible
//! from outside, a part for each operator, and the joining of control flow. The last is what bombs
//! are made of: at the end of a block, and at the head of a loop, every local that was written in it
//! has to be joined over every edge that leads there. So the estimate is
//!
//! - [`TYPE`] for each type, [`IMPORT`] for each import, [`FUNCTION`] for each function and a unit for
//!   [`LOCALS_PER_UNIT`] of its locals; [`ENTRY`] for each export of a function and each entry of an
//!   element segment, and [`ENTRY_VALUE`] for each of its parameters and results;
//! - for each operator its weight ([`weight`]); for calls and blocks also [`PARAM`] for each parameter
//!   and [`RESULT`] for each result, for each entry of a `br_table` [`TARGET`];
//! - for each block, loop or `if` that two or more edges join at: width × (edges × [`JOIN`] + edges² ÷
//!   [`JOIN_SQUARE`]). The width is the distinct locals written between its start and its `end`, and
//!   the values that the edge carries. The edges are the branches that name it (each entry of a
//!   `br_table` is one); for a loop one more, for its start; for the others one more for each way of
//!   falling through to the `end`, which is none after an operator that never goes on, and is one for
//!   the missing `else` of an `if`. Of a function's own block only the values carried count;
//! - for each function its locals × (its joins + [`LOOP_SPAN`] × its loops) ÷ [`SPAN`], for values that
//!   have to be carried past joins that do not touch them.
//!
//! Divisions round down.
//!
//! A unit is about a microsecond of an optimising compiler, but only the ratios matter.

/// For a function: its own code, prologue and unwind data.
const FUNCTION: u64 = 75;
/// For a function that is exported or stands in an element segment: it is entered from outside too.
const ENTRY: u64 = 60;
/// For each parameter and result of such an entry.
const ENTRY_VALUE: u64 = 8;
/// For a type: calls of it from outside and to the outside are adapted.
const TYPE: u64 = 90;
/// For an import: the way out.
const IMPORT: u64 = 60;
/// So many locals and parameters cost a unit for being declared.
const LOCALS_PER_UNIT: u64 = 8;
/// For a value joined over an edge.
const JOIN: u64 = 2;
/// So many pairs of edges cost as much as a unit for a value: what comes in over many edges is compared
/// pair by pair when registers are assigned.
const JOIN_SQUARE: u64 = 64;
/// A loop counts as so many joins for what is carried past it.
const LOOP_SPAN: u64 = 8;
/// So many locals and joins cost a unit, when none touches the other.
const SPAN: u64 = 24;
/// For an entry of a `br_table`.
const TARGET: u64 = 1;
/// For a parameter of a call or block.
const PARAM: u64 = 1;
/// For a result of a call or block.
const RESULT: u64 = 3;

/// What an operator costs by itself. The opcodes are those of the binary format.
const fn weight(opcode: u8) -> u8 {
    match opcode {
        op::LOOP => 50,
        op::IF | op::BR_IF => 20,
        op::CALL => 6,
        op::CALL_INDIRECT => 100,
        op::MEMORY_GROW => 60,
        0x28..=0x3e => 4,                              // loads and stores
        0x6d..=0x70 | 0x7f..=0x82 => 5,                // division and remainder
        0x8b | 0x8c | 0x98..=0x9a | 0xa6 => 2,         // abs, neg, copysign: NaN passes through
        0x8d..=0x91 | 0x9b..=0x9f => 15,               // rounding and roots, canonical NaN
        0x92..=0x97 | 0xa0..=0xa5 | 0xb6 | 0xbb => 12, // other floating point, canonical NaN
        0xa8..=0xb5 | 0xb7..=0xba => 6,                // conversions
        _ => 2,
    }
}

/// Whether an operator's immediates matter to the cost.
#[inline]
pub(super) const fn has_more(opcode: u8) -> bool {
    use op::*;
    matches!(
        opcode,
        BLOCK..=ELSE | END..=CALL_INDIRECT | LOCAL_SET | LOCAL_TEE | PREFIX
    )
}

/// [`weight`], looked up.
const WEIGHTS: [u8; 256] = {
    let mut weights = [0; 256];
    let mut opcode = 0;
    while opcode < 256 {
        weights[opcode] = weight(opcode as u8);
        opcode += 1;
    }
    weights
};

/// What an operator of the prefix 0xfc costs: saturating conversions up to 7, then bulk memory.
const fn weight_prefixed(operator: u32) -> u64 {
    if operator < 8 { 6 } else { 75 }
}

/// The figures of the estimate by name; `docs/rules.json` shows them, so that anyone can reckon the same cost.
pub const COMPILE_COST: [(&str, u64); 15] = [
    ("function", FUNCTION),
    ("entry", ENTRY),
    ("entry_value", ENTRY_VALUE),
    ("type", TYPE),
    ("import", IMPORT),
    ("locals_per_unit", LOCALS_PER_UNIT),
    ("join", JOIN),
    ("join_square", JOIN_SQUARE),
    ("loop_span", LOOP_SPAN),
    ("span", SPAN),
    ("target", TARGET),
    ("param", PARAM),
    ("result", RESULT),
    ("saturating_conversion", weight_prefixed(0)),
    ("bulk_memory", weight_prefixed(8)),
];

/// The weight of each opcode.
pub const COMPILE_WEIGHTS: [u8; 256] = WEIGHTS;

/// The opcodes that are more than a weight.
pub(super) mod op {
    pub(in super::super) const UNREACHABLE: u8 = 0x00;
    pub(in super::super) const NOP: u8 = 0x01;
    pub(in super::super) const BLOCK: u8 = 0x02;
    pub(in super::super) const LOOP: u8 = 0x03;
    pub(in super::super) const IF: u8 = 0x04;
    pub(in super::super) const ELSE: u8 = 0x05;
    pub(in super::super) const END: u8 = 0x0b;
    pub(in super::super) const BR: u8 = 0x0c;
    pub(in super::super) const BR_IF: u8 = 0x0d;
    pub(in super::super) const BR_TABLE: u8 = 0x0e;
    pub(in super::super) const RETURN: u8 = 0x0f;
    pub(in super::super) const CALL: u8 = 0x10;
    pub(in super::super) const CALL_INDIRECT: u8 = 0x11;
    pub(in super::super) const LOCAL_SET: u8 = 0x21;
    pub(in super::super) const LOCAL_TEE: u8 = 0x22;
    pub(in super::super) const MEMORY_GROW: u8 = 0x40;
    pub(in super::super) const PREFIX: u8 = 0xfc;
}

/// How many values something takes and gives.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arity {
    pub(super) params: u32,
    pub(super) results: u32,
}

/// A block that is open, and what will have to be joined at it.
#[derive(Debug)]
struct Frame {
    is_loop: bool,
    /// An `if` whose `else` has not come.
    lacks_else: bool,
    /// Values that each edge carries.
    carried: u32,
    edges: u32,
    /// Distinct locals written since `opened`.
    written: u32,
    opened: u32,
}

/// The estimate for one function after the other; its vectors are reused.
#[derive(Debug, Default)]
pub(super) struct Cost {
    total: u64,
    frames: Vec<Frame>,
    loops: u32,
    /// For each local, when it was last written: 0 is never.
    written_at: Vec<u32>,
    now: u32,
    /// Joins of the function so far, loops weighed.
    spans: u64,
    /// The operator that is being looked at, and the one before.
    last: u8,
    before: u8,
}

impl Cost {
    /// What has been counted so far.
    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// A type.
    pub(super) fn ty(&mut self) {
        self.add(TYPE);
    }

    /// An import.
    pub(super) fn import(&mut self) {
        self.add(IMPORT);
    }

    /// A function's export, or its place in an element segment.
    pub(super) fn entry(&mut self, arity: Arity) {
        self.add(ENTRY + u64::from(arity.params + arity.results) * ENTRY_VALUE);
    }

    #[inline]
    fn add(&mut self, units: u64) {
        self.total = self.total.saturating_add(units);
    }

    /// How deep blocks, and loops among them, are nested here.
    pub(super) fn depths(&self) -> (usize, u32) {
        (self.frames.len(), self.loops)
    }

    /// Starts a function. `locals` counts its parameters too; it has been bounded before.
    pub(super) fn function(&mut self, arity: Arity, locals: usize) {
        self.frames.clear();
        self.loops = 0;
        self.now = 1;
        self.written_at.clear();
        self.written_at.resize(locals, 0);
        self.spans = 0;
        (self.last, self.before) = (op::NOP, op::NOP);
        self.add(FUNCTION + locals as u64 / LOCALS_PER_UNIT);
        self.open(op::BLOCK, arity);
    }

    /// An operator without anything to it but its weight.
    #[inline]
    pub(super) fn operator(&mut self, opcode: u8) {
        self.before = std::mem::replace(&mut self.last, opcode);
        self.add(u64::from(WEIGHTS[usize::from(opcode)]));
    }

    /// An operator of the prefix 0xfc.
    pub(super) fn prefixed(&mut self, operator: u32) {
        self.add(weight_prefixed(operator));
    }

    /// The start of a block, loop or `if`.
    pub(super) fn open(&mut self, opcode: u8, arity: Arity) {
        let is_loop = opcode == op::LOOP;
        self.loops += u32::from(is_loop);
        self.call(arity);
        self.now = self.now.saturating_add(1);
        self.frames.push(Frame {
            is_loop,
            lacks_else: opcode == op::IF,
            carried: if is_loop { arity.params } else { arity.results },
            edges: u32::from(is_loop),
            written: 0,
            opened: self.now,
        });
    }

    /// The end of a block, loop, `if` or function.
    pub(super) fn close(&mut self) {
        self.fall();
        let Some(frame) = self.frames.pop() else {
            return;
        };
        let edges = u64::from(frame.edges) + u64::from(frame.lacks_else);
        self.loops -= u32::from(frame.is_loop);
        let is_function = self.frames.is_empty();
        if edges > 1 {
            // Nothing reads a local after the function's own end.
            let written = if is_function { 0 } else { frame.written };
            let width = u64::from(written + frame.carried);
            self.spans += if frame.is_loop { LOOP_SPAN } else { 1 };
            let pairs = edges.saturating_mul(edges).saturating_mul(width) / JOIN_SQUARE;
            self.add(pairs.saturating_add(edges * width * JOIN));
        }
        if is_function {
            self.add((self.written_at.len() as u64).saturating_mul(self.spans) / SPAN);
        }
    }

    /// The `else` of an `if`.
    pub(super) fn otherwise(&mut self) {
        self.fall();
        if let Some(frame) = self.frames.last_mut() {
            frame.lacks_else = false;
        }
    }

    /// Falls through to the innermost block's end, if the operator before goes on.
    fn fall(&mut self) {
        let leaves = matches!(
            self.before,
            op::UNREACHABLE | op::BR | op::BR_TABLE | op::RETURN
        );
        if let Some(frame) = self
            .frames
            .last_mut()
            .filter(|frame| !frame.is_loop && !leaves)
        {
            frame.edges = frame.edges.saturating_add(1);
        }
    }

    /// A branch to the block that is so many labels out.
    pub(super) fn branch(&mut self, label: u32) {
        let Some(index) = self.frames.len().checked_sub(1 + label as usize) else {
            return;
        };
        let frame = &mut self.frames[index];
        frame.edges = frame.edges.saturating_add(1);
    }

    /// A branch out of the function.
    pub(super) fn leave(&mut self) {
        self.branch(self.frames.len().saturating_sub(1) as u32);
    }

    /// An entry of a `br_table`.
    pub(super) fn target(&mut self, label: u32) {
        self.add(TARGET);
        self.branch(label);
    }

    /// What a call passes and gives back.
    pub(super) fn call(&mut self, arity: Arity) {
        self.add(u64::from(arity.params) * PARAM + u64::from(arity.results) * RESULT);
    }

    /// A local is written: it counts once in each open block.
    pub(super) fn write(&mut self, local: u32) {
        let Some(last) = self.written_at.get_mut(local as usize) else {
            return;
        };
        for frame in self.frames.iter_mut().rev() {
            if frame.opened <= *last {
                break; // from here outwards it has been counted
            }
            frame.written += 1;
        }
        *last = self.now;
    }
}
