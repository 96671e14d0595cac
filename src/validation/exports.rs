//! What a module must and may export.
//!
//! Enters: a module whose sections have all been read. Leaves: its text encoding.
//! Refuses: a missing or mistyped `run` or `memory`, reserved names, imports exported again, and a
//! `capsule_text` that says neither 8 nor 16.

use wasmparser::{Export, ExternalKind, FuncType, ValType};

use super::TextEncoding;
use super::facts::{Constant, Facts};
use super::finding::{FindingCode, Findings, foreign};
use super::shape;

/// Names that begin so belong to the engine: metering adds exports of its own.
const RESERVED: &str = "tenzik:";

const REMEDY_RUN: &str = "export a function `run` that takes nothing and returns nothing or an i32";
const REMEDY_MEMORY: &str = "export the module's memory as `memory`";

/// Checks every export, and that none is missing.
pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings) -> TextEncoding {
    for (export, offset) in &facts.exports {
        let length = export.name.len() as u64;
        shape::check(findings, &shape::EXPORT_NAME_BYTES, length, *offset);
        reserved(findings, export, *offset);
        reexported(facts, findings, export, *offset);
    }
    run(facts, findings);
    memory(facts, findings);
    text(facts, findings)
}

/// Whether `run` gives back a code.
pub(super) fn run_returns_code(facts: &Facts<'_>) -> bool {
    find(facts, "run")
        .and_then(|(export, _)| facts.type_of_function(export.index))
        .is_some_and(|ty| !ty.results().is_empty())
}

fn find<'a>(facts: &Facts<'a>, name: &str) -> Option<(Export<'a>, usize)> {
    facts
        .exports
        .iter()
        .find(|(export, _)| export.name == name)
        .copied()
}

fn reserved(findings: &mut Findings, export: &Export<'_>, offset: usize) {
    if export.name.starts_with(RESERVED) {
        let remedy = "choose another name";
        findings.error(FindingCode::ExportReserved, offset, remedy, || {
            (
                foreign(export.name),
                "names that do not begin with `tenzik:`".into(),
            )
        });
    }
}

fn reexported(facts: &Facts<'_>, findings: &mut Findings, export: &Export<'_>, offset: usize) {
    let imported = match export.kind {
        ExternalKind::Func | ExternalKind::FuncExact => facts.imported.functions,
        ExternalKind::Global => facts.imported.globals,
        ExternalKind::Memory => facts.imported.memories,
        ExternalKind::Table => facts.imported.tables,
        ExternalKind::Tag => facts.imported.tags,
    };
    if export.index < imported {
        let remedy = "wrap it in a function of the module's own";
        findings.error(FindingCode::ReexportedImport, offset, remedy, || {
            (
                format!("import exported as {}", foreign(export.name)),
                "what is defined here".into(),
            )
        });
    }
}

fn run(facts: &Facts<'_>, findings: &mut Findings) {
    let allowed = || "function `run` of type () or () -> i32".to_string();
    let Some((export, offset)) = find(facts, "run") else {
        return findings.error(FindingCode::ExportMissing, None, REMEDY_RUN, || {
            ("no export `run`".into(), allowed())
        });
    };
    let is_function = matches!(export.kind, ExternalKind::Func | ExternalKind::FuncExact);
    let right = is_function && facts.type_of_function(export.index).is_none_or(is_run);
    if !right {
        findings.error(FindingCode::ExportType, offset, REMEDY_RUN, || {
            ("`run` of another kind or type".into(), allowed())
        });
    }
}

fn is_run(ty: &FuncType) -> bool {
    ty.params().is_empty() && matches!(ty.results(), [] | [ValType::I32])
}

fn memory(facts: &Facts<'_>, findings: &mut Findings) {
    let defined = facts.memories.len();
    if defined != 1 {
        let remedy = "define one memory in the module";
        findings.error(FindingCode::Memory, None, remedy, || {
            (format!("{defined} memories defined"), "exactly one".into())
        });
    }
    match find(facts, "memory") {
        None => findings.error(FindingCode::ExportMissing, None, REMEDY_MEMORY, || {
            ("no export `memory`".into(), "the module's memory".into())
        }),
        Some((export, offset)) if export.kind != ExternalKind::Memory => {
            findings.error(FindingCode::ExportType, offset, REMEDY_MEMORY, || {
                (
                    "`memory` of another kind".into(),
                    "the module's memory".into(),
                )
            });
        }
        Some(_) => {}
    }
}

fn text(facts: &Facts<'_>, findings: &mut Findings) -> TextEncoding {
    let Some((export, offset)) = find(facts, "capsule_text") else {
        return TextEncoding::Utf8;
    };
    match marker(facts, &export) {
        Some(Constant::I32(8)) => return TextEncoding::Utf8,
        Some(Constant::I32(16)) => return TextEncoding::Utf16,
        _ => {}
    }
    let remedy = "make it an immutable i32 global of constant value 8 or 16, or leave it out";
    findings.error(FindingCode::TextMarker, offset, remedy, || {
        (
            "`capsule_text` of another form".into(),
            "an immutable i32 global, 8 or 16".into(),
        )
    });
    TextEncoding::Utf8
}

fn marker(facts: &Facts<'_>, export: &Export<'_>) -> Option<Constant> {
    if export.kind != ExternalKind::Global {
        return None;
    }
    let index = export.index.checked_sub(facts.imported.globals)?;
    let global = facts.globals.get(index as usize)?;
    let right = !global.ty.mutable && global.ty.content_type == ValType::I32;
    right.then_some(global.value)
}
