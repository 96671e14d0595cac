//! The user's store of receipts: one file each, named by its id.
//!
//! Enters: receipts, ids or beginnings of ids. Leaves: receipts' bytes. Refuses: beginnings that fit several, and
//! everything that is not a receipt's name. What is in the store is not thereby verified.

use std::borrow::Cow;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tenzik_receipt::{ReceiptId, SignedReceipt, to_hex};

use crate::error::{Exit, Explain, Failure};
use crate::files;
use crate::home::Home;
use crate::source::{RECEIPT, Source};
use crate::text;

/// The fewest digits of an id that may stand for the whole.
const DIGITS_MIN: usize = 6;
/// The digits of a whole id.
const DIGITS: usize = 64;
/// What a receipt's file is called beside its digits.
const SUFFIX: &str = ".json";

/// Why a receipt is not found in the store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Several begin like this.
    #[error("{count} receipts in your store begin with {name}")]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// How many.
        count: usize,
    },
    /// The store cannot be listed.
    #[error("your store {path} cannot be listed: {error}")]
    Io {
        /// The store.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// It is neither a file nor as many digits of an id as are needed.
    #[error("{name} is no file, and too short or too long for a receipt's id")]
    Length {
        /// What was asked for.
        name: String,
    },
    /// There is no such file, and no such receipt in the store.
    #[error("there is no file {name}, and no receipt of that id in your store")]
    Missing {
        /// What was asked for.
        name: String,
    },
}

impl Explain for StoreError {
    fn exit(&self) -> Exit {
        match self {
            Self::Ambiguous { .. } => Exit::Usage,
            Self::Io { .. } => Exit::Other,
            Self::Length { .. } | Self::Missing { .. } => Exit::NotFound,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Ambiguous { .. } => "ambiguous_id",
            Self::Io { .. } => "store",
            Self::Length { .. } | Self::Missing { .. } => "not_found",
        }
    }

    fn hint(&self) -> Cow<'static, str> {
        match self {
            Self::Ambiguous { .. } => "give more digits",
            Self::Io { .. } => "mend its permissions, or set TENZIK_HOME to another place",
            Self::Length { .. } => {
                "give 6 to 64 digits of the id; `tenzik receipts ls` lists the store"
            }
            Self::Missing { .. } => "`tenzik receipts ls` lists the store; `-` reads from stdin",
        }
        .into()
    }
}

/// Puts a receipt into the store.
pub(crate) fn add(home: &Home, receipt: &SignedReceipt) -> io::Result<PathBuf> {
    let directory = home.receipts();
    files::private_directory(&directory)?;
    let name = format!("{}{SUFFIX}", to_hex(receipt.id().as_bytes()));
    let path = directory.join(name);
    files::replace(&path, &receipt.to_bytes(), files::PUBLIC)?;
    Ok(path)
}

/// The bytes of a receipt that is named as a file, as `-`, or by its id in the store.
pub(crate) fn read(name: &Source, home: &Home) -> Result<Vec<u8>, Failure> {
    let Source::File(path) = name else {
        return Ok(name.read(RECEIPT)?);
    };
    let digits = path.to_str().and_then(digits);
    match digits {
        Some(digits) if !path.exists() => {
            if (DIGITS_MIN..=DIGITS).contains(&digits.len()) {
                return Ok(find(home, digits)?.read(RECEIPT)?);
            }
            let name = text::path(path);
            Err(StoreError::Length { name }.into())
        }
        _ => Ok(name.read(RECEIPT)?),
    }
}

/// The digits of an id or of its beginning, however many.
fn digits(name: &str) -> Option<&str> {
    let digits = name.strip_prefix(ReceiptId::PREFIX).unwrap_or(name);
    let hex = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    digits.bytes().all(hex).then_some(digits)
}

fn find(home: &Home, digits: &str) -> Result<Source, StoreError> {
    let mut fitting = list(home)?;
    fitting.retain(|path| name_digits(path).is_some_and(|name| name.starts_with(digits)));
    let name = text::shown(digits, DIGITS);
    match (fitting.pop(), fitting.len()) {
        (None, _) => Err(StoreError::Missing { name }),
        (Some(path), 0) => Ok(Source::File(path)),
        (Some(_), more) => Err(StoreError::Ambiguous {
            name,
            count: more + 1,
        }),
    }
}

/// The files of all receipts in the store.
pub(crate) fn list(home: &Home) -> Result<Vec<PathBuf>, StoreError> {
    let directory = home.receipts();
    let failed = |error| StoreError::Io {
        path: text::path(&directory),
        error,
    };
    let entries = match fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(failed)?.path();
        if name_digits(&path).is_some() {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn name_digits(path: &Path) -> Option<&str> {
    let name = path.file_name()?.to_str()?.strip_suffix(SUFFIX)?;
    (name.len() == DIGITS).then_some(name).and_then(digits)
}
