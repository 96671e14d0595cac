//! Audits: a peer's leaves are run again, and what differs is kept as evidence.
//!
//! Enters: mirrors of peers' logs; receipts that anyone hands in; pairs of receipts that contradict each other. Leaves: what became of
//! each, a report for each log, evidence. Refuses: to accuse by one engine alone, and to spend more than the budgets.
//!
//! | module | does |
//! |---|---|
//! | `auditor` | samples of a log, from the draw to the report |
//! | `case` | one receipt: budget, content, re-run, evidence |
//! | `handed` | receipts that are handed in |
//! | `dispute` | receipts that contradict each other |
//! | `evidence` | what is kept of liars |
//!
//! Whatever is drawn is written down before anything is done about it, and each leaf before its run begins. A node that is killed
//! draws nothing again, and begins no leaf twice: a leaf that had begun is unaudited. So a log gains nothing by ending its auditor.

mod auditor;
mod budget;
mod case;
mod content;
pub mod dispute;
mod evidence;
mod finding;
mod handed;
mod judge;
mod plan;
mod report;
mod secret;
mod service;

use std::io;

use serde::Deserialize;
use tenzik::execution::EngineError;
use tenzik_log::evidence::Evidence;
use tenzik_log::policy::PolicyError;
use tenzik_log::tree::TreeError;
use tenzik_receipt::Blake3;
use tenzik_store::SqlError;

use crate::documents::DocumentError;
use crate::federation::peers::{AuditBudget, Peer};
use crate::files::FileError;
use crate::system::SystemError;

pub use auditor::{Audited, Auditor, AuditorParts, Subject};
pub use evidence::{EvidenceStore, EvidenceStoreError, Exhibit};
pub use finding::{Audit, Finding, Reason};
pub(crate) use handed::accused;
pub use handed::{HandInError, Handed};
pub use report::{Detection, Report};
pub use service::Audits;

/// The most bytes of a capsule or an input that is run again: both fit into a file of evidence, in base64.
pub const CONTENT_BYTES_MAX: u64 = 11 << 20;

/// How audits are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditConfig {
    /// How long a re-run may take, in milliseconds. Default 10,000.
    pub time_ms_max: u32,
    /// The most bytes of a capsule or an input that is fetched. Default 8 MiB, at most [`CONTENT_BYTES_MAX`].
    pub blob_bytes_max: u64,
    /// How long a peer that does not answer is asked again, in seconds. Default 86,400.
    pub wait_s: u64,
    /// What is spent on receipts that are handed in, for each peer that they are held against: who hands them in must not use up what
    /// is spent on samples, nor on receipts of others. Its sample rate and its ceiling mean nothing.
    pub strangers: AuditBudget,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            time_ms_max: 10_000,
            blob_bytes_max: 8 << 20,
            wait_s: 86_400,
            strangers: AuditBudget::default(),
        }
    }
}

/// Why an audit did not go on: the node's fault. What was drawn stays drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The database's, or what it holds is damaged.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// An engine is not to be had.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Evidence cannot be kept.
    #[error(transparent)]
    Evidence(#[from] EvidenceStoreError),
    /// The secret's file.
    #[error(transparent)]
    File(#[from] FileError),
    /// The directory.
    #[error("the directory of audits: {0}")]
    Io(#[from] io::Error),
    /// The leaf is not in the mirror.
    #[error(transparent)]
    Leaf(#[from] TreeError),
    /// The checkpoint has no quorum, so its log could still change it.
    #[error("no sample is drawn from a checkpoint that does not count: {0}")]
    Policy(#[from] PolicyError),
    /// The secret's file has another length.
    #[error("the file of the sample secret does not have 32 bytes")]
    Secret,
    /// The catalogue.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// Chance.
    #[error(transparent)]
    System(#[from] SystemError),
}

impl From<tenzik_store::RecordsError> for AuditError {
    fn from(error: tenzik_store::RecordsError) -> Self {
        Self::Document(error.into())
    }
}

/// What is done about a peer that was found out.
///
/// Called on the thread that audits, after the evidence is durable and before the audit is: a crash in between tells it no more, so
/// who starts a node also looks at what [`EvidenceStore::list`] has. The same may be told twice.
pub trait Findings: Send + Sync {
    /// A node of this peer's signed a claim that two engines contradict.
    fn forged(&self, peer: &Peer, evidence: &Evidence, digest: &Blake3);

    /// More of the peer's samples were not auditable than its ceiling allows, or no longer are: the report says which.
    fn opaque(&self, peer: &Peer, report: &Report);
}
