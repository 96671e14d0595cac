//! The rewriting of the code section: each function read, planned and written anew, and the one that is added.
//!
//! Enters: a valid module whose other sections have been read. Leaves: the section's new contents.
//! Refuses: nothing that validation accepted.

use wasm_encoder::{BlockType, Encode, InstructionSink, ValType};
use wasmparser::{BinaryReader, BinaryReaderError, CodeSectionReader};

use super::Exit;
use super::emit::{Places, emit, leave};
use super::module::{Added, Facts};
use super::observed::Stretch;
use super::plan::{Plan, Types};
use super::table::GROW_PAGE;
use super::walk::plan;

/// What is to be done to each function.
pub(super) fn plans(capsule: &[u8], facts: &Facts<'_>) -> Result<Vec<Plan>, BinaryReaderError> {
    let types = Types {
        types: &facts.types,
        functions: &facts.functions,
    };
    let Some((data, offset)) = facts.code() else {
        return Ok(Vec::new());
    };
    let bodies = CodeSectionReader::new(BinaryReader::new(data, offset))?;
    let planned = bodies
        .into_iter()
        .zip(facts.defined())
        .map(|(body, &ty)| plan(capsule, &body?, &facts.types[ty as usize], &types));
    planned.collect()
}

/// The contents of the code section.
pub(super) struct Code {
    pub(super) bytes: Vec<u8>,
    pub(super) copied: Vec<Stretch>,
}

impl Code {
    pub(super) fn write(
        capsule: &[u8],
        facts: &Facts<'_>,
        added: &Added,
        plans: &[Plan],
        trace: bool,
    ) -> Result<Self, BinaryReaderError> {
        let (data, offset) = facts.code().unwrap_or((&[0], 0));
        let reader = CodeSectionReader::new(BinaryReader::new(data, offset))?;
        let mut code = Self {
            bytes: Vec::with_capacity(data.len() * 2),
            copied: Vec::new(),
        };
        (reader.count() + u32::from(added.grows)).encode(&mut code.bytes);
        let bodies = reader.into_iter().zip(facts.defined()).zip(plans);
        for (((body, &ty), plan), index) in bodies.zip(facts.functions_imported()..) {
            let (body, function) = (body?, &facts.types[ty as usize]);
            let params = function.params().len() as u32;
            let results = added.block(ty, function);
            let places = added.places.within(index);
            let written = emit(capsule, &body, plan, places, params, results, trace)?;
            code.push(&written.bytes, &written.copied);
        }
        if added.grows {
            code.push(&growing(added.places), &[]);
        }
        Ok(code)
    }

    fn push(&mut self, body: &[u8], copied: &[Stretch]) {
        (body.len() as u32).encode(&mut self.bytes);
        let at = self.bytes.len();
        self.bytes.extend_from_slice(body);
        let moved = copied.iter().map(|stretch| Stretch {
            at: at + stretch.at,
            ..*stretch
        });
        self.copied.extend(moved);
    }
}

/// The function that stands for `memory.grow`: the limit, the price, the growth.
fn growing(places: Places) -> Vec<u8> {
    const PAGES: u32 = 0;
    const FUEL: u32 = 1;
    let mut out = Vec::new();
    1_u32.encode(&mut out);
    1_u32.encode(&mut out);
    ValType::I64.encode(&mut out);
    let mut sink = InstructionSink::new(&mut out);
    sink.memory_size(0).i64_extend_i32_u();
    sink.local_get(PAGES).i64_extend_i32_u().i64_add();
    sink.global_get(places.pages).i64_gt_u();
    sink.if_(BlockType::Empty).i32_const(-1).return_().end();
    sink.global_get(places.fuel);
    sink.local_get(PAGES).i64_extend_i32_u();
    sink.i64_const(GROW_PAGE.into()).i64_mul().i64_sub();
    sink.local_tee(FUEL).global_set(places.fuel);
    sink.local_get(FUEL).i64_const(0).i64_lt_s();
    sink.if_(BlockType::Empty);
    leave(&mut sink, places.exit, Exit::OutOfFuel);
    sink.end();
    sink.local_get(PAGES).memory_grow(0).local_tee(PAGES);
    sink.i32_const(-1).i32_eq().if_(BlockType::Empty);
    leave(&mut sink, places.exit, Exit::MemoryRefused);
    sink.end().local_get(PAGES).end();
    out
}
