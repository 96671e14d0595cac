//! Receipts that anyone hands in to be run again.
//!
//! Enters: a receipt, with its capsule and input if whoever hands it in has them. Leaves: the same [`Audit`] as for a sample.
//! Refuses: receipts of nodes that no peer of this node has, bad signatures, more than what is spent on strangers, and to use
//! anything that this node holds itself: whoever guesses a digest must not learn by it what is here.
//!
//! What strangers hand in against a peer has a budget of its own, apart from the peer's: else who hands in receipts could use up what
//! is spent on samples, and so let a forged leaf through. And apart from the other peers': else a peer could hand in its own dear
//! receipts until nobody's were run any more.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tenzik_log::LeafError;
use tenzik_receipt::{PublicKey, ReceiptId, SignedReceipt, Timestamp, Verifier};

use super::AuditError;
use super::auditor::{Auditor, Turn, begun, unaudited};
use super::budget::Account;
use super::case::{Case, Ended, Given};
use super::finding::{Audit, Finding, Reason, auditable};
use crate::documents::Document;
use crate::federation::peers::{Peer, Peers};

/// Whose budget it is, with the accused one's origin. No origin has a space, so no peer has it.
fn strangers(origin: &str) -> String {
    format!("handed in {origin}")
}

/// How long such an audit is remembered: a week.
const KEPT_S: u64 = 7 * 86_400;

/// What is handed in.
#[derive(Clone, Default)]
pub struct Handed {
    /// The canonical receipt.
    pub receipt: Vec<u8>,
    /// The capsule. Absent: the peer is asked for it.
    pub capsule: Option<Arc<[u8]>>,
    /// The input. Absent: the peer is asked for it.
    pub input: Option<Arc<[u8]>>,
}

/// Why a receipt is not audited at all.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandInError {
    /// This node's fault.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// It is no receipt, or its signature does not hold.
    #[error(transparent)]
    Leaf(#[from] LeafError),
    /// The receipt's node is no peer's.
    #[error("{node} is no node of a peer of this one")]
    UnknownNode {
        /// The node.
        node: PublicKey,
    },
}

/// An audit of a receipt that was handed in; apart from those of leaves.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
struct HandedAudit(Audit);

impl Document for HandedAudit {
    const KIND: &'static str = "audit-handed";
}

/// A receipt that was handed in and is worth a run.
pub(crate) struct Accepted {
    peer: Peer,
    receipt: SignedReceipt,
    given: Given,
    audit: Audit,
    _turn: Turn,
}

/// The peer that answers for a receipt: one that has its node; of several, the one whose log it was promised to.
pub(crate) fn accused<'a>(peers: &'a Peers, receipt: &SignedReceipt) -> Option<&'a Peer> {
    let receipt = receipt.receipt();
    let of_node = |peer: &&Peer| peer.rules.nodes().any(|node| node == receipt.node);
    let promise = receipt.log.as_ref();
    let named = |peer: &&Peer| {
        promise.is_some_and(|promise| promise.origin.as_str() == peer.origin().as_str())
    };
    let mut promised = peers.iter().filter(of_node).filter(named);
    promised.next().or_else(|| peers.iter().find(of_node))
}

impl Auditor {
    /// Checks a receipt that was handed in, and gives its id. With it comes what was found, or what [`finish`](Self::finish) takes;
    /// that it has begun is written down then.
    pub(crate) fn accept(
        &self,
        peers: &Peers,
        handed: Handed,
        at: Timestamp,
    ) -> Result<(ReceiptId, Result<Finding, Box<Accepted>>), HandInError> {
        let receipt = SignedReceipt::from_bytes(&handed.receipt).map_err(LeafError::from)?;
        let node = receipt.receipt().node;
        let peer = accused(peers, &receipt).ok_or(HandInError::UnknownNode { node })?;
        // Which log it was promised to is asked of leaves, not of this: a liar would name another one and be safe.
        let mut verifier = Verifier::remembering(0);
        peer.rules.signed(&handed.receipt, at, &mut verifier)?;
        let id = receipt.id();
        if let Err(reason) = auditable(receipt.claim()) {
            return Ok((id, Ok(unaudited(reason))));
        }
        let known = HandedAudit::load(&self.records, &id.to_string()).map_err(AuditError::from)?;
        if let Some(HandedAudit(Audit {
            finding: finding @ (Finding::Same | Finding::Forged { .. }),
            ..
        })) = known
        {
            return Ok((id, Ok(finding)));
        }
        let Some(turn) = Turn::take(&self.under_way, &id.to_string()) else {
            return Ok((id, Ok(Finding::Begun)));
        };
        let audit = begun(peer.origin().as_str(), None, Some(&receipt), at);
        HandedAudit(audit.clone())
            .store(&self.records, &id.to_string())
            .map_err(AuditError::from)?;
        let accepted = Accepted {
            peer: peer.clone(),
            receipt,
            given: Given {
                capsule: handed.capsule,
                input: handed.input,
            },
            audit,
            _turn: turn,
        };
        Ok((id, Err(Box::new(accepted))))
    }

    /// Runs what was accepted again.
    pub(crate) fn finish(
        &self,
        mut accepted: Box<Accepted>,
        at: Timestamp,
    ) -> Result<Finding, AuditError> {
        let strangers = strangers(accepted.peer.origin().as_str());
        let case = Case {
            account: Account {
                name: &strangers,
                allowed: &self.config.strangers,
            },
            given: accepted.given.clone(),
            uses_held: false,
            ..Case::of_leaf(&accepted.peer, &accepted.receipt)
        };
        let finding = match self.examine(&case, at)? {
            Ended::Done(finding) => finding,
            Ended::NotNow => unaudited(Reason::Unreachable),
        };
        accepted.audit.finding = finding.clone();
        let id = accepted.receipt.id().to_string();
        HandedAudit(accepted.audit).store(&self.records, &id)?;
        Ok(finding)
    }

    /// Audits a receipt that somebody hands in. It is run again once: a second time gives what was found, unless that was nothing.
    ///
    /// # Errors
    /// [`HandInError`].
    pub fn hand_in(
        &self,
        peers: &Peers,
        handed: Handed,
        at: Timestamp,
    ) -> Result<(ReceiptId, Finding), HandInError> {
        let (id, accepted) = self.accept(peers, handed, at)?;
        let finding = match accepted {
            Ok(finding) => finding,
            Err(accepted) => self.finish(accepted, at)?,
        };
        Ok((id, finding))
    }

    /// What was found of a receipt that was handed in; `None` if none was, or it is forgotten.
    ///
    /// # Errors
    /// [`AuditError::Document`].
    pub fn handed_in(&self, id: &ReceiptId) -> Result<Option<Audit>, AuditError> {
        let id = id.to_string();
        let load = || HandedAudit::load(&self.records, &id);
        let Some(HandedAudit(audit)) = load()? else {
            return Ok(None);
        };
        let running = Turn::is_taken(&self.under_way, &id);
        if audit.finding != Finding::Begun || running {
            return Ok(Some(audit));
        }
        // Nobody runs it: it came to its end since it was read, or the node ended in between.
        let Some(HandedAudit(mut audit)) = load()? else {
            return Ok(None);
        };
        if audit.finding == Finding::Begun {
            audit.finding = unaudited(Reason::Interrupted);
        }
        Ok(Some(audit))
    }

    /// Forgets audits of receipts that were handed in a week ago, and says how many.
    ///
    /// # Errors
    /// [`AuditError::Document`].
    pub fn sweep(&self, at: Timestamp) -> Result<u64, AuditError> {
        let mut old = Vec::new();
        HandedAudit::each(&self.records, |key, HandedAudit(audit)| {
            if audit.at.saturating_add(KEPT_S) <= at.unix_seconds() {
                old.push(key);
            }
            Ok(())
        })?;
        for key in &old {
            self.records.delete(HandedAudit::KIND, key)?;
        }
        Ok(old.len() as u64)
    }
}
