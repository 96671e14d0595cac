//! The first stage: bytes become a [`ValidatedCapsule`], or a [`Rejection`] that says everything.
//!
//! Enters: bytes of any kind and length, and a [`ValidationConfig`].
//! Leaves: a capsule that obeys `docs/abi.md`, with what the later stages need to know of it.
//! Refuses: all that the ABI refuses, and modules that cost more to compile than honest ones of
//! their size. It never compiles, never runs, and does not know which engine will.
//!
//! - `pass.rs` reads the module once, `code.rs` its function bodies;
//! - `imports.rs`, `exports.rs`, `segments.rs` and `features.rs` hold the rules of the ABI;
//! - `shape.rs` holds the limits on counts, `cost.rs` the estimate of the compile time;
//! - `finding.rs` is how it is told.

mod code;
mod cost;
mod exports;
mod facts;
mod features;
mod finding;
mod imports;
mod pass;
mod segments;
mod shape;

use std::fmt;
use std::sync::Arc;

use tenzik_receipt::Blake3;
use wasmparser::ExternalKind;

use crate::capability::{Grants, HostFunction};
use facts::Facts;
use pass::Examined;

pub use cost::{COMPILE_COST, COMPILE_WEIGHTS};
pub use features::FEATURES;
pub use finding::{FINDINGS_MAX, Finding, FindingCode, Severity};
pub use shape::{
    COMPILE_COST_BYTES_MIN, COMPILE_COST_PER_BYTE, COUNT_LIMITS, CountLimit, compile_cost_max,
};

/// A module that is too large is still read for its other faults up to this size. Beyond it only
/// its id is computed.
const EXAMINED_BYTES_MAX: usize = 1024 * 1024;

/// What validation can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidationConfig {
    /// The largest module that is accepted, in bytes. By default 5,120; 0 accepts nothing. From 80%
    /// of it on, a capsule carries a warning.
    pub capsule_bytes_max: u32,
}

impl Default for ValidationConfig {
    fn default() -> Self {
        Self {
            capsule_bytes_max: 5 * 1024,
        }
    }
}

/// Which text a capsule reads and writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum TextEncoding {
    /// UTF-16, little-endian: the module exports `capsule_text` of value 16.
    Utf16,
    /// UTF-8.
    #[default]
    Utf8,
}

/// How large a module is in every way that matters; `inspect` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shape {
    /// The estimate that is bounded by [`compile_cost_max`].
    pub compile_cost: u64,
    /// Bytes of custom sections.
    pub custom_bytes: u64,
    /// Functions that the module defines.
    pub functions: usize,
    /// Globals that the module defines.
    pub globals: usize,
    /// Types.
    pub types: usize,
}

/// A module's export, for showing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportEntry {
    /// `function`, `global`, `memory` or `table`.
    pub kind: &'static str,
    /// Its name as the module has it. Display the entry instead to have it escaped and cut.
    pub name: Box<str>,
}

impl fmt::Display for ExportEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, finding::foreign(&self.name))
    }
}

/// A module that obeys the ABI. Only [`validate`] makes one; a clone is a pointer.
#[derive(Clone)]
pub struct ValidatedCapsule(Arc<Inner>);

struct Inner {
    bytes: Arc<[u8]>,
    id: Blake3,
    exports: Vec<ExportEntry>,
    has_start: bool,
    imports: Vec<HostFunction>,
    memory_pages: (u32, Option<u32>),
    run_returns_code: bool,
    segment_units: u64,
    shape: Shape,
    table_slots: u32,
    text: TextEncoding,
    warnings: Vec<Finding>,
}

impl ValidatedCapsule {
    /// The module, byte for byte as it came.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.0.bytes
    }

    /// The capsule id: the BLAKE3 of the bytes.
    pub fn id(&self) -> Blake3 {
        self.0.id
    }

    /// The host functions that it imports, by name, each once.
    pub fn imports(&self) -> &[HostFunction] {
        &self.0.imports
    }

    /// The capabilities that its imports need.
    pub fn required_grants(&self) -> Grants {
        let imports = self.0.imports.iter();
        imports
            .filter_map(|function| function.import().capability)
            .collect()
    }

    /// Which text it reads and writes.
    pub fn text(&self) -> TextEncoding {
        self.0.text
    }

    /// The pages that its memory has at the start.
    pub fn memory_pages_min(&self) -> u32 {
        self.0.memory_pages.0
    }

    /// The pages that its memory may grow to by its own declaration.
    pub fn memory_pages_max(&self) -> Option<u32> {
        self.0.memory_pages.1
    }

    /// The slots that its table has at the start; 0 if it has none.
    pub fn table_slots(&self) -> u32 {
        self.0.table_slots
    }

    /// Bytes of active data segments and entries of active element segments: what each start copies.
    pub fn segment_units(&self) -> u64 {
        self.0.segment_units
    }

    /// Whether it has a start function.
    pub fn has_start(&self) -> bool {
        self.0.has_start
    }

    /// Whether `run` gives back a code.
    pub fn run_returns_code(&self) -> bool {
        self.0.run_returns_code
    }

    /// What it exports, in the module's order.
    pub fn exports(&self) -> &[ExportEntry] {
        &self.0.exports
    }

    /// Its counts.
    pub fn shape(&self) -> Shape {
        self.0.shape
    }

    /// What is not wrong, but nearly.
    pub fn warnings(&self) -> &[Finding] {
        &self.0.warnings
    }
}

impl fmt::Debug for ValidatedCapsule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValidatedCapsule")
            .field("id", &format_args!("{}", self.0.id))
            .field("bytes", &self.0.bytes.len())
            .field("imports", &self.0.imports)
            .finish_non_exhaustive()
    }
}

/// A module that is no capsule, and everything that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The BLAKE3 of the bytes.
    pub id: Blake3,
    /// How many bytes there were.
    pub bytes: usize,
    /// What is wrong, by offset, at most [`FINDINGS_MAX`]; never empty.
    pub findings: Vec<Finding>,
    /// How many findings there were beyond those.
    pub findings_more: usize,
}

impl Rejection {
    /// The code of the first finding.
    pub fn code(&self) -> &'static str {
        // There always is one; a rejection without any would be ours to mend.
        self.findings
            .first()
            .map_or("invalid_module", |finding| finding.code.as_str())
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "module {} is not a capsule", self.id)?;
        if let Some(first) = self.findings.first() {
            write!(f, ": {first}")?;
        }
        match self.findings.len().saturating_sub(1) + self.findings_more {
            0 => Ok(()),
            more => write!(f, " (and {more} more)"),
        }
    }
}

impl std::error::Error for Rejection {}

/// Checks a module against the ABI, without compiling it.
///
/// # Errors
///
/// Gives a [`Rejection`] with all that is wrong. Where the bytes cannot be parsed to the end, what
/// stands behind that place is not judged.
pub fn validate(
    bytes: impl Into<Arc<[u8]>>,
    config: &ValidationConfig,
) -> Result<ValidatedCapsule, Rejection> {
    check(bytes.into(), config, Purpose::Run)
}

/// The same without a bound on the compile cost, whose tables change: what once was accepted under others can be run again.
pub(crate) fn validate_at_any_cost(
    bytes: impl Into<Arc<[u8]>>,
    config: &ValidationConfig,
) -> Result<ValidatedCapsule, Rejection> {
    check(bytes.into(), config, Purpose::Again)
}

/// The same for a module that is run to be looked at, and gets no receipt: it may import `env.trace`. No engine but the
/// observer's links what comes out of this.
pub(crate) fn validate_for_debugging(
    bytes: impl Into<Arc<[u8]>>,
    config: &ValidationConfig,
) -> Result<ValidatedCapsule, Rejection> {
    check(bytes.into(), config, Purpose::Debugging)
}

/// What a module is examined for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// To be run again, by whatever tables it was accepted.
    Again,
    /// To be looked at.
    Debugging,
    /// To be run.
    Run,
}

fn check(
    bytes: Arc<[u8]>,
    config: &ValidationConfig,
    purpose: Purpose,
) -> Result<ValidatedCapsule, Rejection> {
    let id = Blake3::of(&bytes);
    let limit = config.capsule_bytes_max as usize;
    if bytes.len() > limit.max(EXAMINED_BYTES_MAX) {
        let mut findings = finding::Findings::default();
        too_large(&mut findings, bytes.len(), limit);
        return Err(rejection(id, bytes.len(), findings));
    }
    let mut examined = pass::examine(&bytes, purpose == Purpose::Debugging);
    if purpose != Purpose::Again {
        shape::check_cost(&mut examined.findings, examined.compile_cost, bytes.len());
    }
    if bytes.len() > limit {
        too_large(&mut examined.findings, bytes.len(), limit);
    }
    let text = if examined.complete {
        exports::check(&examined.facts, &mut examined.findings)
    } else {
        TextEncoding::Utf8
    };
    if !examined.findings.is_empty() {
        return Err(rejection(id, bytes.len(), examined.findings));
    }
    let inner = accepted(bytes.clone(), id, &examined, text, limit);
    Ok(ValidatedCapsule(Arc::new(inner)))
}

fn accepted(
    bytes: Arc<[u8]>,
    id: Blake3,
    examined: &Examined<'_>,
    text: TextEncoding,
    limit: usize,
) -> Inner {
    let facts = &examined.facts;
    let mut imports = facts.host.clone();
    imports.sort_unstable_by_key(|function| function.import().name);
    // The validator bounds memories to 65,536 pages, and `shape.rs` tables to less.
    let pages = |pages: u64| u32::try_from(pages).unwrap_or(u32::MAX);
    let memory = facts.memories.first();
    Inner {
        id,
        exports: facts
            .exports
            .iter()
            .map(|(export, _)| entry(export))
            .collect(),
        has_start: facts.start.is_some(),
        imports,
        memory_pages: (
            memory.map_or(0, |memory| pages(memory.initial)),
            memory.and_then(|memory| memory.maximum).map(pages),
        ),
        run_returns_code: exports::run_returns_code(facts),
        segment_units: facts.segment_units,
        shape: shape_of(facts, examined.compile_cost),
        table_slots: pages(facts.table_slots()),
        text,
        warnings: size_warning(bytes.len(), limit),
        bytes,
    }
}

fn shape_of(facts: &Facts<'_>, compile_cost: u64) -> Shape {
    Shape {
        compile_cost,
        custom_bytes: facts.custom_bytes,
        functions: facts.functions_defined(),
        globals: facts.globals.len(),
        types: facts.types.len(),
    }
}

fn entry(export: &wasmparser::Export<'_>) -> ExportEntry {
    let kind = match export.kind {
        ExternalKind::Func | ExternalKind::FuncExact => "function",
        ExternalKind::Global => "global",
        ExternalKind::Memory => "memory",
        ExternalKind::Table => "table",
        ExternalKind::Tag => "tag",
    };
    ExportEntry {
        kind,
        name: export.name.into(),
    }
}

fn rejection(id: Blake3, bytes: usize, findings: finding::Findings) -> Rejection {
    let (findings, findings_more) = findings.into_sorted();
    Rejection {
        id,
        bytes,
        findings,
        findings_more,
    }
}

const REMEDY_SIZE: &str = "optimise for size, strip names, or raise `capsule_bytes_max`";

fn too_large(findings: &mut finding::Findings, bytes: usize, limit: usize) {
    findings.error(FindingCode::SizeLimit, None, REMEDY_SIZE, || {
        (format!("{bytes} bytes"), format!("at most {limit} bytes"))
    });
}

fn size_warning(bytes: usize, limit: usize) -> Vec<Finding> {
    if (bytes as u64) * 5 < (limit as u64) * 4 {
        return Vec::new();
    }
    vec![Finding {
        code: FindingCode::SizeWarning,
        severity: Severity::Warning,
        offset: None,
        found: format!("{bytes} bytes, 80% of the limit or more"),
        allowed: format!("at most {limit} bytes"),
        remedy: REMEDY_SIZE,
    }]
}
