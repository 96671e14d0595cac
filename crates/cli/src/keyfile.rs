//! Key files and secrets on the disk.
//!
//! Enters: paths. Leaves: a [`SecretKey`] of the wanted use, or a [`RunSecret`]; new files of mode 0600.
//! Refuses: files that others may read, files that were cut or changed, keys for another use, and to overwrite.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::Path;

use tenzik_receipt::{KeyUse, ReadError, RunSecret, SecretKey, from_hex};
use zeroize::Zeroizing;

use crate::error::{Exit, Explain, Failure};
use crate::files;
use crate::source::bounded;
use crate::{system, text};

/// The most bytes of a key file or a secret: several times what one has.
const BYTES_MAX: u64 = 4_096;

/// What a file is called here.
const KEY: &str = "key file";
const SECRET: &str = "secret";
const TOKEN: &str = "token file";
/// What is done with it.
const READ: &str = "read";
const WRITTEN: &str = "written";

/// Why a key or secret is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// There is a file where a new one was to be.
    #[error("{path} is there already, and keys are never overwritten")]
    Exists {
        /// The file.
        path: String,
    },
    /// It was cut, changed, or never was a key file.
    #[error("the key file {path} was cut short or changed: {error}")]
    Form {
        /// The file.
        path: String,
        /// What is wrong.
        error: ReadError,
    },
    /// The system did not give or take it.
    #[error("the {what} {path} cannot be {done}: {error}")]
    Io {
        /// What the file is.
        what: &'static str,
        /// What was to be done with it.
        done: &'static str,
        /// The file.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// Others than the owner may read or write it.
    #[error("others than you may use {path}: its mode has the bits {bits:03o}")]
    OpenToOthers {
        /// The file.
        path: String,
        /// The bits too many.
        bits: u32,
    },
    /// It holds no secret.
    #[error("{path} is no secret: 64 lower-case hex digits are one")]
    Secret {
        /// The file.
        path: String,
    },
    /// It holds no token.
    #[error("{path} holds no token: one line of printable characters without blanks is one")]
    Token {
        /// The file.
        path: String,
    },
    /// The key is for something else.
    #[error("the key in {path} is for the use {got}; here the use {wanted} is needed")]
    Use {
        /// The file.
        path: String,
        /// The key's use.
        got: KeyUse,
        /// The use that was needed.
        wanted: KeyUse,
    },
}

impl Explain for KeyError {
    fn exit(&self) -> Exit {
        match self {
            Self::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => Exit::NotFound,
            Self::Use { .. } => Exit::Usage,
            _ => Exit::Other,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Exists { .. } => "key_exists",
            Self::Form { .. } => "key_form",
            Self::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => "not_found",
            Self::Io { .. } => "key_io",
            Self::OpenToOthers { .. } => "key_mode",
            Self::Secret { .. } => "secret_form",
            Self::Token { .. } => "token_form",
            Self::Use { .. } => "key_use",
        }
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Exists { .. } => "name another file with --out, or move that one away".into(),
            Self::Form { .. } => {
                "restore it from a copy, or make another with `tenzik key gen`".into()
            }
            Self::Io { what: SECRET, .. } => {
                "name a file of your own; make a secret with: (umask 077; openssl rand -hex 32 > FILE)".into()
            }
            Self::Io { what: TOKEN, .. } => {
                "name a file of your own with the token that the node's operator gave you".into()
            }
            Self::Io { error, .. } if error.kind() == io::ErrorKind::NotFound => {
                "check the path; `tenzik key gen --out FILE` makes a key".into()
            }
            Self::Io { done: READ, .. } => "name a key file that you may read".into(),
            Self::Io { .. } => "name a place where you may write".into(),
            Self::OpenToOthers { path, .. } => {
                format!("chmod 600 {path}; if others may have read it, make another").into()
            }
            Self::Token { .. } => "write the token that the node's operator gave you into it, and nothing else".into(),
            Self::Secret { .. } => "make one with: (umask 077; openssl rand -hex 32 > FILE)".into(),
            Self::Use { wanted, .. } => {
                format!("make one with: tenzik key gen --use {wanted} --out FILE").into()
            }
        }
    }
}

/// Reads a key file for any use.
pub(crate) fn read(path: &Path) -> Result<SecretKey, KeyError> {
    let bytes = guarded(path, KEY)?;
    SecretKey::from_file(&bytes).map_err(|error| KeyError::Form {
        path: text::path(path),
        error,
    })
}

/// Reads a key file for one use.
pub(crate) fn read_for(path: &Path, wanted: KeyUse) -> Result<SecretKey, KeyError> {
    let key = read(path)?;
    if key.key_use() == wanted {
        return Ok(key);
    }
    Err(KeyError::Use {
        path: text::path(path),
        got: key.key_use(),
        wanted,
    })
}

/// Makes a key in a new file. Where there is a file already, it is left alone.
pub(crate) fn make(path: &Path, key_use: KeyUse) -> Result<SecretKey, Failure> {
    let key = SecretKey::from_seed(&*system::random()?, key_use, system::now()?);
    let mut bytes = key.to_file();
    bytes.push(b'\n');
    let written = files::private_directory(&files::directory(path))
        .and_then(|()| files::create(path, &bytes, files::PRIVATE));
    match written {
        Ok(()) => Ok(key),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(KeyError::Exists {
            path: text::path(path),
        }
        .into()),
        Err(error) => Err(failed(path, KEY, WRITTEN, error).into()),
    }
}

/// Reads the secret of a private run: 64 hex digits, and nothing else but a newline.
pub(crate) fn read_secret(path: &Path) -> Result<RunSecret, KeyError> {
    let bytes = guarded(path, SECRET)?;
    std::str::from_utf8(&bytes)
        .ok()
        .and_then(|digits| from_hex(digits.trim_end()).map(Zeroizing::new))
        .and_then(|secret| <[u8; 32]>::try_from(secret.as_slice()).ok())
        .map(RunSecret::from_bytes)
        .ok_or_else(|| KeyError::Secret {
            path: text::path(path),
        })
}

/// Reads the token that a node knows its bearer by: one line of printable characters.
pub(crate) fn read_token(path: &Path) -> Result<String, KeyError> {
    let bytes = guarded(path, TOKEN)?;
    std::str::from_utf8(&bytes)
        .ok()
        .map(|token| token.trim_end_matches(['\r', '\n']))
        .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()))
        .map(str::to_owned)
        .ok_or_else(|| KeyError::Token {
            path: text::path(path),
        })
}

/// The bytes of a file that nobody else may read. The open file is asked, so it cannot be exchanged in between.
fn guarded(path: &Path, what: &'static str) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let unread = |error| failed(path, what, READ, error);
    let file = File::open(path).map_err(unread)?;
    let bits = files::open_to_others(&file).map_err(unread)?;
    if bits != 0 {
        return Err(KeyError::OpenToOthers {
            path: text::path(path),
            bits,
        });
    }
    let bytes = bounded(file, BYTES_MAX).map_err(unread)?;
    // What is too long for a key file reads as a changed one.
    Ok(Zeroizing::new(bytes.unwrap_or_default()))
}

fn failed(path: &Path, what: &'static str, done: &'static str, error: io::Error) -> KeyError {
    KeyError::Io {
        what,
        done,
        path: text::path(path),
        error,
    }
}
