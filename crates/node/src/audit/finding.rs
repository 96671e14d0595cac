//! What became of a leaf that was to be run again.
//!
//! Enters: a claim. Leaves: the claim of a run that can be run again, or the [`Reason`] why not. Refuses: nothing.

use std::fmt;

use serde::{Deserialize, Serialize};
use tenzik::replay::{self, Difference};
use tenzik_receipt::{Blake3, Claim, Status, WasmClaim};

use crate::documents::Document;
use crate::text;

/// Why a leaf was not run again to the end. Each counts as unaudited; none is a finding against the node.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The run was aborted, so nobody can run it again.
    Aborted,
    /// An attested claim; nobody can run it again.
    Attested,
    /// The leaf does not count, or is not read any more.
    BadLeaf,
    /// Capsule or input are not to be had, or not for this node; nobody can tell the two apart.
    BlobMissing,
    /// This node's engine failed.
    EngineFailed,
    /// Two engines gave two answers: this node's fault.
    EnginesDisagree,
    /// The audit had begun when this node ended. It is not begun again, so that nobody gains by ending it.
    Interrupted,
    /// One engine contradicts it, and the second one came to no end. Nobody is accused; an operator should look.
    NotConfirmed,
    /// The one engine that has its metering contradicts it, and no second one can confirm that. An operator should look.
    OneEngine,
    /// It took longer than this node's patience, or more of its memory.
    OutOfPatience,
    /// The day's budget is used up.
    OverBudget,
    /// The run is private.
    Private,
    /// The run was refused; there is nothing to run.
    Refused,
    /// This node's engine refuses to run it.
    RefusedHere,
    /// Capsule or input have more bytes than are fetched.
    TooLarge,
    /// Rules, metering or ABI that this node does not have.
    Unknown,
    /// The peer did not answer for a day.
    Unreachable,
}

impl Reason {
    /// Whether it lies with this node: its budget, its patience, its engines, its end. Nobody is called opaque for that.
    pub(super) const fn is_own(self) -> bool {
        matches!(
            self,
            Self::EngineFailed
                | Self::EnginesDisagree
                | Self::Interrupted
                | Self::NotConfirmed
                | Self::OutOfPatience
                | Self::OverBudget
        )
    }

    /// Whether an engine contradicts the claim, and no second one confirms that.
    pub(super) const fn is_contradicted(self) -> bool {
        matches!(self, Self::NotConfirmed | Self::OneEngine)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// How far an audit has come, and what it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Finding {
    /// It has begun. A node that starts and finds this takes it for [`Reason::Interrupted`].
    Begun,
    /// Two engines gave the same claim, and it is another than the one that was signed.
    Forged {
        /// The first member that differs.
        member: String,
        /// What the receipt claims, cut to 400 characters.
        claimed: String,
        /// What the run gave, cut to 400 characters.
        found: String,
        /// The evidence's digest.
        evidence: String,
    },
    /// The run gave the same claim.
    Same,
    /// It was not run again to the end.
    Unaudited {
        /// Why.
        reason: Reason,
    },
}

impl Finding {
    /// Its outcome in a word: `begun`, `forged`, `same`, or why it is unaudited.
    pub fn word(&self) -> String {
        match self {
            Self::Begun => "begun".to_owned(),
            Self::Forged { .. } => "forged".to_owned(),
            Self::Same => "same".to_owned(),
            Self::Unaudited { reason } => reason.to_string(),
        }
    }

    /// Why it is unaudited, if it is.
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Unaudited { reason } => Some(*reason),
            _ => None,
        }
    }

    pub(super) fn forged(difference: &Difference, evidence: &Blake3) -> Self {
        Self::Forged {
            member: difference.member.to_owned(),
            claimed: text::shown(&difference.claimed),
            found: text::shown(&difference.found),
            evidence: evidence.to_string(),
        }
    }
}

/// An audit of one receipt, as it is kept and shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Audit {
    /// When it began, in seconds since 1970.
    pub at: u64,
    /// What was found.
    pub finding: Finding,
    /// The leaf's index; absent for a receipt that was handed in.
    pub index: Option<u64>,
    /// The log.
    pub origin: String,
    /// The receipt's id; absent where the leaf is not read.
    pub receipt: Option<String>,
}

impl Document for Audit {
    const KIND: &'static str = "audit";
}

/// The run that a claim is about, if it can be run again here.
pub(super) fn auditable(claim: &Claim) -> Result<&WasmClaim, Reason> {
    let wasm = match claim {
        Claim::Attested(_) => return Err(Reason::Attested),
        Claim::Refused(_) => return Err(Reason::Refused),
        Claim::Wasm(wasm) => wasm,
        _ => return Err(Reason::Unknown),
    };
    if claim.is_private() {
        return Err(Reason::Private);
    }
    if wasm.status == Status::Aborted {
        return Err(Reason::Aborted);
    }
    match replay::is_known(wasm) {
        true => Ok(wasm),
        false => Err(Reason::Unknown),
    }
}
