//! Disputes: receipts that answer one request differently, as `docs/receipt.md` defines it.
//!
//! Enters: the catalog's candidates. Leaves: [`Dispute`]s, and once settled which sides are false, with evidence. Refuses: pairs of
//! which both may be honest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tenzik::replay;
use tenzik_log::LeafError;
use tenzik_receipt::dispute::{Comparison, compare};
use tenzik_receipt::{RequestId, SignedReceipt, Timestamp};
use tenzik_store::CatalogRow;
use utoipa::ToSchema;

use super::AuditError;
use super::auditor::{Auditor, unaudited};
use super::budget::Account;
use super::case::{Case, Ended, Given};
use super::finding::{Finding, Reason};
use crate::documents::Document;
use crate::federation::peers::{Peer, Peers};

/// Who pays for re-runs of this node's own receipts. No origin has a space.
const OWN: &str = "own receipts";

/// Where receipts are: the node's own log, and its mirrors.
pub trait Places: Send + Sync {
    /// The canonical receipt at an index of a log; `None` if this node does not hold it.
    ///
    /// # Errors
    /// [`AuditError`].
    fn receipt(&self, origin: &str, index: u64) -> Result<Option<Vec<u8>>, AuditError>;
}

/// One answer to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Side {
    /// The log.
    pub origin: String,
    /// The first receipt's index in it.
    pub index: u64,
    /// The first receipt's id.
    pub receipt: String,
    /// What it claims.
    pub claim: String,
    /// Who signed it.
    pub node: String,
    /// How the run ended, by this claim.
    pub status: String,
    /// What a re-run found: `same` is true, `forged` is false. Absent: nobody has tried.
    pub finding: Option<Finding>,
}

/// Answers to one request of which at most one is true.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Dispute {
    /// The request's id.
    pub request: String,
    /// Each answer once.
    pub sides: Vec<Side>,
    /// Whether each side was found true or false.
    pub is_settled: bool,
}

/// What was found of the sides of a dispute, by claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct Settlement(BTreeMap<String, Finding>);

impl Document for Settlement {
    const KIND: &'static str = "dispute";
}

/// A side with its receipt.
struct Answer {
    row: CatalogRow,
    receipt: SignedReceipt,
}

impl Auditor {
    /// Disputes by request after `after`, of at most `limit` candidates; with it where to go on, if there may be more.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn disputes(
        &self,
        places: &dyn Places,
        after: Option<RequestId>,
        limit: usize,
    ) -> Result<(Vec<Dispute>, Option<RequestId>), AuditError> {
        let candidates = self.catalog.disputed(after, limit)?;
        let last = candidates
            .last()
            .and_then(|rows| rows.first())
            .map(|row| row.request);
        let next = last.filter(|_| candidates.len() == limit);
        let mut disputes = Vec::new();
        for rows in candidates {
            let answers = answers(places, rows)?;
            if !answers.is_empty() {
                disputes.push(self.shown(&answers)?);
            }
        }
        Ok((disputes, next))
    }

    /// Runs the sides of a dispute again that were not yet found true or false; `None` if this request is in no dispute. What cannot
    /// be run stays open, with the reason, and may be tried again.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn settle(
        &self,
        places: &dyn Places,
        peers: &Peers,
        request: RequestId,
        at: Timestamp,
    ) -> Result<Option<Dispute>, AuditError> {
        let answers = self.answers_to(places, request)?;
        if answers.is_empty() {
            return Ok(None);
        }
        let key = request.to_string();
        let mut settled = Settlement::load(&self.records, &key)?.unwrap_or_default();
        let of = |answer: &Answer| {
            let mut logs = peers.iter();
            logs.find(|peer| peer.origin().as_str() == answer.row.origin)
        };
        // One request, one capsule and input: whoever has them may give them.
        let sources: Vec<&Peer> = answers.iter().filter_map(of).collect();
        for answer in &answers {
            let claim = answer.row.claim.to_string();
            if settled.0.get(&claim).is_some_and(is_final) {
                continue;
            }
            let finding = self.side(answer, of(answer), &sources, at)?;
            settled.0.insert(claim, finding);
            // After each: a crash costs one re-run at most.
            settled.store(&self.records, &key)?;
        }
        self.shown(&answers).map(Some)
    }

    fn side(
        &self,
        answer: &Answer,
        peer: Option<&Peer>,
        sources: &[&Peer],
        at: Timestamp,
    ) -> Result<Finding, AuditError> {
        let case = Case {
            receipt: &answer.receipt,
            origin: &answer.row.origin,
            peer,
            sources: sources.to_vec(),
            account: Account {
                name: peer.map_or(OWN, |peer| peer.origin().as_str()),
                allowed: peer.map_or(&self.config.strangers, |peer| &peer.audit),
            },
            given: Given::default(),
            uses_held: true,
        };
        Ok(match self.examine(&case, at)? {
            Ended::Done(finding) => finding,
            Ended::NotNow => unaudited(Reason::Unreachable),
        })
    }

    fn answers_to(
        &self,
        places: &dyn Places,
        request: RequestId,
    ) -> Result<Vec<Answer>, AuditError> {
        let rows = self.catalog.disputed(before(request), 1)?.pop();
        let rows = rows.filter(|rows| rows.first().is_some_and(|row| row.request == request));
        answers(places, rows.unwrap_or_default())
    }

    fn shown(&self, answers: &[Answer]) -> Result<Dispute, AuditError> {
        let request = answers[0].row.request.to_string();
        let settled = Settlement::load(&self.records, &request)?.unwrap_or_default();
        let side = |answer: &Answer| {
            let row = &answer.row;
            let claim = row.claim.to_string();
            Side {
                origin: row.origin.clone(),
                index: row.index,
                receipt: row.receipt.to_string(),
                finding: settled.0.get(&claim).cloned(),
                claim,
                node: row.node.to_string(),
                status: row.status.clone(),
            }
        };
        let sides: Vec<Side> = answers.iter().map(side).collect();
        let is_settled = sides
            .iter()
            .all(|side| side.finding.as_ref().is_some_and(is_final));
        Ok(Dispute {
            request,
            sides,
            is_settled,
        })
    }
}

/// The candidates that are in dispute with another one.
fn answers(places: &dyn Places, rows: Vec<CatalogRow>) -> Result<Vec<Answer>, AuditError> {
    let mut answers = Vec::new();
    for row in rows {
        let Some(bytes) = places.receipt(&row.origin, row.index)? else {
            continue;
        };
        match SignedReceipt::from_bytes(&bytes).map_err(LeafError::from) {
            // The catalog and the log disagree: then nothing is said about it.
            Ok(receipt) if receipt.id() != row.receipt => {}
            Ok(receipt) => answers.push(Answer { row, receipt }),
            Err(error) => tracing::error!(origin = row.origin, %error, "a stored leaf is not read"),
        }
    }
    let disputed = |one: &Answer| {
        let mut others = answers.iter();
        others.any(|other| {
            let (one, other) = (one.receipt.claim(), other.receipt.claim());
            compare(one, other, replay::is_known) == Comparison::Dispute
        })
    };
    let disputed: Vec<bool> = answers.iter().map(disputed).collect();
    let mut disputed = disputed.into_iter();
    answers.retain(|_| disputed.next().unwrap_or(false));
    Ok(answers)
}

const fn is_final(finding: &Finding) -> bool {
    matches!(finding, Finding::Same | Finding::Forged { .. })
}

/// The id right before this one, so that a list behind it begins with this one.
fn before(request: RequestId) -> Option<RequestId> {
    let mut bytes = *request.as_bytes();
    for byte in bytes.iter_mut().rev() {
        let (less, borrowed) = byte.overflowing_sub(1);
        *byte = less;
        if !borrowed {
            return Some(RequestId::from_bytes(bytes));
        }
    }
    None
}
