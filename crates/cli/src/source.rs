//! Reading what is named on the command line: a file, or stdin where a `-` stands.
//!
//! Enters: arguments. Leaves: bytes, no more than their kind may have.
//! Refuses: what is not there, what is larger, stdin for two things at once. An endless file ends here.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::{Exit, Explain};
use crate::text;

/// A kind of thing that is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    /// What it is called.
    pub(crate) what: &'static str,
    /// The most bytes that are read of it.
    pub(crate) bytes_max: u64,
    /// The exit code where it has more.
    pub(crate) too_large: Exit,
}

/// A capsule: far more than any host accepts, so that validation is what refuses it, with a receipt.
pub(crate) const CAPSULE: Kind = Kind {
    what: "capsule",
    bytes_max: 128 * 1024 * 1024,
    too_large: Exit::InvalidCapsule,
};
/// An input: more than any host accepts, for the same reason.
pub(crate) const INPUT: Kind = Kind {
    what: "input",
    bytes_max: 64 * 1024 * 1024,
    too_large: Exit::LimitHit,
};
/// An output that a receipt is held against.
pub(crate) const OUTPUT: Kind = Kind {
    what: "output",
    bytes_max: 64 * 1024 * 1024,
    too_large: Exit::LimitHit,
};
/// A receipt: more than one can have, so that reading it says what is wrong.
pub(crate) const RECEIPT: Kind = Kind {
    what: "receipt",
    bytes_max: 1024 * 1024,
    too_large: Exit::Failed,
};
/// A file of tools.
pub(crate) const TOOLS: Kind = Kind {
    what: "tools file",
    bytes_max: 1024 * 1024,
    too_large: Exit::Usage,
};
/// What a run's tools were asked and answered: as much as there can be.
pub(crate) const TRANSCRIPT: Kind = Kind {
    what: "transcript",
    bytes_max: tenzik::gateway::TRANSCRIPT_BYTES_MAX as u64,
    too_large: Exit::Usage,
};
/// A proof that a receipt is in a log: more than one can have, so that reading it says what is wrong.
pub(crate) const PROOF: Kind = Kind {
    what: "proof file",
    bytes_max: 1024 * 1024,
    too_large: Exit::Failed,
};
/// A checkpoint in a file.
pub(crate) const CHECKPOINT: Kind = Kind {
    what: "checkpoint",
    bytes_max: tenzik_log::note::NOTE_BYTES_MAX as u64,
    too_large: Exit::Failed,
};
/// A policy file.
pub(crate) const POLICY: Kind = Kind {
    what: "policy file",
    bytes_max: tenzik_log::policy::POLICY_BYTES_MAX as u64,
    too_large: Exit::Usage,
};
/// A configuration file.
pub(crate) const CONFIG: Kind = Kind {
    what: "configuration file",
    bytes_max: 1024 * 1024,
    too_large: Exit::Usage,
};
/// A trust file, or what is remembered of them.
pub(crate) const TRUST: Kind = Kind {
    what: "trust file",
    bytes_max: tenzik_receipt::TRUST_BYTES_MAX as u64,
    too_large: Exit::Other,
};

/// A file or stdin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file.
    File(PathBuf),
    /// Whatever comes in.
    Stdin,
}

impl From<OsString> for Source {
    /// `-` is stdin. A leading `@` is dropped, so that `run`'s way of naming an input file works everywhere.
    fn from(argument: OsString) -> Self {
        match argument.to_str() {
            Some("-" | "@-") => Self::Stdin,
            Some(path) => Self::File(path.strip_prefix('@').unwrap_or(path).into()),
            None => Self::File(argument.into()),
        }
    }
}

/// A run's input: given by itself, or named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// The argument's own bytes.
    Inline(Vec<u8>),
    /// Somewhere else.
    Named(Source),
}

impl From<OsString> for Input {
    fn from(argument: OsString) -> Self {
        match argument.to_str() {
            Some(text) if text == "-" || text.starts_with('@') => {
                Self::Named(Source::from(argument))
            }
            _ => Self::Inline(argument.into_encoded_bytes()),
        }
    }
}

/// Why something was not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// The system did not give it.
    #[error("the {what} {name} cannot be read: {error}")]
    Io {
        /// What it is.
        what: &'static str,
        /// Its path.
        name: String,
        /// What the system says.
        error: io::Error,
    },
    /// It has more bytes than are read.
    #[error("the {what} {name} has more than {bytes_max} bytes")]
    Size {
        /// What it is.
        what: &'static str,
        /// Its path.
        name: String,
        /// The most that is read.
        bytes_max: u64,
        /// The exit code for it.
        exit: Exit,
    },
    /// Two arguments name stdin.
    #[error("both the {0} and the {1} are to come from stdin")]
    StdinTwice(&'static str, &'static str),
}

impl Explain for SourceError {
    fn exit(&self) -> Exit {
        match self {
            Self::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => Exit::NotFound,
            Self::Io { .. } => Exit::Other,
            Self::Size { exit, .. } => *exit,
            Self::StdinTwice(..) => Exit::Usage,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => "not_found",
            Self::Io { .. } => "unreadable",
            Self::Size { .. } => "too_large",
            Self::StdinTwice(..) => "usage",
        }
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                "check the path; `-` reads from stdin".into()
            }
            Self::Io { .. } => "name a file that you may read".into(),
            Self::Size { what, .. } => format!("name the {what} itself").into(),
            Self::StdinTwice(..) => "give one of them as a file".into(),
        }
    }
}

impl Source {
    /// The file's path; stdin has none.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Stdin => None,
        }
    }

    /// All of it.
    pub(crate) fn read(&self, kind: Kind) -> Result<Vec<u8>, SourceError> {
        let read = match self {
            Self::File(path) => File::open(path).and_then(|file| bounded(file, kind.bytes_max)),
            Self::Stdin => bounded(io::stdin().lock(), kind.bytes_max),
        };
        let (what, name) = (kind.what, self.name());
        match read {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err(SourceError::Size {
                what,
                name,
                bytes_max: kind.bytes_max,
                exit: kind.too_large,
            }),
            Err(error) => Err(SourceError::Io { what, name, error }),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::File(path) => text::path(path),
            Self::Stdin => "stdin".to_owned(),
        }
    }
}

impl Input {
    /// All of it.
    pub(crate) fn read(&self) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::Inline(bytes) => Ok(bytes.clone()),
            Self::Named(source) => source.read(INPUT),
        }
    }

    /// Where it is named.
    pub(crate) const fn source(&self) -> Option<&Source> {
        match self {
            Self::Inline(_) => None,
            Self::Named(source) => Some(source),
        }
    }
}

/// Everything there is to read, or nothing if that is too much.
pub(crate) fn bounded(reader: impl Read, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.take(bytes_max + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= bytes_max).then_some(bytes))
}

/// Refuses a second reader of stdin.
pub(crate) fn stdin_once(sources: &[(&'static str, Option<&Source>)]) -> Result<(), SourceError> {
    let mut readers = sources
        .iter()
        .filter(|(_, source)| *source == Some(&Source::Stdin));
    match (readers.next(), readers.next()) {
        (Some((one, _)), Some((other, _))) => Err(SourceError::StdinTwice(one, other)),
        _ => Ok(()),
    }
}
