//! Function bodies: each operator is read once, for the validator and for the compile cost.
//!
//! Enters: the code section's bodies, the module's types and functions.
//! Leaves: findings, and the module's compile cost.
//! Refuses: what the validator refuses, one finding a function, and what `shape.rs` limits.
//!
//! Once the module is known to be invalid, bodies are still read for their shape, without types.

use wasmparser::{
    BinaryReader, FuncToValidate, FuncValidator, FuncValidatorAllocations, FunctionBody,
    OperatorsReader, ValidatorResources,
};

use super::cost::{self, Arity, Cost, op};
use super::facts::Facts;
use super::features::FEATURES;
use super::finding::Findings;
use super::shape::{self, CountLimit};

/// What is kept from body to body.
#[derive(Default)]
pub(super) struct Code {
    pub(super) cost: Cost,
    allocations: FuncValidatorAllocations,
    locals_all: u64,
    targets_all: u64,
    bodies: u32,
}

/// The largest of what one function has, and where.
#[derive(Default)]
struct Peak {
    count: u64,
    offset: usize,
}

impl Peak {
    fn see(&mut self, count: u64, offset: usize) {
        if count > self.count {
            *self = Self { count, offset };
        }
    }

    fn check(&self, findings: &mut Findings, limit: &CountLimit) {
        shape::check(findings, limit, self.count, self.offset);
    }
}

/// The peaks of one function.
#[derive(Default)]
struct Peaks {
    blocks: Peak,
    height: Peak,
    loops: Peak,
    targets: Peak,
}

impl Code {
    /// Reads one body. Without a validator only its shape is looked at.
    pub(super) fn body(
        &mut self,
        body: &FunctionBody<'_>,
        validator: Option<FuncToValidate<ValidatorResources>>,
        facts: &Facts<'_>,
        findings: &mut Findings,
    ) {
        let range = body.range();
        shape::check(
            findings,
            &shape::FUNCTION_BYTES,
            range.len() as u64,
            range.start,
        );
        let arity = facts.arity_of_defined(self.bodies);
        self.bodies = self.bodies.saturating_add(1);
        let mut validator =
            validator.map(|to| to.into_validator(std::mem::take(&mut self.allocations)));
        let mut reader = body.get_binary_reader();
        reader.set_features(FEATURES);
        let mut peaks = Peaks::default();
        let read = self
            .locals(&mut reader, &mut validator, arity, findings)
            .and_then(|()| match &mut validator {
                Some(validator) => self.operators(reader, validator, facts, &mut peaks),
                None => self.shape_only(reader, facts, &mut peaks),
            });
        peaks.blocks.check(findings, &shape::BLOCK_DEPTH);
        peaks.height.check(findings, &shape::OPERAND_HEIGHT);
        peaks.loops.check(findings, &shape::LOOP_DEPTH);
        peaks.targets.check(findings, &shape::BR_TABLE_TARGETS);
        if let Some(validator) = validator {
            self.allocations = validator.into_allocations();
            if let Err(error) = read {
                super::pass::invalid(findings, &error);
            }
        }
    }

    /// Checks what only the whole code section shows.
    pub(super) fn totals(&self, findings: &mut Findings) {
        shape::check(findings, &shape::LOCALS_ALL, self.locals_all, None);
        shape::check(
            findings,
            &shape::BR_TABLE_TARGETS_ALL,
            self.targets_all,
            None,
        );
    }

    fn locals(
        &mut self,
        reader: &mut BinaryReader<'_>,
        validator: &mut Option<FuncValidator<ValidatorResources>>,
        arity: Arity,
        findings: &mut Findings,
    ) -> wasmparser::Result<()> {
        let start = reader.original_position();
        let mut locals = u64::from(arity.params);
        for _ in 0..reader.read_var_u32()? {
            let offset = reader.original_position();
            let count = reader.read_var_u32()?;
            let ty = reader.read()?;
            locals += u64::from(count);
            if let Some(validator) = validator {
                validator.define_locals(offset, count, ty)?;
            }
        }
        self.locals_all = self.locals_all.saturating_add(locals);
        shape::check(findings, &shape::LOCALS, locals, start);
        // Beyond the limit the module is refused anyway, so nothing is allotted for the rest.
        self.cost
            .function(arity, locals.min(shape::LOCALS.limit) as usize);
        Ok(())
    }

    fn operators(
        &mut self,
        mut reader: BinaryReader<'_>,
        validator: &mut FuncValidator<ValidatorResources>,
        facts: &Facts<'_>,
        peaks: &mut Peaks,
    ) -> wasmparser::Result<()> {
        while !reader.eof() {
            let offset = reader.original_position();
            reader.visit_operator(&mut validator.visitor(offset))??;
            peaks
                .height
                .see(u64::from(validator.operand_stack_height()), offset);
            self.account(facts, offset, peaks);
        }
        let offset = reader.original_position();
        reader.finish_expression(&validator.visitor(offset))
    }

    fn shape_only(
        &mut self,
        reader: BinaryReader<'_>,
        facts: &Facts<'_>,
        peaks: &mut Peaks,
    ) -> wasmparser::Result<()> {
        let mut reader = OperatorsReader::new(reader);
        while !reader.eof() {
            let offset = reader.original_position();
            reader.read()?;
            self.account(facts, offset, peaks);
        }
        Ok(())
    }

    /// Accounts for the operator at an offset, which has been read once without complaint.
    #[inline]
    fn account(&mut self, facts: &Facts<'_>, offset: usize, peaks: &mut Peaks) {
        let opcode = facts.bytes.get(offset).copied().unwrap_or(0);
        self.cost.operator(opcode);
        if cost::has_more(opcode) {
            self.account_more(opcode, facts, offset, peaks);
        }
    }

    /// Accounts for an operator whose immediates matter.
    fn account_more(&mut self, opcode: u8, facts: &Facts<'_>, offset: usize, peaks: &mut Peaks) {
        let mut at = Immediates {
            bytes: facts.bytes,
            at: offset + 1,
        };
        match opcode {
            op::BLOCK | op::LOOP | op::IF => {
                self.cost.open(opcode, at.block(facts));
                let (blocks, loops) = self.cost.depths();
                peaks.blocks.see(blocks as u64, offset);
                peaks.loops.see(u64::from(loops), offset);
            }
            op::ELSE => self.cost.otherwise(),
            op::END => self.cost.close(),
            op::BR | op::BR_IF => self.cost.branch(at.number()),
            op::BR_TABLE => {
                let targets = at.number();
                peaks.targets.see(u64::from(targets), offset);
                self.targets_all = self.targets_all.saturating_add(u64::from(targets));
                for _ in 0..=targets {
                    self.cost.target(at.number());
                }
            }
            op::RETURN => self.cost.leave(),
            op::CALL => self.cost.call(facts.arity_of_function(at.number())),
            op::CALL_INDIRECT => self.cost.call(facts.arity_of_type(at.number())),
            op::PREFIX => self.cost.prefixed(at.number()),
            _ => self.cost.write(at.number()), // a local is set or teed
        }
    }
}

/// Reads the few immediates that the cost needs. What it reads has been parsed before, so it does
/// not complain; past the end it reads zeros.
struct Immediates<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Immediates<'_> {
    fn byte(&mut self) -> u8 {
        let byte = self.bytes.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        byte
    }

    /// A LEB128 number of at most 32 bits.
    fn number(&mut self) -> u32 {
        let mut number = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte();
            number |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }

    fn block(&mut self, facts: &Facts<'_>) -> Arity {
        let first = self.bytes.get(self.at).copied().unwrap_or(0x40);
        match first {
            0x40 => Arity::default(),
            0x41..=0x7f => Arity {
                params: 0,
                results: 1,
            },
            _ => facts.arity_of_type(self.number()),
        }
    }
}
