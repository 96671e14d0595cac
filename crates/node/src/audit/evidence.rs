//! Evidence that is kept: each piece by the digest of its file.
//!
//! Enters: [`Evidence`] that this node has found. Leaves: the same bytes, and a list. Refuses: evidence that is too large for a file.
//!
//! A forged claim's evidence holds capsule and input, which their owners showed to peers and to nobody else. So who reads evidence is
//! a peer or an admin: peers must be able to check an accusation, and the public must not get an input by way of it.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tenzik_log::evidence::{EVIDENCE_BYTES_MAX, Evidence};
use tenzik_receipt::{Blake3, Timestamp, to_hex};
use tenzik_store::Records;

use crate::documents::{Document, DocumentError};
use crate::durable::Directory;

/// Why evidence was not kept or given: the node's fault.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvidenceStoreError {
    /// The database's.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The disk's.
    #[error("the evidence's file: {0}")]
    Io(#[from] io::Error),
    /// It does not fit into a file of evidence.
    #[error("evidence of {got} bytes, {EVIDENCE_BYTES_MAX} are allowed")]
    Size {
        /// Its bytes.
        got: usize,
    },
}

/// What is known of a piece of evidence without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Exhibit {
    /// When it was found, in seconds since 1970.
    pub at: u64,
    /// The file's bytes.
    pub bytes: u64,
    /// `bad_leaf`, `broken_promise`, `equivocation` or `forged_claim`.
    pub kind: String,
    /// The log that it is held against, or whose node.
    pub origin: String,
}

impl Document for Exhibit {
    const KIND: &'static str = "evidence";
}

/// The evidence of a node.
pub struct EvidenceStore {
    files: Directory,
    records: Records,
}

impl EvidenceStore {
    /// Opens the directory, which no other process may have.
    ///
    /// # Errors
    /// [`EvidenceStoreError::Io`].
    pub fn open(directory: PathBuf, records: Records) -> Result<Self, EvidenceStoreError> {
        let files = Directory::open(directory)?;
        Ok(Self { files, records })
    }

    /// Keeps evidence against a log or one of its nodes, and gives its digest. Once kept it stays: a second time does nothing.
    /// Durable when it returns.
    ///
    /// # Errors
    /// [`EvidenceStoreError`].
    pub fn keep(
        &self,
        evidence: &Evidence,
        origin: &str,
        at: Timestamp,
    ) -> Result<Blake3, EvidenceStoreError> {
        let bytes = evidence.to_bytes();
        let got = bytes.len();
        if got > EVIDENCE_BYTES_MAX {
            return Err(EvidenceStoreError::Size { got });
        }
        let digest = Blake3::of(&bytes);
        let name = to_hex(digest.as_bytes());
        // The file first: after a crash in between it is there without being listed, and the next audit keeps it again.
        self.files.write(&name, &bytes)?;
        let exhibit = Exhibit {
            at: at.unix_seconds(),
            bytes: got as u64,
            kind: kind(evidence).to_owned(),
            origin: origin.to_owned(),
        };
        exhibit.create(&self.records, &name)?;
        Ok(digest)
    }

    /// The file's bytes; `None` if there is no such evidence.
    ///
    /// # Errors
    /// [`EvidenceStoreError`].
    pub fn read(&self, digest: &Blake3) -> Result<Option<Vec<u8>>, EvidenceStoreError> {
        let name = to_hex(digest.as_bytes());
        let bytes = self.files.read(&name, EVIDENCE_BYTES_MAX as u64)?;
        Ok(bytes.filter(|bytes| Blake3::of(bytes) == *digest))
    }

    /// What there is, by digest after `after`.
    ///
    /// # Errors
    /// [`EvidenceStoreError`].
    pub fn list(
        &self,
        after: Option<&Blake3>,
        limit: usize,
    ) -> Result<Vec<(Blake3, Exhibit)>, EvidenceStoreError> {
        let after = after.map_or_else(String::new, |digest| to_hex(digest.as_bytes()));
        let rows = Exhibit::list(&self.records, &after, limit)?;
        let digest = |(name, exhibit): (String, Exhibit)| match format!("blake3:{name}").parse() {
            Ok(digest) => Ok((digest, exhibit)),
            Err(_) => Err(EvidenceStoreError::Document(DocumentError::Damaged {
                kind: Exhibit::KIND,
                key: name,
            })),
        };
        rows.into_iter().map(digest).collect()
    }
}

const fn kind(evidence: &Evidence) -> &'static str {
    match evidence {
        Evidence::BadLeaf(_) => "bad_leaf",
        Evidence::BrokenPromise(_) => "broken_promise",
        Evidence::Equivocation(_) => "equivocation",
        Evidence::ForgedClaim(_) => "forged_claim",
        _ => "other",
    }
}
