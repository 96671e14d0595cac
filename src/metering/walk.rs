//! The first half of the rewriting of a function: its operators become a [`Plan`].
//!
//! Enters: a valid function body. Leaves: where to put what, the function's frame, and what the additions need.
//! Refuses: nothing that validation accepted.
//!
//! The rules are those of `docs/determinism.md`, "Metering".

use wasmparser::{BinaryReaderError, BlockType, FuncType, FunctionBody, Operator, ValType};

use super::operands::{Operand, Operands};
use super::operators::{
    MEMORY_GROW, arity, arity_prefixed, cannot_see, converts, is_double, makes_nan, truncates,
};
use super::plan::{Plan, Types, What};
use super::table::{BULK_SHIFT, ENTRY, FRAME, PREFIX, operator_cost};

/// Reads a body. `module` is the whole module, of which it is a part.
pub(super) fn plan(
    module: &[u8],
    body: &FunctionBody<'_>,
    ty: &FuncType,
    types: &Types<'_>,
) -> Result<Plan, BinaryReaderError> {
    let mut locals = vec![Local::Kept; ty.params().len()];
    for run in body.get_locals_reader()? {
        let (count, ty) = run?;
        let local = match ty {
            ValType::F32 => Local::Lazy { double: false },
            ValType::F64 => Local::Lazy { double: true },
            _ => Local::Kept,
        };
        locals.resize(locals.len() + count as usize, local);
    }
    let frame = u64::from(FRAME) + locals.len() as u64;
    let mut walk = Walk::read(module, body, types, ty, Vec::new(), locals)?;
    // The first reading found what is assigned to each local. Where that can matter, a second one makes use of it.
    if walk.plan.loops && (walk.plan.canonical_f32 || walk.plan.canonical_f64) {
        walk = Walk::read(module, body, types, ty, walk.found, Vec::new())?;
    }
    let mut plan = walk.plan;
    plan.frame = frame + walk.height_max as u64;
    Ok(plan)
}

/// How a local's NaNs are treated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Local {
    /// Its bits are kept as they are assigned, so arithmetic is made canonical before.
    Kept,
    /// Only arithmetic and numbers are assigned to it: it is made canonical where it is read and seen. A sum in a loop need
    /// not be so in each round.
    Lazy { double: bool },
}

/// A construct that is open.
#[derive(Clone, Copy)]
struct Open {
    /// The operands below it, its parameters not counted.
    base: usize,
    params: usize,
    results: usize,
}

/// Dead code: where it began, and the constructs that are open within it.
struct Dead {
    from: usize,
    depth: u32,
}

/// An operator where it stands.
struct At {
    opcode: u8,
    /// The number after a prefix.
    sub: u32,
    at: usize,
    end: usize,
}

struct Walk<'a> {
    types: &'a Types<'a>,
    plan: Plan,
    open: Vec<Open>,
    operands: Operands,
    /// What is known of the locals; one that is not there is kept.
    locals: Vec<Local>,
    /// What this reading finds.
    found: Vec<Local>,
    height_max: usize,
    /// The edit that the region's cost is in.
    region: usize,
    region_cost: u64,
    dead: Option<Dead>,
}

impl<'a> Walk<'a> {
    fn read(
        module: &[u8],
        body: &FunctionBody<'_>,
        types: &'a Types<'a>,
        ty: &FuncType,
        locals: Vec<Local>,
        found: Vec<Local>,
    ) -> Result<Self, BinaryReaderError> {
        let mut operators = body.get_operators_reader()?;
        let mut walk = Self {
            types,
            plan: Plan::default(),
            open: vec![Open {
                base: 0,
                params: 0,
                results: ty.results().len(),
            }],
            operands: Operands::default(),
            locals,
            found,
            height_max: 0,
            region: 0,
            region_cost: ENTRY.into(),
            dead: None,
        };
        walk.plan
            .edit(operators.original_position(), What::Charge(0));
        while !operators.eof() {
            let (operator, at) = operators.read_with_offset()?;
            let end = operators.original_position();
            walk.operator(&operator, At::new(&module[at..end], at));
        }
        walk.close_region();
        Ok(walk)
    }

    fn operator(&mut self, operator: &Operator<'_>, at: At) {
        if let Some(dead) = self.dead.take() {
            self.dead = self.dead_operator(operator, &at, dead);
        } else if let Operator::Loop { blockty } = operator {
            self.open_construct(*blockty);
            self.open_region(at.end, What::ChargeRound(0));
            self.region_cost = at.cost();
            self.plan.loops = true;
        } else {
            self.region_cost += at.cost();
            self.effect(operator, &at);
        }
        if self.dead.is_none() {
            self.height_max = self.operands.measure();
        }
    }

    fn effect(&mut self, operator: &Operator<'_>, at: &At) {
        match *operator {
            Operator::Block { blockty } => self.open_construct(blockty),
            Operator::If { blockty } => {
                self.operands.take_unseen(1);
                self.open_construct(blockty);
                self.open_region(at.end, What::Charge(0));
            }
            Operator::Else => self.otherwise(at),
            Operator::End => self.close_construct(at),
            Operator::BrIf { .. } => {
                self.operands.take_unseen(1);
                self.operands.take_none(&mut self.plan);
            }
            Operator::Return => {
                let (depth, end) = (self.open.len() as u32 - 1, at.end);
                self.die(end);
                self.plan.edit(at.at, What::Return { depth, end });
            }
            Operator::Br { .. } | Operator::BrTable { .. } | Operator::Unreachable => {
                self.die(at.end);
            }
            Operator::Call { function_index } => {
                self.call(self.types.of_function(function_index), 0, at);
            }
            Operator::CallIndirect { type_index, .. } => {
                self.call(self.types.of_type(type_index), 1, at);
            }
            Operator::LocalGet { local_index } => self.get(local_index as usize, at),
            Operator::LocalSet { local_index } => {
                self.set(local_index as usize);
                self.operands.take_unseen(1);
            }
            Operator::LocalTee { local_index } => self.set(local_index as usize),
            Operator::F32Const { value } => self.constant(f32::from_bits(value.bits()).is_nan()),
            Operator::F64Const { value } => self.constant(f64::from_bits(value.bits()).is_nan()),
            _ if at.opcode == PREFIX => self.prefixed(at),
            _ => self.plain(at),
        }
    }

    fn call(&mut self, (params, results): (usize, usize), index: usize, at: &At) {
        self.operands.take(params + index, &mut self.plan);
        self.operands.give(results);
        self.plan.calls = true;
        self.plan.edit(at.at, What::Call { end: at.end });
    }

    fn get(&mut self, local: usize, at: &At) {
        match self.locals.get(local) {
            Some(Local::Lazy { double }) => self.pending(*double, at.end),
            _ => self.operands.give(1),
        }
    }

    /// Assigns the value on top, which stays there.
    fn set(&mut self, local: usize) {
        if self.operands.top() == Operand::Raw
            && let Some(found) = self.found.get_mut(local)
        {
            *found = Local::Kept;
        }
        if !matches!(self.locals.get(local), Some(Local::Lazy { .. })) {
            self.operands.take(1, &mut self.plan);
            self.operands.give(1);
        }
    }

    fn prefixed(&mut self, at: &At) {
        let (takes, gives) = arity_prefixed(at.sub);
        // What is converted is a number or a NaN; which NaN cannot be seen.
        self.operands.take_unseen(takes);
        self.operands.give(gives);
        let shift = match at.sub {
            8 | 10 | 11 => BULK_SHIFT,
            12 | 14 => 0,
            _ => return,
        };
        self.plan.bulk = true;
        self.plan.edit(at.at, What::ChargeLength(shift));
    }

    fn plain(&mut self, at: &At) {
        let (takes, gives) = arity(at.opcode);
        let (opcode, end) = (at.opcode, at.end);
        if makes_nan(opcode) {
            self.operands.take_unseen(takes);
            return self.pending(is_double(opcode), end);
        }
        if cannot_see(opcode) {
            self.operands.take_unseen(takes);
        } else {
            self.operands.take(takes, &mut self.plan);
        }
        match converts(opcode) {
            true => self.operands.push(Operand::Number),
            false => self.operands.give(gives),
        }
        if truncates(opcode) {
            self.plan.edit(at.at, What::Truncate { end });
        } else if opcode == MEMORY_GROW {
            self.plan.grows = true;
            self.plan.edit(at.at, What::Grow { end });
        }
    }

    /// The result of arithmetic: canonical only if somebody looks.
    fn pending(&mut self, double: bool, end: usize) {
        let edit = self.plan.edits.len() as u32;
        let seen = false;
        self.plan.edit(end, What::Canonical { double, seen });
        self.operands.push(Operand::Pending(edit));
    }

    fn constant(&mut self, nan: bool) {
        self.operands.push(match nan {
            true => Operand::Raw,
            false => Operand::Number,
        });
    }

    fn open_construct(&mut self, block: BlockType) {
        self.operands.take_none(&mut self.plan);
        let (params, results) = self.types.of_block(block);
        let base = self.operands.height().saturating_sub(params);
        self.open.push(Open {
            base,
            params,
            results,
        });
    }

    fn otherwise(&mut self, at: &At) {
        self.operands.take_none(&mut self.plan);
        if let Some(open) = self.open.last().copied() {
            self.operands.reset(open.base, open.params);
        }
        self.open_region(at.end, What::Charge(0));
    }

    fn close_construct(&mut self, at: &At) {
        self.operands.take_none(&mut self.plan);
        if let Some(open) = self.open.pop() {
            self.operands.reset(open.base, open.results);
        }
        if !self.open.is_empty() {
            self.open_region(at.end, What::Charge(0));
        }
    }

    fn die(&mut self, from: usize) {
        self.operands.take_none(&mut self.plan);
        self.dead = Some(Dead { from, depth: 0 });
    }

    /// Dead code counts for nothing, and is left out. Gives what is still dead behind the operator.
    fn dead_operator(&mut self, operator: &Operator<'_>, at: &At, mut dead: Dead) -> Option<Dead> {
        let ends = match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                dead.depth += 1;
                false
            }
            Operator::Else => dead.depth == 0,
            Operator::End if dead.depth == 0 => true,
            Operator::End => {
                dead.depth -= 1;
                false
            }
            _ => false,
        };
        if !ends {
            return Some(dead);
        }
        if dead.from < at.at {
            self.plan.edit(dead.from, What::Skip { end: at.at });
        }
        match operator {
            Operator::Else => self.otherwise(at),
            _ => self.close_construct(at),
        }
        None
    }

    fn open_region(&mut self, at: usize, what: What) {
        self.close_region();
        self.region = self.plan.edits.len();
        self.region_cost = 0;
        self.plan.edit(at, what);
    }

    fn close_region(&mut self) {
        if let Some(edit) = self.plan.edits.get_mut(self.region)
            && let What::Charge(cost) | What::ChargeRound(cost) = &mut edit.what
        {
            *cost = self.region_cost;
        }
    }
}

impl At {
    fn new(bytes: &[u8], at: usize) -> Self {
        let opcode = bytes.first().copied().unwrap_or(0);
        Self {
            opcode,
            sub: if opcode == PREFIX {
                number(&bytes[1..])
            } else {
                0
            },
            at,
            end: at + bytes.len(),
        }
    }

    fn cost(&self) -> u64 {
        operator_cost(self.opcode, self.sub).into()
    }
}

/// A LEB128 number of at most 32 bits, which has been read before.
fn number(bytes: &[u8]) -> u32 {
    let mut number = 0;
    for (byte, shift) in bytes.iter().zip([0, 7, 14, 21, 28]) {
        number |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    number
}
