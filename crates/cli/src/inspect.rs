//! `inspect`: what a capsule is and what it needs.
//!
//! Enters: a capsule. Leaves: id, size, imports with their grants, exports, memory, its author's manifest. Refuses: a module that is no
//! capsule, with the findings that `check` would give.

mod manifest;

use std::ffi::OsString;

use serde_json::{Value, json};
use tenzik::capability::{ABI, HostFunction};
use tenzik::limits::PAGE_BYTES;
use tenzik::validation::{TextEncoding, ValidatedCapsule};

use crate::args::Context;
use crate::check::{examine, names, needed, rejected};
use crate::error::Failure;
use crate::output::Reply;
use crate::source::Source;

use manifest::Manifest;

/// `inspect`, as it is written.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The capsule's file, or - for stdin
    capsule: OsString,
}

/// Shows a capsule.
pub(crate) fn inspect(args: &Args, context: &Context) -> Result<Reply, Failure> {
    match examine(args.capsule.clone(), context)? {
        Ok(capsule) => Ok(shown(&capsule, args)),
        Err(rejection) => Ok(rejected(&rejection)),
    }
}

fn shown(capsule: &ValidatedCapsule, args: &Args) -> Reply {
    let found = Manifest::find(capsule.bytes(), &Source::from(args.capsule.clone()));
    let (mut lines, mut members) = (lines(capsule), members(capsule));
    lines.extend(found.as_ref().map(Manifest::lines));
    members["manifest_from"] = json!(found.as_ref().map(|found| found.from));
    members["manifest"] = found.map_or(Value::Null, |found| found.content);
    Reply::new(lines, members)
}

fn lines(capsule: &ValidatedCapsule) -> String {
    let shape = capsule.shape();
    let mut lines = vec![
        line("id", capsule.id()),
        line("abi", ABI),
        line("bytes", capsule.bytes().len()),
        line(
            "custom",
            format!("{} bytes of custom sections", shape.custom_bytes),
        ),
        line("grants", needed(&capsule.required_grants())),
        line("text", text(capsule)),
        line("memory", memory(capsule)),
        line("table", format!("{} slots", capsule.table_slots())),
        line("functions", shape.functions),
        line("globals", shape.globals),
        line("types", shape.types),
        line(
            "start",
            if capsule.has_start() {
                "a start function"
            } else {
                "none"
            },
        ),
        line(
            "run",
            if capsule.run_returns_code() {
                "gives a code"
            } else {
                "gives nothing"
            },
        ),
    ];
    lines.extend(
        capsule
            .imports()
            .iter()
            .map(|import| line("import", imported(*import))),
    );
    lines.extend(
        capsule
            .exports()
            .iter()
            .map(|export| line("export", export)),
    );
    lines.concat()
}

fn line(name: &str, value: impl std::fmt::Display) -> String {
    format!("{name:<10} {value}\n")
}

fn memory(capsule: &ValidatedCapsule) -> String {
    let pages = capsule.memory_pages_min();
    let bytes = u64::from(pages) * PAGE_BYTES;
    match capsule.memory_pages_max() {
        Some(max) => format!("{} ({bytes} bytes) to {max}", page_count(pages)),
        None => format!(
            "{} ({bytes} bytes), no maximum of its own",
            page_count(pages)
        ),
    }
}

fn page_count(pages: u32) -> String {
    match pages {
        1 => "1 page".to_owned(),
        pages => format!("{pages} pages"),
    }
}

fn imported(function: HostFunction) -> String {
    let row = function.import();
    match row.capability {
        Some(capability) => format!("{}.{} needs {capability}", row.module, row.name),
        None => format!("{}.{}", row.module, row.name),
    }
}

fn text(capsule: &ValidatedCapsule) -> &'static str {
    match capsule.text() {
        TextEncoding::Utf16 => "utf-16",
        TextEncoding::Utf8 => "utf-8",
    }
}

fn members(capsule: &ValidatedCapsule) -> Value {
    let shape = capsule.shape();
    json!({
        "id": capsule.id().to_string(),
        "valid": true,
        "abi": ABI,
        "bytes": capsule.bytes().len(),
        "custom_bytes": shape.custom_bytes,
        "grants": names(&capsule.required_grants()),
        "text": text(capsule),
        "memory_pages_min": capsule.memory_pages_min(),
        "memory_pages_max": capsule.memory_pages_max(),
        "table_slots": capsule.table_slots(),
        "functions": shape.functions,
        "globals": shape.globals,
        "types": shape.types,
        "has_start": capsule.has_start(),
        "run_returns_code": capsule.run_returns_code(),
        "imports": capsule.imports().iter().map(|import| import_member(*import)).collect::<Vec<_>>(),
        "exports": capsule
            .exports()
            .iter()
            .map(|export| json!({"kind": export.kind, "name": export.name}))
            .collect::<Vec<_>>(),
    })
}

fn import_member(function: HostFunction) -> Value {
    let row = function.import();
    json!({
        "module": row.module,
        "name": row.name,
        "capability": row.capability.map(tenzik::capability::Capability::name),
    })
}
