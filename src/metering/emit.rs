//! The second half of the rewriting of a function: its [`Plan`] becomes a body.
//!
//! Enters: the module's bytes, a plan. Leaves: the bytes of the new body.
//! Refuses: nothing.
//!
//! The body becomes a block, so that every way out of it leads past the one place where the stack is given back. In a
//! function with loops the counter is a local, and goes to its global and back around calls; in others it stays in
//! the global, which costs less than fetching it.

use wasm_encoder::{BlockType, Encode, Ieee32, Ieee64, InstructionSink, ValType};
use wasmparser::{BinaryReaderError, FunctionBody};

use super::observed::Stretch;
use super::plan::{Edit, Plan, What};
use super::{ENTER_SLOT, Exit, LEAVE_SLOT};

/// Where the added globals and functions are, in the module's index spaces.
#[derive(Clone, Copy)]
pub(super) struct Places {
    pub(super) fuel: u32,
    pub(super) stack: u32,
    pub(super) exit: u32,
    pub(super) pages: u32,
    pub(super) grow: u32,
    /// Only where the module is observed.
    pub(super) hooks: Option<Hooks>,
}

/// How a function tells the host of itself.
#[derive(Clone, Copy)]
pub(super) struct Hooks {
    pub(super) table: u32,
    /// The type of what the table holds.
    pub(super) ty: u32,
    /// Which function it is.
    pub(super) function: u32,
}

impl Places {
    /// The same for the body of a function.
    pub(super) fn within(mut self, function: u32) -> Self {
        if let Some(hooks) = &mut self.hooks {
            hooks.function = function;
        }
        self
    }
}

/// The bits of the canonical NaN.
const NAN_F32: u32 = 0x7fc0_0000;
const NAN_F64: u64 = 0x7ff8_0000_0000_0000;

/// The locals that are added; one that is not needed has no index that is used.
#[derive(Clone, Copy, Default)]
struct Locals {
    fuel: u32,
    stack: u32,
    length: u32,
    single: u32,
    double: u32,
}

struct Emit<'a> {
    module: &'a [u8],
    plan: &'a Plan,
    places: Places,
    locals: Locals,
    out: Vec<u8>,
    /// Each stretch that was copied, by its place in `out`.
    copied: Option<Vec<Stretch>>,
}

/// A function's new body, without its size.
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// Where each stretch of the capsule's code went, if somebody wants to know.
    pub(super) copied: Vec<Stretch>,
}

/// Writes a body. `params` are the function's, `results` the type of the block around it.
pub(super) fn emit(
    module: &[u8],
    body: &FunctionBody<'_>,
    plan: &Plan,
    places: Places,
    params: u32,
    results: BlockType,
    trace: bool,
) -> Result<Body, BinaryReaderError> {
    let mut out = Vec::with_capacity(body.as_bytes().len() * 2 + 64);
    let locals = locals(body, plan, params, &mut out)?;
    let mut emit = Emit {
        module,
        plan,
        places,
        locals,
        out,
        copied: trace.then(Vec::new),
    };
    emit.hook(ENTER_SLOT);
    emit.prologue();
    emit.sink().block(results);
    emit.edits(body.range().end);
    emit.epilogue();
    emit.hook(LEAVE_SLOT);
    emit.sink().end();
    Ok(Body {
        bytes: emit.out,
        copied: emit.copied.unwrap_or_default(),
    })
}

/// Declares the function's locals and behind them those that the plan needs.
fn locals(
    body: &FunctionBody<'_>,
    plan: &Plan,
    params: u32,
    out: &mut Vec<u8>,
) -> Result<Locals, BinaryReaderError> {
    let reader = body.get_locals_reader()?;
    // Fuel and stack are there always: the entry's look needs both.
    let extra =
        2 + u32::from(plan.bulk) + u32::from(plan.canonical_f32) + u32::from(plan.canonical_f64);
    // The last two runs can be one; counting them apart is shorter to read.
    (reader.get_count() + extra).encode(out);
    let mut next = params;
    for run in reader {
        let (count, ty) = run?;
        count.encode(out);
        value_type(ty).encode(out);
        next += count;
    }
    let mut local = |needed: bool, ty: ValType| {
        if !needed {
            return 0;
        }
        1_u32.encode(out);
        ty.encode(out);
        next += 1;
        next - 1
    };
    Ok(Locals {
        fuel: local(true, ValType::I64),
        stack: local(true, ValType::I64),
        length: local(plan.bulk, ValType::I32),
        single: local(plan.canonical_f32, ValType::F32),
        double: local(plan.canonical_f64, ValType::F64),
    })
}

/// The number types are all that the features leave.
pub(super) fn value_type(ty: wasmparser::ValType) -> ValType {
    match ty {
        wasmparser::ValType::I64 => ValType::I64,
        wasmparser::ValType::F32 => ValType::F32,
        wasmparser::ValType::F64 => ValType::F64,
        _ => ValType::I32,
    }
}

/// Leaves the run for this reason.
pub(super) fn leave(sink: &mut InstructionSink<'_>, exit: u32, reason: Exit) {
    sink.i32_const(reason as i32).global_set(exit).unreachable();
}

impl Emit<'_> {
    fn sink(&mut self) -> InstructionSink<'_> {
        InstructionSink::new(&mut self.out)
    }

    /// Whether the counter is a local between calls. Whoever looks on wants it in its global.
    fn counts_in_local(&self) -> bool {
        self.plan.loops && self.places.hooks.is_none()
    }

    /// Tells the host, if it wants to know. It costs nothing.
    fn hook(&mut self, slot: u32) {
        if let Some(hooks) = self.places.hooks {
            let mut sink = self.sink();
            sink.i32_const(hooks.function.cast_signed());
            sink.i32_const(slot.cast_signed());
            sink.call_indirect(hooks.table, hooks.ty);
        }
    }

    /// Takes the frame and the first region's cost, and looks at both at once.
    fn prologue(&mut self) {
        let (places, locals, calls) = (self.places, self.locals, self.plan.calls);
        let (frame, in_local) = (self.plan.frame as i64, self.counts_in_local());
        let cost = match self.plan.edits.first().map(|edit| edit.what) {
            Some(What::Charge(cost)) => cost as i64,
            _ => 0,
        };
        let mut sink = self.sink();
        sink.global_get(places.stack).i64_const(frame).i64_sub();
        sink.local_set(locals.stack);
        if calls {
            sink.local_get(locals.stack).global_set(places.stack);
        }
        sink.global_get(places.fuel).i64_const(cost).i64_sub();
        sink.local_tee(locals.fuel);
        if !in_local {
            sink.global_set(places.fuel).local_get(locals.fuel);
        }
        sink.local_get(locals.stack).i64_or();
        sink.i64_const(0).i64_lt_s().if_(BlockType::Empty);
        // Which of the two it is: the stack comes first.
        sink.i32_const(Exit::OutOfStack as i32)
            .i32_const(Exit::OutOfFuel as i32);
        sink.local_get(locals.stack).i64_const(0).i64_lt_s();
        sink.select().global_set(places.exit).unreachable().end();
    }

    /// Gives back what the function took.
    fn epilogue(&mut self) {
        let (places, locals, calls) = (self.places, self.locals, self.plan.calls);
        let (frame, in_local) = (self.plan.frame as i64, self.counts_in_local());
        let mut sink = self.sink();
        if in_local {
            sink.local_get(locals.fuel).global_set(places.fuel);
        }
        if calls {
            sink.local_get(locals.stack).i64_const(frame).i64_add();
            sink.global_set(places.stack);
        }
    }

    fn edits(&mut self, end: usize) {
        let plan = self.plan;
        let Some((entry, edits)) = plan.edits.split_first() else {
            return;
        };
        let mut cursor = entry.at;
        for edit in edits {
            self.copy(cursor, edit.at);
            cursor = self.edit(edit);
        }
        self.copy(cursor, end);
    }

    fn copy(&mut self, from: usize, to: usize) {
        if from < to {
            if let Some(copied) = &mut self.copied {
                copied.push(Stretch {
                    at: self.out.len(),
                    source: from,
                    len: to - from,
                });
            }
            self.out.extend_from_slice(&self.module[from..to]);
        }
    }

    /// Writes what is added, and gives the place where the copying goes on.
    fn edit(&mut self, edit: &Edit) -> usize {
        match edit.what {
            What::Charge(cost) => self.charge(cost),
            What::ChargeRound(cost) => {
                self.charge(cost);
                self.look();
            }
            What::ChargeLength(shift) => self.charge_length(shift),
            What::Canonical { double, seen } => {
                if seen {
                    self.canonical(double);
                }
            }
            What::Call { end } => return self.call(edit.at, end),
            What::Truncate { end } => return self.truncate(edit.at, end),
            What::Grow { end } => {
                self.spill();
                let grow = self.places.grow;
                self.sink().call(grow);
                self.fetch();
                return end;
            }
            What::Return { depth, end } => {
                self.sink().br(depth);
                return end;
            }
            What::Skip { end } => return end,
        }
        edit.at
    }

    fn charge(&mut self, cost: u64) {
        if cost == 0 {
            return;
        }
        self.load();
        self.sink().i64_const(cost as i64).i64_sub();
        self.store();
    }

    fn load(&mut self) {
        let (in_local, local, global) =
            (self.counts_in_local(), self.locals.fuel, self.places.fuel);
        if in_local {
            self.sink().local_get(local);
        } else {
            self.sink().global_get(global);
        }
    }

    fn store(&mut self) {
        let (in_local, local, global) =
            (self.counts_in_local(), self.locals.fuel, self.places.fuel);
        if in_local {
            self.sink().local_set(local);
        } else {
            self.sink().global_set(global);
        }
    }

    fn look(&mut self) {
        let exit = self.places.exit;
        self.load();
        let mut sink = self.sink();
        sink.i64_const(0).i64_lt_s().if_(BlockType::Empty);
        leave(&mut sink, exit, Exit::OutOfFuel);
        sink.end();
    }

    /// The length is the last operand of every bulk operator.
    fn charge_length(&mut self, shift: u32) {
        let length = self.locals.length;
        self.sink().local_set(length);
        self.load();
        let mut sink = self.sink();
        sink.local_get(length).i64_extend_i32_u();
        if shift > 0 {
            sink.i64_const(shift.into()).i64_shr_u();
        }
        sink.i64_sub();
        self.store();
        self.look();
        self.sink().local_get(length);
    }

    fn canonical(&mut self, double: bool) {
        let locals = self.locals;
        let mut sink = self.sink();
        if double {
            sink.local_tee(locals.double)
                .f64_const(Ieee64::new(NAN_F64));
            sink.local_get(locals.double).local_get(locals.double);
            sink.f64_ge().select();
        } else {
            sink.local_tee(locals.single)
                .f32_const(Ieee32::new(NAN_F32));
            sink.local_get(locals.single).local_get(locals.single);
            sink.f32_ge().select();
        }
    }

    fn call(&mut self, at: usize, end: usize) -> usize {
        self.spill();
        self.copy(at, end);
        self.fetch();
        end
    }

    fn spill(&mut self) {
        let (local, global) = (self.locals.fuel, self.places.fuel);
        if self.counts_in_local() {
            self.sink().local_get(local).global_set(global);
        }
    }

    fn fetch(&mut self) {
        let (local, global) = (self.locals.fuel, self.places.fuel);
        if self.counts_in_local() {
            self.sink().global_get(global).local_set(local);
        }
    }

    /// Engines have several words for what can be wrong here, and use them for divisions too. So the reason is left
    /// beforehand, and taken back if nothing was wrong.
    fn truncate(&mut self, at: usize, end: usize) -> usize {
        let exit = self.places.exit;
        self.sink()
            .i32_const(Exit::Conversion as i32)
            .global_set(exit);
        self.copy(at, end);
        self.sink().i32_const(0).global_set(exit);
        end
    }
}
