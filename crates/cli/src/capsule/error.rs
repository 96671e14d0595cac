//! Why a capsule's folder is not what it should be.
//!
//! Enters: what was found. Leaves: words, an exit code, a remedy. Refuses nothing.

use std::borrow::Cow;

use crate::error::{Exit, Explain};

/// What is wrong with a folder.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// A run of the description cannot be meant.
    #[error("{path}, {run}: {problem}")]
    Case {
        /// The description.
        path: String,
        /// The run's name.
        run: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The description was written meanwhile.
    #[error("{path} was changed while its runs were tried: nothing is written")]
    Changed {
        /// The description.
        path: String,
    },
    /// The description is not of the form.
    #[error("{path}: {problem}")]
    Form {
        /// The description.
        path: String,
        /// What the reader says.
        problem: String,
    },
    /// A file's place is beyond the folder.
    #[error("{path} is not in the capsule's folder")]
    Outside {
        /// The file, as it is named.
        path: String,
    },
    /// A file is not there.
    #[error("there is no {path}")]
    Missing {
        /// The file.
        path: String,
    },
    /// A file cannot be unpacked, or is too long when it is.
    #[error("{path} cannot be unpacked: {problem}")]
    Packed {
        /// The file.
        path: String,
        /// Why.
        problem: String,
    },
    /// Two runs cannot both have what is in a file.
    #[error(
        "{first} and {second} give other outputs than each other, and both expect {path}: nothing is written"
    )]
    Shared {
        /// The file.
        path: String,
        /// The one run.
        first: String,
        /// The other run.
        second: String,
    },
    /// There is no description.
    #[error("there is no {path}")]
    Undescribed {
        /// Where it should be.
        path: String,
    },
    /// The system did not take a file.
    #[error("{path} cannot be written: {error}")]
    Write {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
}

impl Explain for FolderError {
    fn exit(&self) -> Exit {
        match self {
            Self::Missing { .. } | Self::Undescribed { .. } => Exit::NotFound,
            Self::Changed { .. } | Self::Write { .. } => Exit::Other,
            _ => Exit::Usage,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Case { .. } | Self::Form { .. } => "capsule_json",
            Self::Changed { .. } => "changed",
            Self::Missing { .. } | Self::Undescribed { .. } => "not_found",
            Self::Outside { .. } => "outside",
            Self::Packed { .. } => "packed",
            Self::Shared { .. } => "shared",
            Self::Write { .. } => "not_written",
        }
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Case { .. } | Self::Form { .. } => {
                "the SDK's README says which members there are, and what they mean: `tenzik new NAME` leaves it in NAME/tenzik-sdk"
            }
            Self::Outside { .. } => {
                "name files by their path from the folder, without `..` and links that lead out"
            }
            Self::Missing { .. } => "make it, or name another in capsule.json",
            Self::Changed { .. } => "run it again",
            Self::Shared { .. } => "give each run a file of its own",
            Self::Packed { .. } => "pack it with gzip; unpacked it may have 64 MiB",
            Self::Undescribed { .. } => {
                "name a capsule's folder, or make one with `tenzik new NAME`"
            }
            Self::Write { .. } => "make room, or mend its permissions",
        }
        .into()
    }
}
