//! What is wrong with a configuration: all of it at once.
//!
//! Enters: findings. Leaves: a list that has at least one. Refuses nothing.

use std::fmt;

use super::config::Runtime;

/// How many characters of a configuration's own text are shown.
const SHOWN_CHARS_MAX: usize = 64;

/// One thing that is wrong with a configuration. Texts are shown in part.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Finding {
    /// The pauses between starts do not grow from more than nothing to the longest.
    #[error("backoff: {initial_ms} ms at first must be 1 or more, and {max_ms} ms at most no less")]
    Backoff {
        /// The first pause.
        initial_ms: u128,
        /// The longest.
        max_ms: u128,
    },
    /// A runtime that has no bound on its heap, or one that is too small for it to start.
    #[error("heap_bytes_max: {} has no heap of {bytes} bytes; {allowed}", runtime.name())]
    Heap {
        /// The runtime.
        runtime: Runtime,
        /// What was asked for.
        bytes: u64,
        /// What it can have.
        allowed: &'static str,
    },
    /// An option that is not on the runtime's list.
    #[error("options: {option:?} is not on the list for {}", runtime.name())]
    Option {
        /// The option.
        option: String,
        /// The runtime.
        runtime: Runtime,
    },
    /// A permission that no runtime has, or that is not of its form.
    #[error("permissions: {value:?} is no value for {permission}: {allowed}")]
    Permission {
        /// Such as `read`.
        permission: &'static str,
        /// What was asked for.
        value: String,
        /// What it can be.
        allowed: &'static str,
    },
    /// A permission that the runtime cannot give, or could not keep within its bound.
    #[error("permissions: {permission} cannot be had with {}: {reason}", runtime.name())]
    PermissionUnsupported {
        /// Such as `net`.
        permission: &'static str,
        /// The runtime.
        runtime: Runtime,
        /// Why not.
        reason: &'static str,
    },
    /// A sandbox that cannot be made, whatever runs in it.
    #[error("sandbox: {reason}")]
    Sandbox {
        /// Why not.
        reason: String,
    },
    /// No time at all.
    #[error("timeout_max: it must be 1 ms or more")]
    Timeout,
    /// A variable that would change what the runtime is, or that has no plain name.
    #[error("environment: {name:?} {reason}")]
    Variable {
        /// The variable's name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// A mode with which the worker's file could not be read, or could be changed.
    #[error(
        "worker_file_mode: {mode:o} must let its owner read, in a sandbox everybody, and nobody else write"
    )]
    WorkerFileMode {
        /// The mode.
        mode: u32,
    },
}

/// Everything that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    findings: Vec<Finding>,
}

impl ConfigError {
    /// An error, if there is a finding.
    pub(super) fn of(findings: Vec<Finding>) -> Result<(), Self> {
        match findings.is_empty() {
            true => Ok(()),
            false => Err(Self { findings }),
        }
    }

    /// Each finding; there is at least one.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.findings.iter().enumerate() {
            let between = if index == 0 { "" } else { "; " };
            write!(f, "{between}{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// A configuration's text, in part.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}
