//! Why a directory is not taken for compiled code.
//!
//! Enters: what was found on the disk. Leaves: a message and a remedy. Refuses nothing.

use std::path::PathBuf;

/// Why a directory is not taken for compiled code. Who can write there could have this process run anything, but for the
/// key; who can read the key, too.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodeDirError {
    /// Other processes had the lock for seconds on end, and there is no key yet.
    #[error("another process holds the lock of {path:?}")]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// The system did not give or take it.
    #[error("{path:?} cannot be {done}: {reason}")]
    Io {
        /// The directory or a file in it.
        path: PathBuf,
        /// What was to be done with it.
        done: &'static str,
        /// What the system says.
        reason: String,
    },
    /// It is a link or something else.
    #[error("{path:?} is no {wanted}, or a link")]
    Kind {
        /// The path.
        path: PathBuf,
        /// A directory or a file.
        wanted: &'static str,
    },
    /// The key was cut or is none.
    #[error("the key {path:?} has {bytes} bytes; {wanted} are one")]
    KeyLength {
        /// The key.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The size of a key.
        wanted: u64,
    },
    /// Somebody else can change it at will.
    #[error("{path:?} belongs to the user {owner}, not to {own}, who runs this")]
    NotYours {
        /// The directory or the key.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Whose it must be.
        own: u32,
    },
    /// Others than the owner can get at it.
    #[error("others than you can get at {path:?}: its mode has the bits {bits:03o}")]
    OpenToOthers {
        /// The directory or the key.
        path: PathBuf,
        /// The bits too many.
        bits: u32,
    },
    /// It depends on where the process was started: there might be a directory of somebody else's making.
    #[error("{path:?} does not begin at the root")]
    Relative {
        /// The path.
        path: PathBuf,
    },
}

impl CodeDirError {
    /// What can be done about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Busy { .. } => "end the process that hangs, or name another directory".to_owned(),
            Self::Io { .. } => "name a directory in which you may write".to_owned(),
            Self::Kind { .. } => {
                "name the directory itself, or one that is not there yet".to_owned()
            }
            Self::KeyLength { path, .. } => {
                format!("remove {path:?}: another is made, and what is kept is compiled anew")
            }
            Self::NotYours { .. } => "name a directory of your own".to_owned(),
            Self::OpenToOthers { path, .. } => format!(
                "remove {path:?} if others may have changed or read it, else take their rights: chmod go= {path:?}"
            ),
            Self::Relative { .. } => "name the whole path, from the root".to_owned(),
        }
    }
}
