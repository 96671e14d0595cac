//! The table of configuration keys: name, kind, and where its value lives.
//!
//! Enters: values that [`layer`](super::layer) has read. Leaves: [`KEYS`]; a key that is not there does not exist.
//! Refuses: nothing here; each kind's range stands in the table and is held by the reader.

use std::path::PathBuf;

use serde_json::{Value as Json, json};
use tenzik::capability::Grants;

use super::{Preset, Settings};

/// A value, read and in range.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Yes or no.
    Flag(bool),
    /// Capabilities.
    Grants(Grants),
    /// A whole number.
    Number(u64),
    /// A file or a directory.
    Path(PathBuf),
    /// A preset.
    Preset(Preset),
}

/// What a key's value must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// A directory, or none. A project's file may not set it.
    Directory,
    /// A program; without it, the one that the system has. A project's file may not set it.
    Executable,
    /// `true` or `false`.
    Flag,
    /// A list of capabilities.
    Grants,
    /// A whole number from 1 to this.
    Number(u64),
    /// A file; without it, the user's own. A project's file may not set it.
    Path,
    /// The name of a preset.
    Preset,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its name, with the names of its tables.
    pub(crate) name: &'static str,
    /// What its value must be.
    pub(crate) kind: Kind,
    /// Puts a value of that kind where it belongs.
    pub(crate) set: fn(&mut Settings, Value),
    /// The value in force.
    pub(crate) get: fn(&Settings) -> Json,
}

impl Kind {
    /// Whether only the user may set it: whoever wrote a project would choose whom the user trusts, or what code he runs.
    pub(crate) const fn is_users(self) -> bool {
        matches!(self, Self::Directory | Self::Executable | Self::Path)
    }
}

impl Key {
    /// The variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("TENZIK_{}", self.name.replace('.', "_").to_uppercase())
    }
}

macro_rules! key {
    ($name:literal, $kind:expr, $variant:ident, $($member:ident).+, $get:expr) => {
        Key {
            name: $name,
            kind: $kind,
            set: |settings, value| {
                if let Value::$variant(value) = value {
                    settings.$($member).+ = value.into();
                }
            },
            get: |settings| $get(&settings.$($member).+),
        }
    };
}

macro_rules! number {
    ($name:literal, $max:expr, $($member:ident).+) => {
        Key {
            name: $name,
            kind: Kind::Number($max),
            set: |settings, value| {
                if let Value::Number(value) = value {
                    // The reader has held it against the maximum, which fits.
                    settings.$($member).+ = value.try_into().unwrap_or_default();
                }
            },
            get: |settings| json!(settings.$($member).+),
        }
    };
}

/// Fuel stays below 2^53, so that every JSON reader holds it exactly.
const FUEL_MAX: u64 = (1 << 53) - 1;
/// All that a 32-bit memory can have.
const PAGES_MAX: u64 = 65_536;
/// What a replay takes, too.
const CAPSULE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// What this program reads of an input.
const INPUT_BYTES_MAX: u64 = crate::source::INPUT.bytes_max;
const COUNT_MAX: u64 = u32::MAX as u64;

/// Every key, by name.
pub(crate) const KEYS: &[Key] = &[
    key!("code_dir", Kind::Directory, Path, runtime.code_dir, path),
    key!("key", Kind::Path, Path, key, path),
    number!("limits.fuel", FUEL_MAX, runtime.limits.fuel),
    number!("limits.host_calls", COUNT_MAX, runtime.limits.host_calls),
    number!(
        "limits.memory_pages",
        PAGES_MAX,
        runtime.limits.memory_pages
    ),
    number!(
        "limits.output_bytes",
        COUNT_MAX,
        runtime.limits.output_bytes
    ),
    number!("limits.time_ms", COUNT_MAX, runtime.limits.time_ms),
    key!("preset", Kind::Preset, Preset, preset, preset),
    key!("runtimes.bun", Kind::Executable, Path, runtimes.bun, path),
    key!("runtimes.deno", Kind::Executable, Path, runtimes.deno, path),
    key!("runtimes.node", Kind::Executable, Path, runtimes.node, path),
    key!(
        "security.allowed_capabilities",
        Kind::Grants,
        Grants,
        security.allowed_capabilities,
        names
    ),
    number!(
        "security.capsule_bytes_max",
        CAPSULE_BYTES_MAX,
        security.capsule_bytes_max
    ),
    key!(
        "security.enable_debugging",
        Kind::Flag,
        Flag,
        security.enable_debugging,
        flag
    ),
    number!(
        "security.input_bytes_max",
        INPUT_BYTES_MAX,
        security.input_bytes_max
    ),
    number!(
        "security.limits_max.fuel",
        FUEL_MAX,
        security.limits_max.fuel
    ),
    number!(
        "security.limits_max.host_calls",
        COUNT_MAX,
        security.limits_max.host_calls
    ),
    number!(
        "security.limits_max.memory_pages",
        PAGES_MAX,
        security.limits_max.memory_pages
    ),
    number!(
        "security.limits_max.output_bytes",
        COUNT_MAX,
        security.limits_max.output_bytes
    ),
    number!(
        "security.limits_max.time_ms",
        COUNT_MAX,
        security.limits_max.time_ms
    ),
    key!("trust", Kind::Path, Path, trust, path),
];

fn path(path: &Option<PathBuf>) -> Json {
    match path {
        Some(path) => json!(crate::text::path(path)),
        None => Json::Null,
    }
}

fn preset(preset: &Preset) -> Json {
    json!(preset.name())
}

fn names(grants: &Grants) -> Json {
    grants.iter().map(|grant| json!(grant.name())).collect()
}

fn flag(flag: &bool) -> Json {
    json!(flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_and_each_number_reaches_its_maximum() {
        assert!(KEYS.windows(2).all(|pair| pair[0].name < pair[1].name));
        let mut settings = super::super::resolve(Vec::new());
        for key in KEYS {
            if let Kind::Number(max) = key.kind {
                (key.set)(&mut settings, Value::Number(max));
                assert_eq!((key.get)(&settings), json!(max), "{}", key.name);
            }
        }
    }
}
