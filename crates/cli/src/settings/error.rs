//! Why a configuration is not used.
//!
//! Enters: what [`layer`](super::layer) found. Leaves: a message with the place and a remedy. Refuses nothing.

use std::borrow::Cow;

use crate::error::{Exit, Explain};
use crate::source::SourceError;

/// Why a configuration is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file is not TOML.
    #[error("{place}, line {line}: {reason}")]
    Form {
        /// The file.
        place: String,
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// A project's file names a file that only the user may name.
    #[error("{place}: a project's file may not set `{key}`: its author would choose for you")]
    NotYours {
        /// The file.
        place: String,
        /// The key.
        key: &'static str,
        /// The variable that may set it.
        variable: String,
    },
    /// The file cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The key is not in the table.
    #[error("{place}: `{key}` is not a setting")]
    UnknownKey {
        /// The file.
        place: String,
        /// The key.
        key: String,
        /// The one that looks most like it.
        nearest: &'static str,
    },
    /// The value is of another kind or out of range.
    #[error("{place}: `{key}` is {got}; it must be {wanted}")]
    Value {
        /// The file or variable.
        place: String,
        /// The key.
        key: &'static str,
        /// What stands there.
        got: String,
        /// What must stand there.
        wanted: String,
    },
}

impl Explain for ConfigError {
    fn exit(&self) -> Exit {
        match self {
            Self::Source(error) => error.exit(),
            _ => Exit::Usage,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Source(error) => error.code(),
            _ => "config",
        }
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Form { place, line, .. } => {
                format!("mend line {line} of {place}; docs/cli.md has the settings").into()
            }
            Self::NotYours { variable, .. } => format!(
                "set it in your own file (`tenzik doctor` says where that is), or by {variable}"
            )
            .into(),
            Self::Source(error) => error.hint(),
            Self::UnknownKey { nearest, .. } => {
                format!("the nearest is `{nearest}`; docs/cli.md, \"Settings\", has all of them")
                    .into()
            }
            Self::Value { place, key, .. } if place.starts_with("TENZIK_") => {
                format!("unset {place}, or give it another value; it sets `{key}`").into()
            }
            Self::Value { place, key, .. } => {
                format!("mend `{key}` in {place}, or take it out: then it has its preset's value")
                    .into()
            }
        }
    }
}
