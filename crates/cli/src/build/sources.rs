//! Which sources a module is of, so that no module is tested in place of one that was never built.
//!
//! Enters: a folder, before it is compiled. Leaves: `NAME.sources.json` beside the module, the digests of the module and of each
//! file that goes into it; and later whether they are still those. Refuses: a record that is not of the form, and folders with
//! more sources than [`SOURCES_MAX`]. Times are not looked at: a checkout sets them in any order.
//!
//! A module without a record, or of another tool's making, is of no known source, and nothing is said of it.

mod closure;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tenzik_receipt::Blake3;

use super::tools;
use crate::capsule::Folder;
use crate::error::{Exit, Explain, Failure};
use crate::text;

/// What a source may be called in a record, and its digest.
type Digests = BTreeMap<String, String>;

/// The most files that go into a capsule; one of 5 KiB has a few.
const SOURCES_MAX: usize = 1_000;

/// The file beside a module. A digest is as receipts have it, `blake3:` and 64 hex digits.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    module: String,
    sources: Digests,
}

/// Why a module is not taken for one of the sources beside it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourcesError {
    /// A source is other than it was.
    #[error("{module} was built from other sources: {source_name} {what}")]
    Changed {
        /// The module.
        module: String,
        /// The first source that differs.
        source_name: String,
        /// How it differs.
        what: &'static str,
    },
    /// The record is not what a build leaves.
    #[error("{path} is not what a build leaves: {problem}")]
    Record {
        /// The record.
        path: String,
        /// What the reader says.
        problem: String,
    },
    /// There are more sources than are looked at.
    #[error("{path} has more than {allowed} sources")]
    TooMany {
        /// The folder.
        path: String,
        /// How many there may be.
        allowed: usize,
    },
}

impl Explain for SourcesError {
    fn exit(&self) -> Exit {
        match self {
            Self::TooMany { .. } => Exit::Usage,
            _ => Exit::NotFound,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Changed { .. } | Self::Record { .. } => "stale",
            Self::TooMany { .. } => "too_many_files",
        }
    }

    fn hint(&self) -> std::borrow::Cow<'static, str> {
        match self {
            Self::Changed { .. } | Self::Record { .. } => "build it again with `tenzik build`",
            Self::TooMany { .. } => "keep what is no source of this capsule elsewhere",
        }
        .into()
    }
}

/// The end of a record's name.
pub(super) const RECORD_END: &str = ".sources.json";

fn record_name(folder: &Folder) -> String {
    format!("{}{RECORD_END}", folder.name)
}

/// What the sources are now. To be called before they are compiled: what is saved meanwhile then differs from the record.
pub(super) fn digests(folder: &Folder) -> Result<Digests, Failure> {
    let (language, source) = tools::source(folder)?;
    closure::closure(folder, language, &source)
}

/// Leaves the record of a module that was just built.
pub(super) fn write(folder: &Folder, module: &[u8], sources: Digests) -> Result<(), Failure> {
    let record = Record {
        module: Blake3::of(module).to_string(),
        sources,
    };
    let text = serde_json::to_string_pretty(&record).expect("strings are JSON");
    folder.write(
        Path::new(&record_name(folder)),
        format!("{text}\n").as_bytes(),
    )
}

/// Whether the record says that the module is of the sources as they are. Without a record of it, it is not known to be.
pub(super) fn is_current(folder: &Folder, module: &[u8]) -> Result<bool, Failure> {
    match read(folder)?.filter(|record| record.is_of(module)) {
        Some(record) => Ok(record.sources == digests(folder)?),
        None => Ok(false),
    }
}

/// Fails where the module is of other sources than those beside it, as far as that is known.
pub(crate) fn not_stale(folder: &Folder, module: &[u8]) -> Result<(), Failure> {
    let Some(record) = read(folder)?.filter(|record| record.is_of(module)) else {
        return Ok(());
    };
    // A capsule may be handed on without its source.
    if tools::source(folder).is_err() {
        return Ok(());
    }
    match difference(&record.sources, &digests(folder)?) {
        None => Ok(()),
        Some((name, what)) => Err(SourcesError::Changed {
            module: text::path(&folder.module()),
            source_name: text::path(Path::new(name)),
            what,
        }
        .into()),
    }
}

impl Record {
    fn is_of(&self, module: &[u8]) -> bool {
        self.module == Blake3::of(module).to_string()
    }
}

fn read(folder: &Folder) -> Result<Option<Record>, Failure> {
    let name = record_name(folder);
    let Some(bytes) = folder.read(Path::new(&name))? else {
        return Ok(None);
    };
    let record = serde_json::from_slice(&bytes).map_err(|error| SourcesError::Record {
        path: text::path(&folder.path.join(&name)),
        problem: text::shown(&error.to_string(), text::MESSAGE_CHARS_MAX),
    })?;
    Ok(Some(record))
}

/// The first source that is not what it was, and how.
fn difference<'a>(then: &'a Digests, now: &'a Digests) -> Option<(&'a str, &'static str)> {
    let other = then.iter().find_map(|(name, digest)| match now.get(name) {
        Some(now) if now == digest => None,
        Some(_) => Some((name.as_str(), "has changed")),
        None => Some((name.as_str(), "goes into it no more")),
    });
    let new = || now.keys().find(|name| !then.contains_key(*name));
    other.or_else(|| Some((new()?.as_str(), "was not among them")))
}
