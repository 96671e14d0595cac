//! What validation has to say about a module: findings with a code, a place and a remedy.
//!
//! Enters: observations of the other files here, with names that a foreign module chose.
//! Leaves: [`Finding`]s in the order of their offsets, at most [`FINDINGS_MAX`] of them.
//! Refuses: to pass on foreign text as it is. Names are escaped and cut, so a report is safe to print.

use std::fmt;

/// How many findings a report lists. A module can be wrong in a million places; nobody reads them.
pub const FINDINGS_MAX: usize = 64;

/// How many characters of a foreign name a report shows.
const NAME_CHARS_MAX: usize = 48;

/// How many characters of the parser's own messages a report shows.
const MESSAGE_CHARS_MAX: usize = 200;

/// What kind of thing was found. The names are stable; receipts and scripts may rely on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FindingCode {
    /// The bytes are a component, not a core module.
    Component,
    /// An export called `run` or `memory` is missing.
    ExportMissing,
    /// An export's name is reserved for the engine.
    ExportReserved,
    /// A required export is of another kind or type.
    ExportType,
    /// The module needs a feature that is off.
    FeatureOff,
    /// A host function is imported with another signature.
    ImportSignature,
    /// An import that is not in the table.
    ImportUnknown,
    /// The bytes are not a valid WebAssembly module.
    InvalidModule,
    /// A count is above its limit.
    LimitExceeded,
    /// Not exactly one memory, or it is imported.
    Memory,
    /// What is imported is exported again.
    ReexportedImport,
    /// An active segment's offset is not a constant.
    SegmentOffset,
    /// An active segment does not fit the initial memory or table.
    SegmentRange,
    /// The module is larger than allowed.
    SizeLimit,
    /// The module is close to the size limit.
    SizeWarning,
    /// The start function is an import.
    StartImported,
    /// The table is not of functions.
    Table,
    /// The export `capsule_text` is of a form without a meaning.
    TextMarker,
}

impl FindingCode {
    /// The code as it stands in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::ExportMissing => "export_missing",
            Self::ExportReserved => "export_reserved",
            Self::ExportType => "export_type",
            Self::FeatureOff => "feature_off",
            Self::ImportSignature => "import_signature",
            Self::ImportUnknown => "import_unknown",
            Self::InvalidModule => "invalid_module",
            Self::LimitExceeded => "limit_exceeded",
            Self::Memory => "memory",
            Self::ReexportedImport => "reexported_import",
            Self::SegmentOffset => "segment_offset",
            Self::SegmentRange => "segment_range",
            Self::SizeLimit => "size_limit",
            Self::SizeWarning => "size_warning",
            Self::StartImported => "start_imported",
            Self::Table => "table",
            Self::TextMarker => "text_marker",
        }
    }
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a finding refuses the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The module is refused.
    Error,
    /// The module is accepted all the same.
    Warning,
}

/// One thing that is wrong, or nearly so.
///
/// Displayed as `import_unknown at 0x2c: found \`env.fetch\`; allowed: …; remedy: …`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing it is.
    pub code: FindingCode,
    /// Whether it refuses the module.
    pub severity: Severity,
    /// The byte of the module it is at; none where something is missing or the whole is meant.
    pub offset: Option<usize>,
    /// What the module has, foreign names escaped and cut.
    pub found: String,
    /// What it may have.
    pub allowed: String,
    /// What its author can do.
    pub remedy: &'static str,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.as_str())?;
        if let Some(offset) = self.offset {
            write!(f, " at {offset:#x}")?;
        }
        write!(
            f,
            ": found {}; allowed: {}; remedy: {}",
            self.found, self.allowed, self.remedy
        )
    }
}

/// Findings as they come in: the first [`FINDINGS_MAX`] are kept, the rest are counted.
#[derive(Debug, Default)]
pub(super) struct Findings {
    kept: Vec<Finding>,
    dropped: usize,
}

impl Findings {
    /// Takes note of something that refuses the module. The texts are made only if they are kept.
    pub(super) fn error(
        &mut self,
        code: FindingCode,
        offset: impl Into<Option<usize>>,
        remedy: &'static str,
        texts: impl FnOnce() -> (String, String),
    ) {
        if self.kept.len() >= FINDINGS_MAX {
            self.dropped += 1;
            return;
        }
        let (found, allowed) = texts();
        self.kept.push(Finding {
            code,
            severity: Severity::Error,
            offset: offset.into(),
            found,
            allowed,
            remedy,
        });
    }

    /// Whether nothing refuses the module.
    pub(super) fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The findings by offset, those about the whole module first, and how many more there were.
    pub(super) fn into_sorted(mut self) -> (Vec<Finding>, usize) {
        self.kept.sort_by_key(|finding| finding.offset);
        (self.kept, self.dropped)
    }
}

/// A foreign name in quotes, escaped and cut, so that it cannot fill or steer a terminal.
pub(super) fn foreign(name: &str) -> String {
    format!("`{}`", bounded(name, NAME_CHARS_MAX))
}

/// A parser's message, which may quote foreign text.
pub(super) fn message(text: &str) -> String {
    bounded(text, MESSAGE_CHARS_MAX)
}

fn bounded(text: &str, chars_max: usize) -> String {
    let mut short = String::new();
    let mut chars = text.chars();
    for char in chars.by_ref().take(chars_max) {
        match char {
            ' '..='~' if char != '`' || chars_max == MESSAGE_CHARS_MAX => short.push(char),
            _ => short.extend(char.escape_unicode()),
        }
    }
    if chars.next().is_some() {
        short.push_str("...");
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_names_are_cut_and_escaped() {
        assert_eq!(foreign("env.fetch"), "`env.fetch`");
        assert_eq!(foreign("a\u{1b}[2J`"), "`a\\u{1b}[2J\\u{60}`");
        assert_eq!(foreign("\u{202e}x"), "`\\u{202e}x`");
        assert_eq!(foreign(&"n".repeat(100_000)).len(), NAME_CHARS_MAX + 5);
    }

    #[test]
    fn findings_are_counted_beyond_the_bound_and_come_out_by_offset() {
        let mut findings = Findings::default();
        for offset in (0..FINDINGS_MAX + 6).rev() {
            findings.error(FindingCode::Memory, offset, "", Default::default);
        }
        let (kept, dropped) = findings.into_sorted();
        assert_eq!((kept.len(), dropped), (FINDINGS_MAX, 6));
        assert!(kept.is_sorted_by_key(|finding| finding.offset));
    }
}
