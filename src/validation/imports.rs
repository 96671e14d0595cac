//! What a module may import: functions of the table in `capability.rs`, with their exact types.
//!
//! Enters: the import section's items. Leaves: the host functions that the module names.
//! Refuses: every other name, kind and type, and says which name is nearest.

use wasmparser::{FuncType, Import, TypeRef, ValType};

use super::facts::Facts;
use super::finding::{FindingCode, Findings, foreign};
use crate::capability::{HostFunction, IMPORTS, NumberType};
use crate::observation::TRACE;

/// How far a name may be from the nearest known one to be worth a mention.
const NEAR: usize = 6;

/// Names beyond this many bytes are not compared: no host function's name is half as long.
const COMPARED_BYTES_MAX: usize = 40;

/// Looks at one import, and takes note of what it brings into the index spaces.
pub(super) fn check(
    facts: &mut Facts<'_>,
    findings: &mut Findings,
    import: &Import<'_>,
    offset: usize,
) {
    let code = match import.ty {
        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
            facts.functions.push(ty);
            facts.imported.functions += 1;
            return function(facts, findings, import, ty, offset);
        }
        TypeRef::Global(_) => {
            facts.imported.globals += 1;
            FindingCode::ImportUnknown
        }
        TypeRef::Memory(_) => {
            facts.imported.memories += 1;
            FindingCode::Memory
        }
        TypeRef::Table(_) => {
            facts.imported.tables += 1;
            FindingCode::Table
        }
        TypeRef::Tag(_) => {
            facts.imported.tags += 1;
            FindingCode::ImportUnknown
        }
    };
    let remedy = "define it in the module; toolchains have an option for memory and table imports";
    findings.error(code, offset, remedy, || {
        (
            format!("{} imported as {}", kind(import.ty), path(import)),
            "functions only".into(),
        )
    });
}

fn function(
    facts: &mut Facts<'_>,
    findings: &mut Findings,
    import: &Import<'_>,
    ty: u32,
    offset: usize,
) {
    if (import.module, import.name) == TRACE {
        return trace(facts, findings, ty, offset);
    }
    let Some(host) = HostFunction::find(import.module, import.name) else {
        let remedy = "use a host function of docs/abi.md, or carry the code in the capsule";
        return findings.error(FindingCode::ImportUnknown, offset, remedy, || {
            (format!("function {}", path(import)), nearest(import))
        });
    };
    if let Some(found) = facts.type_at(ty).filter(|found| !same(found, host)) {
        let remedy = "declare the import with the type of docs/abi.md";
        findings.error(FindingCode::ImportSignature, offset, remedy, || {
            (
                format!("{} {}", path(import), signature_found(found)),
                signature_allowed(host),
            )
        });
    }
    if !facts.host.contains(&host) {
        facts.host.push(host);
    }
}

/// `trace` of AssemblyScript: a message, how many of the numbers count, the numbers.
fn trace(facts: &Facts<'_>, findings: &mut Findings, ty: u32, offset: usize) {
    let fits = |ty: &FuncType| ty.params() == TRACE_PARAMS && ty.results().is_empty();
    if facts.for_debugging && facts.type_at(ty).is_some_and(fits) {
        return;
    }
    let remedy = "take its calls of `trace` out, or run it with `tenzik run --debug DIR`, which makes no receipt";
    findings.error(FindingCode::ImportUnknown, offset, remedy, || {
        let found = "function env.trace: the module is built for debugging".to_owned();
        (found, "the imports of docs/abi.md".into())
    });
}

const TRACE_PARAMS: [ValType; 7] = {
    const NUMBER: ValType = ValType::F64;
    [
        ValType::I32,
        ValType::I32,
        NUMBER,
        NUMBER,
        NUMBER,
        NUMBER,
        NUMBER,
    ]
};

const fn kind(ty: TypeRef) -> &'static str {
    match ty {
        TypeRef::Func(_) | TypeRef::FuncExact(_) => "function",
        TypeRef::Global(_) => "global",
        TypeRef::Memory(_) => "memory",
        TypeRef::Table(_) => "table",
        TypeRef::Tag(_) => "tag",
    }
}

fn path(import: &Import<'_>) -> String {
    format!("{}.{}", foreign(import.module), foreign(import.name))
}

fn val(ty: NumberType) -> ValType {
    match ty {
        NumberType::F64 => ValType::F64,
        NumberType::I32 => ValType::I32,
        NumberType::I64 => ValType::I64,
    }
}

fn same(found: &FuncType, host: HostFunction) -> bool {
    let row = host.import();
    found
        .params()
        .iter()
        .copied()
        .eq(row.params.iter().copied().map(val))
        && found.results().iter().copied().eq(row.result.map(val))
}

/// A signature in the notation of docs/abi.md, cut after eight of each, as foreign ones can be long.
fn signature_found(ty: &FuncType) -> String {
    let list = |types: &[ValType]| {
        let mut names = types
            .iter()
            .take(8)
            .map(ToString::to_string)
            .collect::<Vec<_>>();
        if types.len() > names.len() {
            names.push("...".into());
        }
        names.join(", ")
    };
    match ty.results() {
        [] => format!("({})", list(ty.params())),
        results => format!("({}) -> {}", list(ty.params()), list(results)),
    }
}

fn signature_allowed(host: HostFunction) -> String {
    let row = host.import();
    let params = row.params.iter().map(|ty| ty.name()).collect::<Vec<_>>();
    let result = row.result.map(|ty| format!(" -> {}", ty.name()));
    format!("({}){}", params.join(", "), result.unwrap_or_default())
}

/// Names the import that was probably meant.
fn nearest(import: &Import<'_>) -> String {
    if import.name.len() > COMPARED_BYTES_MAX {
        return "the imports of docs/abi.md".into();
    }
    let near = IMPORTS
        .iter()
        .map(|row| (distance(import.name.as_bytes(), row.name.as_bytes()), row))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, row)| *distance <= NEAR.min(row.name.len() / 2));
    match near {
        Some((_, row)) => format!(
            "the imports of docs/abi.md; nearest: `{}.{}` {}",
            row.module,
            row.name,
            signature_allowed(row.function)
        ),
        None => "the imports of docs/abi.md".into(),
    }
}

/// Levenshtein's distance, a row at a time.
fn distance(left: &[u8], right: &[u8]) -> usize {
    let mut row = (0..=right.len()).collect::<Vec<_>>();
    for (above, l) in left.iter().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (at, r) in right.iter().enumerate() {
            let change = diagonal + usize::from(l != r);
            diagonal = row[at + 1];
            row[at + 1] = change.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_edits() {
        assert_eq!(distance(b"kitten", b"sitting"), 3);
        assert_eq!(distance(b"", b"abc"), 3);
        assert_eq!(distance(b"hash_commit", b"hash_commit"), 0);
    }

    #[test]
    fn signatures_are_written_as_the_abi_has_them() {
        assert_eq!(signature_allowed(HostFunction::InputLen), "() -> i32");
        assert_eq!(signature_allowed(HostFunction::OutputWrite), "(i32, i32)");
        let long = FuncType::new([ValType::F32; 20], [ValType::I64]);
        assert_eq!(
            signature_found(&long),
            "(f32, f32, f32, f32, f32, f32, f32, f32, ...) -> i64"
        );
    }
}
