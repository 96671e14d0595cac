//! Who may do what: the callers file.
//!
//! Enters: `callers.toml`. Leaves: [`Callers`], looked up by the digest of a token or of a client certificate.
//! Refuses: keys that are not known, two callers of one name, one credential for two callers, callers without any.
//!
//! ```toml
//! [[caller]]
//! name = "billing"
//! roles = ["run"]
//! tokens = ["blake3:…"]          # of the token's text: printf %s "$TOKEN" | b3sum
//! certificates = ["sha256:…"]    # of the certificate's DER form
//! expires_at = "2027-01-01T00:00:00Z"
//! ```
//!
//! The file holds no token. A token is 32 to 256 characters; make one with `openssl rand -hex 32`. A second one in the list is how
//! it is changed without a pause. What is found by its digest tells by its time nothing of a token: nobody can choose digests.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use tenzik_receipt::{Blake3, Label, Sha256, Timestamp};

use crate::files::{self, FileError};
use crate::text;

/// The most bytes of a callers file: some tens of thousands of callers.
const BYTES_MAX: u64 = 16 * 1024 * 1024;
/// A shorter token could be found from its digest.
const TOKEN_BYTES_MIN: usize = 32;
const TOKEN_BYTES_MAX: usize = 256;

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Change the node's peers, and settle what only its operator may.
    Admin,
    /// Hand in receipts for the log.
    Append,
    /// Fetch and leave blobs.
    Blobs,
    /// Run programs, where the node runs any.
    Execute,
    /// Read `/metrics`.
    Metrics,
    /// What other nodes do.
    Peer,
    /// Run capsules.
    Run,
}

impl Role {
    /// Its name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Append => "append",
            Self::Blobs => "blobs",
            Self::Execute => "execute",
            Self::Metrics => "metrics",
            Self::Peer => "peer",
            Self::Run => "run",
        }
    }
}

/// Why a callers file is not used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallersError {
    /// A caller has a certificate, and the node asks for none.
    #[error(
        "{} has a certificate, which does nothing without tls.client_ca",
        text::shown(name)
    )]
    Certificate {
        /// The caller.
        name: String,
    },
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not TOML of the known keys.
    #[error("the callers file is not read: {message}")]
    Form {
        /// What is wrong, and where.
        message: String,
    },
    /// Two callers have one name.
    #[error("there are two callers {}", text::shown(name))]
    Name {
        /// The name.
        name: String,
    },
    /// A caller has no credential.
    #[error("{} has neither a token nor a certificate", text::shown(name))]
    NoCredential {
        /// The caller.
        name: String,
    },
    /// A credential stands for two callers.
    #[error("a credential of {} stands in the file twice", text::shown(name))]
    Shared {
        /// The caller that names it second.
        name: String,
    },
}

/// A caller in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownCaller {
    /// The name in logs and quotas.
    pub name: Label,
    /// What it may do.
    pub roles: Vec<Role>,
    /// From then on it is nobody. Absent: it stays.
    pub expires_at: Option<Timestamp>,
}

/// Everyone in the file.
#[derive(Debug, Default)]
pub struct Callers {
    tokens: HashMap<[u8; 32], Arc<KnownCaller>>,
    certificates: HashMap<[u8; 32], Arc<KnownCaller>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    caller: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    roles: Vec<Role>,
    #[serde(default)]
    tokens: Vec<String>,
    #[serde(default)]
    certificates: Vec<String>,
    #[serde(default)]
    expires_at: Option<String>,
}

impl Callers {
    /// Reads a file.
    ///
    /// # Errors
    /// [`CallersError`].
    pub fn read(path: &Path) -> Result<Self, CallersError> {
        let bytes = files::read(path, BYTES_MAX)?;
        let text = std::str::from_utf8(&bytes).map_err(form)?;
        text.parse()
    }

    /// Who has this token, if it is still somebody.
    pub fn by_token(&self, token: &[u8], now: Timestamp) -> Option<&Arc<KnownCaller>> {
        if !(TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len()) {
            return None;
        }
        current(self.tokens.get(Blake3::of(token).as_bytes()), now)
    }

    /// The name of a caller that has a certificate, if there is one.
    pub(crate) fn any_with_certificate(&self) -> Option<String> {
        let mut callers = self.certificates.values();
        callers.next().map(|caller| caller.name.to_string())
    }

    /// Who has the client certificate with this digest, if it is still somebody.
    pub fn by_certificate(&self, digest: &Sha256, now: Timestamp) -> Option<&Arc<KnownCaller>> {
        current(self.certificates.get(digest.as_bytes()), now)
    }

    fn add(&mut self, row: Row) -> Result<(), CallersError> {
        let caller = Arc::new(KnownCaller {
            name: Label::new(row.name.clone()).map_err(form)?,
            roles: row.roles,
            expires_at: row
                .expires_at
                .map(|at| at.parse())
                .transpose()
                .map_err(form)?,
        });
        if row.tokens.is_empty() && row.certificates.is_empty() {
            return Err(CallersError::NoCredential { name: row.name });
        }
        for token in row.tokens {
            let digest: Blake3 = token.parse().map_err(form)?;
            insert(&mut self.tokens, *digest.as_bytes(), &caller)?;
        }
        for certificate in row.certificates {
            let digest: Sha256 = certificate.parse().map_err(form)?;
            insert(&mut self.certificates, *digest.as_bytes(), &caller)?;
        }
        Ok(())
    }
}

impl std::str::FromStr for Callers {
    type Err = CallersError;

    fn from_str(text: &str) -> Result<Self, CallersError> {
        let file: File = toml::from_str(text).map_err(form)?;
        let mut callers = Self::default();
        let mut names = std::collections::HashSet::new();
        for row in file.caller {
            if !names.insert(row.name.clone()) {
                return Err(CallersError::Name { name: row.name });
            }
            callers.add(row)?;
        }
        Ok(callers)
    }
}

fn insert(
    table: &mut HashMap<[u8; 32], Arc<KnownCaller>>,
    digest: [u8; 32],
    caller: &Arc<KnownCaller>,
) -> Result<(), CallersError> {
    match table.entry(digest) {
        Entry::Occupied(_) => Err(CallersError::Shared {
            name: caller.name.as_str().to_owned(),
        }),
        Entry::Vacant(place) => {
            place.insert(Arc::clone(caller));
            Ok(())
        }
    }
}

fn current(found: Option<&Arc<KnownCaller>>, now: Timestamp) -> Option<&Arc<KnownCaller>> {
    found.filter(|caller| caller.expires_at.is_none_or(|end| now < end))
}

fn form(error: impl std::fmt::Display) -> CallersError {
    CallersError::Form {
        message: error.to_string(),
    }
}
