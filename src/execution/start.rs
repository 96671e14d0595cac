//! The start function as an export that the host calls.
//!
//! Enters: a valid capsule. Leaves: the same module, its start section replaced by an export of a reserved name.
//! Refuses: nothing that validation accepted.
//!
//! Engines differ in what a start section can see and in what they count around it. Called by the host, a start function
//! runs after the instance is whole and the fuel is set, and everything it uses is its own.

use std::borrow::Cow;

use wasm_encoder::{ExportKind, ExportSection, Module, RawSection, SectionId};
use wasmparser::{BinaryReader, ExportSectionReader, ExternalKind, Parser, Payload};

use crate::metering::START_EXPORT;

/// A module as it is compiled.
pub(super) struct Startable<'a> {
    /// The module, without a start section.
    pub(super) bytes: Cow<'a, [u8]>,
    /// How far its code lies behind that of the capsule, in bytes.
    pub(super) shift: i64,
}

/// Turns the start section, if there is one, into an export.
pub(super) fn startable(capsule: &[u8]) -> Result<Startable<'_>, wasmparser::BinaryReaderError> {
    let Some(function) = start_function(capsule)? else {
        return Ok(Startable {
            bytes: Cow::Borrowed(capsule),
            shift: 0,
        });
    };
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(capsule) {
        let Some((id, range)) = payload?.as_section() else {
            continue;
        };
        let data = &capsule[range.clone()];
        match id {
            id if id == SectionId::Start as u8 => {}
            id if id == SectionId::Export as u8 => {
                module.section(&exports(data, range.start, function)?);
            }
            id => {
                module.section(&RawSection { id, data });
            }
        }
    }
    let bytes = module.finish();
    let shift = code_offset(&bytes)? - code_offset(capsule)?;
    Ok(Startable {
        bytes: Cow::Owned(bytes),
        shift,
    })
}

fn start_function(module: &[u8]) -> Result<Option<u32>, wasmparser::BinaryReaderError> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::StartSection { func, .. } = payload? {
            return Ok(Some(func));
        }
    }
    Ok(None)
}

fn exports(
    data: &[u8],
    offset: usize,
    start: u32,
) -> Result<ExportSection, wasmparser::BinaryReaderError> {
    let mut section = ExportSection::new();
    for export in ExportSectionReader::new(BinaryReader::new(data, offset))? {
        let export = export?;
        let kind = match export.kind {
            ExternalKind::Table => ExportKind::Table,
            ExternalKind::Memory => ExportKind::Memory,
            ExternalKind::Global => ExportKind::Global,
            // Validation leaves no other kind.
            _ => ExportKind::Func,
        };
        section.export(export.name, kind, export.index);
    }
    section.export(START_EXPORT, ExportKind::Func, start);
    Ok(section)
}

/// Where the code section begins; 0 if there is none.
fn code_offset(module: &[u8]) -> Result<i64, wasmparser::BinaryReaderError> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::CodeSectionStart { range, .. } = payload? {
            // A module is in memory, so its offsets are below 2^63.
            return Ok(range.start as i64);
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_section_becomes_an_export_and_the_code_stays() {
        let capsule = wat::parse_str(
            r#"(module (memory (export "memory") 1) (global $g (mut i32) (i32.const 0))
              (func $init (global.set $g (i32.const 7))) (start $init) (func (export "run")))"#,
        )
        .expect("well formed");
        let module = startable(&capsule).expect("valid");
        wasmparser::validate(&module.bytes).expect("valid");
        assert_eq!(start_function(&module.bytes).expect("valid"), None);
        let code = code_offset(&capsule).expect("code") as usize;
        let moved = (code as i64 + module.shift) as usize;
        assert_eq!(capsule[code..], module.bytes[moved..]);
        let text = String::from_utf8_lossy(&module.bytes).into_owned();
        assert!(text.contains(START_EXPORT));
    }

    #[test]
    fn a_module_without_one_is_left_alone() {
        let capsule =
            wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "run")))"#)
                .expect("well formed");
        let module = startable(&capsule).expect("valid");
        assert_eq!((&module.bytes[..], module.shift), (&capsule[..], 0));
    }
}
