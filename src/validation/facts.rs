//! What has been read of a module so far: types, index spaces, exports.
//!
//! Enters: section items, from `pass.rs`, in the order of the module.
//! Leaves: look-ups that answer for any index, because a module under examination may name any.
//! Refuses: nothing.

use wasmparser::{Export, FuncType, GlobalType, MemoryType};

use super::cost::Arity;
use crate::capability::HostFunction;

/// A constant that an initial value or a segment's offset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Constant {
    I32(i32),
    Other,
}

/// A global that the module defines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Global {
    pub(super) ty: GlobalType,
    pub(super) value: Constant,
}

/// How many of each kind are imported; they come first in their index spaces.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Imported {
    pub(super) functions: u32,
    pub(super) globals: u32,
    pub(super) memories: u32,
    pub(super) tables: u32,
    pub(super) tags: u32,
}

/// A module as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Facts<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether it may import what only an observer has.
    pub(super) for_debugging: bool,
    /// `None` is a type that is not of a function.
    pub(super) types: Vec<Option<FuncType>>,
    /// Each function's type, imported ones first.
    pub(super) functions: Vec<u32>,
    pub(super) imported: Imported,
    pub(super) host: Vec<HostFunction>,
    /// Memories that the module defines; none is right but one.
    pub(super) memories: Vec<MemoryType>,
    /// The initial size of each table that the module defines.
    pub(super) tables: Vec<u64>,
    pub(super) globals: Vec<Global>,
    pub(super) exports: Vec<(Export<'a>, usize)>,
    pub(super) start: Option<u32>,
    /// Bytes of active data segments and entries of active element segments.
    pub(super) segment_units: u64,
    pub(super) custom_bytes: u64,
    pub(super) custom_sections: u64,
    pub(super) element_entries: u64,
}

impl Facts<'_> {
    /// A type, if it is one of a function.
    pub(super) fn type_at(&self, index: u32) -> Option<&FuncType> {
        self.types.get(index as usize)?.as_ref()
    }

    /// A function's type.
    pub(super) fn type_of_function(&self, index: u32) -> Option<&FuncType> {
        self.type_at(*self.functions.get(index as usize)?)
    }

    pub(super) fn arity_of_type(&self, index: u32) -> Arity {
        self.type_at(index).map(arity).unwrap_or_default()
    }

    pub(super) fn arity_of_function(&self, index: u32) -> Arity {
        self.type_of_function(index).map(arity).unwrap_or_default()
    }

    /// The arity of the function that a body belongs to; bodies are counted from 0.
    pub(super) fn arity_of_defined(&self, body: u32) -> Arity {
        self.arity_of_function(self.imported.functions.saturating_add(body))
    }

    /// Functions that the module defines.
    pub(super) fn functions_defined(&self) -> usize {
        self.functions
            .len()
            .saturating_sub(self.imported.functions as usize)
    }

    /// The bytes of the initial memory, as far as there is one.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memories
            .first()
            .map_or(0, |memory| memory.initial.saturating_mul(65_536))
    }

    /// The slots of the initial table, as far as there is one.
    pub(super) fn table_slots(&self) -> u64 {
        self.tables.first().copied().unwrap_or(0)
    }
}

fn arity(ty: &FuncType) -> Arity {
    Arity {
        // The parser bounds both by 1,000.
        params: ty.params().len() as u32,
        results: ty.results().len() as u32,
    }
}
