//! The rewriting of a module: its sections, one after the other.
//!
//! Enters: a valid capsule. Leaves: the module that counts, with the place of each stretch of code if it is asked for.
//! Refuses: nothing that validation accepted.
//!
//! Everything is added behind what is there, so no index changes its meaning.

use std::borrow::Cow;

use wasm_encoder::{
    BlockType, ConstExpr, Encode, ExportKind, GlobalSection, GlobalType, Module, RawSection,
    Section as _, SectionId, ValType,
};
use wasmparser::{
    BinaryReader, BinaryReaderError, FuncType, FunctionSectionReader, GlobalSectionReader,
    ImportSectionReader, Parser, TableSectionReader, TypeRef, TypeSectionReader,
};

use super::code::{Code, plans};
use super::emit::{Hooks, Places};
use super::observed::Stretch;
use super::{EXIT_EXPORT, FUEL_EXPORT, HOOKS_EXPORT, PAGES_EXPORT, STACK_EXPORT, START_EXPORT};
use crate::limits::STACK_UNITS_MAX;

/// What is known of the module when its code is reached.
#[derive(Default)]
pub(super) struct Facts<'a> {
    pub(super) types: Vec<FuncType>,
    pub(super) functions: Vec<u32>,
    functions_imported: u32,
    globals: u32,
    tables: u32,
    start: Option<u32>,
    sections: Vec<(u8, &'a [u8], usize)>,
}

/// What a module is rewritten for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be run, and to tell the host of each function.
    Observe,
    /// To be run.
    Run,
    /// To know what came from where.
    Trace,
}

/// A module that counts.
pub(super) struct Rewritten {
    pub(super) bytes: Vec<u8>,
    /// What was taken over, by its place in the code section's contents, in order; nothing where the purpose is to run.
    pub(super) copied: Vec<Stretch>,
}

/// The sections of a module in the order of the binary format. Custom sections and the start section are left out.
const ORDER: [SectionId; 11] = [
    SectionId::Type,
    SectionId::Import,
    SectionId::Function,
    SectionId::Table,
    SectionId::Memory,
    SectionId::Global,
    SectionId::Export,
    SectionId::Element,
    SectionId::DataCount,
    SectionId::Code,
    SectionId::Data,
];

pub(super) fn rewrite(capsule: &[u8], purpose: Purpose) -> Result<Rewritten, BinaryReaderError> {
    let facts = Facts::read(capsule)?;
    let plans = plans(capsule, &facts)?;
    let grows = plans.iter().any(|plan| plan.grows);
    let added = Added::of(&facts, grows, purpose == Purpose::Observe);
    let code = Code::write(capsule, &facts, &added, &plans, purpose != Purpose::Run)?;
    let mut module = Module::new();
    for id in ORDER {
        let data = facts.section(id);
        let changed = match id {
            SectionId::Type => added.types(data)?,
            SectionId::Function => added.functions(data)?,
            SectionId::Table => added.tables(data)?,
            SectionId::Global => added.globals(data)?,
            SectionId::Export => added.exports(data, facts.start)?,
            SectionId::Code => data.map(|_| Cow::Borrowed(&code.bytes[..])),
            _ => data.map(Cow::Borrowed),
        };
        if let Some(data) = changed {
            module.section(&RawSection {
                id: id as u8,
                data: &data,
            });
        }
    }
    Ok(Rewritten {
        bytes: module.finish(),
        copied: code.copied,
    })
}

impl<'a> Facts<'a> {
    /// A section's contents.
    fn section(&self, id: SectionId) -> Option<&'a [u8]> {
        let section = self.sections.iter().find(|(one, ..)| *one == id as u8);
        section.map(|(_, data, _)| *data)
    }

    pub(super) fn code(&self) -> Option<(&'a [u8], usize)> {
        let section = self
            .sections
            .iter()
            .find(|(one, ..)| *one == SectionId::Code as u8);
        section.map(|&(_, data, offset)| (data, offset))
    }

    /// The index of the first function that the module defines.
    pub(super) const fn functions_imported(&self) -> u32 {
        self.functions_imported
    }

    /// The type of each function that the module defines.
    pub(super) fn defined(&self) -> &[u32] {
        &self.functions[self.functions_imported as usize..]
    }

    fn read(capsule: &'a [u8]) -> Result<Self, BinaryReaderError> {
        let mut facts = Self::default();
        for payload in Parser::new(0).parse_all(capsule) {
            let payload = payload?;
            if let Some((id, range)) = payload.as_section() {
                facts.add(id, &capsule[range.clone()], range.start)?;
            }
        }
        Ok(facts)
    }

    fn add(&mut self, id: u8, data: &'a [u8], offset: usize) -> Result<(), BinaryReaderError> {
        let reader = BinaryReader::new(data, offset);
        match id {
            id if id == SectionId::Type as u8 => {
                for ty in TypeSectionReader::new(reader)?.into_iter_err_on_gc_types() {
                    self.types.push(ty?);
                }
            }
            id if id == SectionId::Import as u8 => {
                for import in ImportSectionReader::new(reader)?.into_imports() {
                    match import?.ty {
                        TypeRef::Func(ty) => {
                            self.functions.push(ty);
                            self.functions_imported += 1;
                        }
                        TypeRef::Global(_) => self.globals += 1,
                        TypeRef::Table(_) => self.tables += 1,
                        _ => {}
                    }
                }
            }
            id if id == SectionId::Function as u8 => {
                for ty in FunctionSectionReader::new(reader)? {
                    self.functions.push(ty?);
                }
            }
            id if id == SectionId::Table as u8 => {
                self.tables += TableSectionReader::new(reader)?.count();
            }
            id if id == SectionId::Global as u8 => {
                self.globals += GlobalSectionReader::new(reader)?.count();
            }
            id if id == SectionId::Start as u8 => {
                self.start = Some(BinaryReader::new(data, offset).read_var_u32()?);
            }
            _ => {}
        }
        self.sections.push((id, data, offset));
        Ok(())
    }
}

/// What comes behind what is there.
pub(super) struct Added {
    pub(super) places: Places,
    pub(super) grows: bool,
    grow_type: u32,
    /// For each type of a function with several results, that of the block around it.
    blocks: Vec<Option<u32>>,
    block_types: Vec<Vec<ValType>>,
}

impl Added {
    fn of(facts: &Facts<'_>, grows: bool, observed: bool) -> Self {
        let types = facts.types.len() as u32;
        let mut block_types = Vec::new();
        let blocks: Vec<_> = facts
            .types
            .iter()
            .map(|ty| {
                (ty.results().len() > 1).then(|| {
                    let results = ty.results().iter().copied();
                    block_types.push(results.map(super::emit::value_type).collect());
                    types + u32::from(grows) + block_types.len() as u32 - 1
                })
            })
            .collect();
        let hooks = observed.then(|| Hooks {
            table: facts.tables,
            ty: types + u32::from(grows) + block_types.len() as u32,
            function: 0,
        });
        Self {
            blocks,
            block_types,
            grows,
            grow_type: types,
            places: Places {
                fuel: facts.globals,
                stack: facts.globals + 1,
                exit: facts.globals + 2,
                pages: facts.globals + 3,
                grow: facts.functions.len() as u32,
                hooks,
            },
        }
    }

    /// The type of the block around the body of a function of this type.
    pub(super) fn block(&self, index: u32, ty: &FuncType) -> BlockType {
        match (self.blocks[index as usize], ty.results().first()) {
            (Some(block), _) => BlockType::FunctionType(block),
            (None, Some(&result)) => BlockType::Result(super::emit::value_type(result)),
            (None, None) => BlockType::Empty,
        }
    }

    fn types<'a>(&self, data: Option<&'a [u8]>) -> Changed<'a> {
        let mut added = Vec::new();
        if self.grows {
            function_type(&mut added, &[ValType::I32], &[ValType::I32]);
        }
        for results in &self.block_types {
            function_type(&mut added, &[], results);
        }
        if self.places.hooks.is_some() {
            function_type(&mut added, &[ValType::I32], &[]);
        }
        let count = u32::from(self.grows)
            + self.block_types.len() as u32
            + u32::from(self.places.hooks.is_some());
        extended(data, count, &added)
    }

    /// The table of the hooks, which the host fills.
    fn tables<'a>(&self, data: Option<&'a [u8]>) -> Changed<'a> {
        const FUNCREF: u8 = 0x70;
        // Its limits: no maximum, two slots.
        let count = u32::from(self.places.hooks.is_some());
        extended(data, count, &[FUNCREF, 0, 2])
    }

    fn functions<'a>(&self, data: Option<&'a [u8]>) -> Changed<'a> {
        let mut added = Vec::new();
        if self.grows {
            self.grow_type.encode(&mut added);
        }
        extended(data, self.grows.into(), &added)
    }

    /// The stack has its most from the start; the host sets less if a run has less.
    fn globals<'a>(&self, data: Option<&'a [u8]>) -> Changed<'a> {
        let mut section = GlobalSection::new();
        let mut global = |val_type, value: &ConstExpr| {
            let ty = GlobalType {
                val_type,
                mutable: true,
                shared: false,
            };
            section.global(ty, value);
        };
        global(ValType::I64, &ConstExpr::i64_const(0));
        global(ValType::I64, &ConstExpr::i64_const(STACK_UNITS_MAX.into()));
        global(ValType::I32, &ConstExpr::i32_const(0));
        if self.grows {
            global(ValType::I64, &ConstExpr::i64_const(0));
        }
        // The section's own bytes: id, size, then the count, which is one byte.
        let mut bytes = Vec::new();
        section.append_to(&mut bytes);
        let mut reader = BinaryReader::new(&bytes, 0);
        reader.read_u8()?;
        reader.read_var_u32()?;
        let count = reader.read_var_u32()?;
        let added = &bytes[reader.original_position()..];
        extended(data, count, added)
    }

    fn exports<'a>(&self, data: Option<&'a [u8]>, start: Option<u32>) -> Changed<'a> {
        let mut added = Vec::new();
        let mut count = 0;
        let mut export = |name: &str, kind: ExportKind, index: u32| {
            name.encode(&mut added);
            kind.encode(&mut added);
            index.encode(&mut added);
            count += 1;
        };
        export(FUEL_EXPORT, ExportKind::Global, self.places.fuel);
        export(STACK_EXPORT, ExportKind::Global, self.places.stack);
        export(EXIT_EXPORT, ExportKind::Global, self.places.exit);
        if self.grows {
            export(PAGES_EXPORT, ExportKind::Global, self.places.pages);
        }
        if let Some(hooks) = self.places.hooks {
            export(HOOKS_EXPORT, ExportKind::Table, hooks.table);
        }
        if let Some(start) = start {
            export(START_EXPORT, ExportKind::Func, start);
        }
        extended(data, count, &added)
    }
}

fn function_type(out: &mut Vec<u8>, params: &[ValType], results: &[ValType]) {
    const FUNCTION: u8 = 0x60;
    out.push(FUNCTION);
    params.encode(out);
    results.encode(out);
}

/// A section's contents with what was added; `None` is no section.
type Changed<'a> = Result<Option<Cow<'a, [u8]>>, BinaryReaderError>;

/// A section's contents with more items behind those that it has.
fn extended<'a>(data: Option<&'a [u8]>, count: u32, added: &[u8]) -> Changed<'a> {
    if count == 0 {
        return Ok(data.map(Cow::Borrowed));
    }
    let data = data.unwrap_or(&[0]);
    let mut reader = BinaryReader::new(data, 0);
    let all = reader.read_var_u32()? + count;
    let mut out = Vec::with_capacity(data.len() + added.len() + 2);
    all.encode(&mut out);
    out.extend_from_slice(&data[reader.original_position()..]);
    out.extend_from_slice(added);
    Ok(Some(Cow::Owned(out)))
}
