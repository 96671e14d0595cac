//! One receipt that is to be run again: budget, content, re-run, evidence.
//!
//! Enters: a receipt whose signature holds, and where its capsule and input may be. Leaves: a [`Finding`]. Refuses: what the account
//! cannot pay, before any of it is done.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use serde::{Deserialize, Serialize};
use tenzik::replay::Difference;
use tenzik_log::evidence::{Evidence, ForgedClaim};
use tenzik_receipt::{Blake3, Claim, Disclosed, Int, SignedReceipt, Timestamp, WasmClaim, to_hex};

use super::auditor::Auditor;
use super::budget::{Account, Cost, Reserved};
use super::content::{Fetcher, NoContent};
use super::finding::{Finding, Reason, auditable};
use super::judge::Verdict;
use super::{AuditError, CONTENT_BYTES_MAX};
use crate::blobs::Reader;
use crate::documents::Document;
use crate::federation::peers::Peer;
use crate::text;

/// What a run costs at least: setting one up takes time that no fuel is counted for.
const RUN_FUEL_MIN: u64 = 1_000_000;
/// What a millisecond of a run costs at most: about what a fast machine runs in it. So a limit beyond this node's patience costs no
/// more than that patience, and one capsule without end does not use up a day.
const FUEL_PER_MS: u64 = 1_000_000;

/// The bytes of a capsule or an input.
type Content = Arc<[u8]>;

/// A receipt with whose it is and who pays.
pub(super) struct Case<'a> {
    pub(super) receipt: &'a SignedReceipt,
    pub(super) origin: &'a str,
    /// Whose receipt it is; `None` for this node's own.
    pub(super) peer: Option<&'a Peer>,
    /// From whom content may be fetched, one after the other.
    pub(super) sources: Vec<&'a Peer>,
    pub(super) account: Account<'a>,
    pub(super) given: Given,
    /// Whether what this node holds itself may be used. Not for strangers: what is found would tell them of it.
    pub(super) uses_held: bool,
}

/// Capsule and input, where they are at hand. Their digests are checked.
#[derive(Clone, Default)]
pub(super) struct Given {
    pub(super) capsule: Option<Content>,
    pub(super) input: Option<Content>,
}

/// An audit by what was found, in a word.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    outcome: String,
}

/// What became of a case.
pub(super) enum Ended {
    Done(Finding),
    /// The peer does not answer now.
    NotNow,
}

/// An account has run this capsule before.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {}

impl Document for Seen {
    const KIND: &'static str = "audit-capsule";
}

/// What was taken from the account before the run.
struct Held {
    fuel: Reserved,
    capsule: Option<Reserved>,
}

impl<'a> Case<'a> {
    /// A leaf of a peer's log, at the expense of what is spent on that peer.
    pub(super) fn of_leaf(peer: &'a Peer, receipt: &'a SignedReceipt) -> Self {
        let origin = peer.origin().as_str();
        Self {
            receipt,
            origin,
            peer: Some(peer),
            sources: vec![peer],
            account: Account {
                name: origin,
                allowed: &peer.audit,
            },
            given: Given::default(),
            uses_held: true,
        }
    }
}

impl Auditor {
    /// Runs a receipt again, if that is possible and paid for, and counts what comes of it.
    pub(super) fn examine(&self, case: &Case<'_>, at: Timestamp) -> Result<Ended, AuditError> {
        let ended = self.try_out(case, at)?;
        if let Ended::Done(finding) = &ended {
            let outcome = finding.word();
            self.outcomes.get_or_create(&Outcome { outcome }).inc();
        }
        Ok(ended)
    }

    fn try_out(&self, case: &Case<'_>, at: Timestamp) -> Result<Ended, AuditError> {
        let unaudited = |reason| Ok(Ended::Done(Finding::Unaudited { reason }));
        let claim = match auditable(case.receipt.claim()) {
            Ok(claim) => claim,
            Err(reason) => return unaudited(reason),
        };
        let Some(held) = self.hold(case, claim, at)? else {
            return unaudited(Reason::OverBudget);
        };
        let [capsule, input] = match self.contents(case, claim, at)? {
            Ok(contents) => contents,
            Err(none) => {
                self.pay(case, held, None)?;
                return match none {
                    NoContent::Never(reason) => unaudited(reason),
                    NoContent::NotNow => Ok(Ended::NotNow),
                };
            }
        };
        self.run(case, claim, held, &capsule, &input, at)
            .map(Ended::Done)
    }

    fn run(
        &self,
        case: &Case<'_>,
        claim: &WasmClaim,
        held: Held,
        capsule: &Content,
        input: &[u8],
        at: Timestamp,
    ) -> Result<Finding, AuditError> {
        Seen {}.store(&self.records, &seen_key(&case.account, &claim.capsule))?;
        let (verdict, took) = self.judge.judge(case.receipt.claim(), capsule, input);
        self.pay(case, held, Some(used(claim, &verdict, took)))?;
        match verdict {
            Verdict::Same => Ok(Finding::Same),
            Verdict::Cannot(reason) => {
                told(case, reason);
                Ok(Finding::Unaudited { reason })
            }
            Verdict::Unconfirmed(difference, reason) => {
                told_unconfirmed(case, &difference, reason);
                Ok(Finding::Unaudited { reason })
            }
            Verdict::Forged(difference) => {
                let digest = self.accuse(case, capsule, input, at)?;
                Ok(Finding::forged(&difference, &digest))
            }
        }
    }

    /// Keeps the evidence, and tells of it.
    fn accuse(
        &self,
        case: &Case<'_>,
        capsule: &[u8],
        input: &[u8],
        at: Timestamp,
    ) -> Result<Blake3, AuditError> {
        let receipt = String::from_utf8(case.receipt.to_bytes());
        let evidence = Evidence::ForgedClaim(ForgedClaim {
            capsule: capsule.to_vec(),
            input: input.to_vec(),
            receipt: receipt.expect("a canonical receipt is ASCII or UTF-8"),
        });
        let digest = self.evidence.keep(&evidence, case.origin, at)?;
        let node = case.receipt.receipt().node;
        tracing::error!(origin = case.origin, %node, evidence = %digest, "a node signed a claim that a re-run contradicts");
        if let Some(peer) = case.peer {
            self.findings.forged(peer, &evidence, &digest);
        }
        Ok(digest)
    }

    /// Takes what the run may cost; `None` if the account has not as much.
    fn hold(
        &self,
        case: &Case<'_>,
        claim: &WasmClaim,
        at: Timestamp,
    ) -> Result<Option<Held>, AuditError> {
        let account = &case.account;
        let patience = u64::from(self.config.time_ms_max).saturating_mul(FUEL_PER_MS);
        let fuel = claim.limits.fuel.get().min(patience);
        let fuel = Cost::Fuel(fuel.max(RUN_FUEL_MIN));
        let Some(fuel) = account.reserve(&self.records, fuel, at)? else {
            return Ok(None);
        };
        if Seen::load(&self.records, &seen_key(account, &claim.capsule))?.is_some() {
            let capsule = None;
            return Ok(Some(Held { fuel, capsule }));
        }
        let capsule = account.reserve(&self.records, Cost::Capsules(1), at)?;
        if capsule.is_none() {
            account.settle(&self.records, fuel, 0)?;
            return Ok(None);
        }
        Ok(Some(Held { fuel, capsule }))
    }

    /// Gives back what was not used: all of it, capsule included, if nothing was run.
    fn pay(&self, case: &Case<'_>, held: Held, used: Option<u64>) -> Result<(), AuditError> {
        let account = &case.account;
        account.settle(&self.records, held.fuel, used.unwrap_or(0))?;
        match held.capsule.filter(|_| used.is_none()) {
            Some(capsule) => Ok(account.settle(&self.records, capsule, 0)?),
            None => Ok(()),
        }
    }

    fn contents(
        &self,
        case: &Case<'_>,
        claim: &WasmClaim,
        at: Timestamp,
    ) -> Result<Result<[Content; 2], NoContent>, AuditError> {
        let Disclosed::Open(input) = claim.input else {
            return Ok(Err(NoContent::Never(Reason::Private)));
        };
        let capsule =
            match self.content(case, case.given.capsule.as_ref(), &claim.capsule, true, at)? {
                Ok(capsule) => capsule,
                Err(none) => return Ok(Err(none)),
            };
        let input = self.content(case, case.given.input.as_ref(), &input, false, at)?;
        Ok(input.map(|input| [capsule, input]))
    }

    /// What was given, what this node holds and peers may read if the case may use that, or what the peer answers. Capsules come again
    /// and again, so the last few are kept at hand.
    fn content(
        &self,
        case: &Case<'_>,
        given: Option<&Content>,
        digest: &Blake3,
        is_capsule: bool,
        at: Timestamp,
    ) -> Result<Result<Content, NoContent>, AuditError> {
        if let Some(given) = given {
            return Ok(check(given, digest));
        }
        if case.uses_held
            && let Some(held) = self.at_hand_or_held(digest, at)
        {
            return Ok(check(&held, digest));
        }
        let fetched = self.fetch(case, digest, at)?.map(Arc::<[u8]>::from);
        if let Ok(bytes) = &fetched
            && is_capsule
            && case.uses_held
        {
            self.at_hand().put(*digest.as_bytes(), Arc::clone(bytes));
        }
        Ok(fetched)
    }

    fn fetch(
        &self,
        case: &Case<'_>,
        digest: &Blake3,
        at: Timestamp,
    ) -> Result<Result<Vec<u8>, NoContent>, AuditError> {
        let mut fetched = Err(NoContent::Never(Reason::BlobMissing));
        for peer in &case.sources {
            let fetcher = Fetcher {
                client: &self.client,
                records: &self.records,
                peer,
                account: case.account,
                blob_bytes_max: self.config.blob_bytes_max.min(CONTENT_BYTES_MAX),
            };
            fetched = fetcher.fetch(digest, at)?;
            if fetched.is_ok() {
                break;
            }
        }
        Ok(fetched)
    }

    fn at_hand_or_held(&self, digest: &Blake3, at: Timestamp) -> Option<Content> {
        let at_hand = self.at_hand().get(digest.as_bytes()).cloned();
        at_hand.or_else(|| self.held(digest, at))
    }

    /// What this node holds itself and peers may read: the evidence may be shown to them.
    fn held(&self, digest: &Blake3, at: Timestamp) -> Option<Content> {
        let as_peer = Reader {
            peer: true,
            ..Reader::default()
        };
        let read = self.blobs.as_ref()?.read(digest, &as_peer, None, at);
        match read {
            Ok(bytes) => bytes.map(Arc::from),
            Err(error) => {
                tracing::error!(%error, "a blob is not read for an audit");
                None
            }
        }
    }
}

/// The fuel that a verdict took. Of a run that did not end nobody knows it, nor of one that was run twice: there it is by the time
/// that went by, and by no more than the limit.
fn used(claim: &WasmClaim, verdict: &Verdict, took: Duration) -> u64 {
    let limit = claim.limits.fuel.get();
    let by_time = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let by_time = by_time.saturating_add(1).saturating_mul(FUEL_PER_MS);
    let fuel = match (verdict, &claim.fuel) {
        (Verdict::Same, Some(Disclosed::Open(fuel))) => Int::get(*fuel),
        (Verdict::Cannot(Reason::RefusedHere | Reason::Unknown), _) => 0,
        _ => by_time.min(limit),
    };
    fuel.max(RUN_FUEL_MIN)
}

fn check(bytes: &Content, digest: &Blake3) -> Result<Content, NoContent> {
    if bytes.len() as u64 > CONTENT_BYTES_MAX {
        return Err(NoContent::Never(Reason::TooLarge));
    }
    match Blake3::of(bytes) == *digest {
        true => Ok(Arc::clone(bytes)),
        false => Err(NoContent::Never(Reason::BlobMissing)),
    }
}

fn seen_key(account: &Account<'_>, capsule: &Blake3) -> String {
    format!("{} {}", account.name, to_hex(capsule.as_bytes()))
}

/// What is this node's own fault is told loudly.
fn told(case: &Case<'_>, reason: Reason) {
    if !matches!(reason, Reason::EnginesDisagree | Reason::EngineFailed) {
        return;
    }
    let (receipt, capsule) = (case.receipt.id(), capsule(case));
    tracing::error!(%receipt, capsule, %reason, "this node's engines do not settle a claim; nobody is accused");
}

/// A lie may be behind it, or a flaw of the one engine: somebody should look.
fn told_unconfirmed(case: &Case<'_>, difference: &Difference, reason: Reason) {
    let (receipt, capsule) = (case.receipt.id(), capsule(case));
    let (origin, node) = (case.origin, case.receipt.receipt().node);
    let (claimed, found) = (
        text::shown(&difference.claimed),
        text::shown(&difference.found),
    );
    tracing::error!(origin, %node, %receipt, capsule, member = difference.member, claimed, found, %reason,
        "one engine contradicts a claim and no second one confirms it; nobody is accused");
}

fn capsule(case: &Case<'_>) -> String {
    match case.receipt.claim() {
        Claim::Wasm(claim) => claim.capsule.to_string(),
        _ => String::new(),
    }
}
