//! Samples of a log, from the draw to the report.
//!
//! Enters: a log that was pulled and verified up to a cosigned checkpoint. Leaves: what became of each leaf of the sample, and the
//! log's [`Report`]. Refuses: checkpoints without their quorum; leaves that were sampled from before.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tenzik_log::LeafError;
use tenzik_log::checkpoint::SignedCheckpoint;
use tenzik_log::sampling::SampleSecret;
use tenzik_log::tree::TreeError;
use tenzik_receipt::{SignedReceipt, Timestamp, Verifier};
use tenzik_store::{Catalog, Records};

use super::case::{Case, Ended, Outcome};
use super::evidence::EvidenceStore;
use super::finding::{Audit, Finding, Reason};
use super::judge::Judge;
use super::plan::Plan;
use super::report::{Report, Sums, Waits};
use super::{AuditConfig, AuditError, Findings, secret};
use crate::blobs::Blobs;
use crate::documents::{Document, DocumentError};
use crate::durable::Directory;
use crate::federation::client::Client;
use crate::federation::mirror::STEP_ENTRIES;
use crate::federation::peers::Peer;

/// Fetched capsules that are kept at hand: at most 4 times [`AuditConfig::blob_bytes_max`].
const CAPSULES_AT_HAND: NonZeroUsize = NonZeroUsize::new(4).expect("it is not 0");

/// So many leaves of a sample may go without an answer in one go: each may take as long as a request.
const SILENT_MAX: u32 = 2;

/// What an auditor is made of.
pub struct AuditorParts {
    /// Where the secret of the samples is.
    pub directory: PathBuf,
    /// Where plans, findings and budgets are kept.
    pub records: Records,
    /// Which capsules a log shows first.
    pub catalog: Catalog,
    /// Where evidence goes.
    pub evidence: Arc<EvidenceStore>,
    /// What this node holds itself; of that, only what peers may read is used.
    pub blobs: Option<Arc<Blobs>>,
    /// How peers are asked.
    pub client: Client,
    /// Who is told.
    pub findings: Arc<dyn Findings>,
    /// How audits are done.
    pub config: AuditConfig,
}

/// Audits logs, one leaf at a time. Every call blocks, for as long as a sample takes.
pub struct Auditor {
    pub(super) records: Records,
    pub(super) catalog: Catalog,
    pub(super) evidence: Arc<EvidenceStore>,
    pub(super) blobs: Option<Arc<Blobs>>,
    pub(super) client: Client,
    pub(super) findings: Arc<dyn Findings>,
    pub(super) config: AuditConfig,
    pub(super) judge: Judge,
    /// What was run again, or could not be, by what was found.
    pub(crate) outcomes: Family<Outcome, Counter>,
    secret: SampleSecret,
    capsules: Mutex<LruCache<[u8; 32], Arc<[u8]>>>,
    /// The logs that an audit is under way of, and the receipts that were handed in and are run now.
    pub(super) under_way: Arc<Mutex<BTreeSet<String>>>,
}

/// A log that was pulled and verified.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Whose log it is.
    pub peer: &'a Peer,
    /// The newest checkpoint that counts.
    pub head: &'a SignedCheckpoint,
    /// How many entries are held, all of them in the tree of `head`.
    pub size: u64,
    /// The canonical receipt at an index below `size`: [`Mirror::entry`](crate::federation::Mirror::entry).
    pub entry: &'a (dyn Fn(u64) -> Result<Vec<u8>, TreeError> + Sync),
}

/// What a call of [`Auditor::audit`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audited {
    /// Leaves that were dealt with in this call, with what was found.
    pub found: Vec<(u64, Finding)>,
    /// How many leaves are still to be dealt with: the peer does not answer, or was found out.
    pub pending: u64,
    /// Whether there are leaves that no sample was drawn from yet.
    pub more: bool,
}

impl Auditor {
    /// Opens an auditor. What was under way when it ended goes on with the next [`audit`](Self::audit).
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn open(parts: AuditorParts) -> Result<Self, AuditError> {
        let directory = Directory::open(parts.directory)?;
        let secret = secret::open(&directory)?;
        Ok(Self {
            records: parts.records,
            catalog: parts.catalog,
            evidence: parts.evidence,
            blobs: parts.blobs,
            client: parts.client,
            findings: parts.findings,
            judge: Judge::new(parts.config.time_ms_max)?,
            config: parts.config,
            outcomes: Family::default(),
            secret,
            capsules: Mutex::new(LruCache::new(CAPSULES_AT_HAND)),
            under_way: Arc::default(),
        })
    }

    /// Goes on with a log's sample, or draws the next one: of all leaves that are held, are in the catalog, and were not sampled from
    /// before, at most [`STEP_ENTRIES`] at a time. Does nothing while another thread audits the same log.
    ///
    /// # Errors
    /// [`AuditError`]. What was dealt with stays.
    pub fn audit(&self, subject: &Subject<'_>, at: Timestamp) -> Result<Audited, AuditError> {
        self.audit_while(subject, at, &|| true)
    }

    /// The same, but no leaf is begun once `goes_on` says no. What is left waits for the next call; then
    /// [`Audited::pending`] counts no more than that there is something.
    ///
    /// # Errors
    /// [`AuditError`]. What was dealt with stays.
    pub fn audit_while(
        &self,
        subject: &Subject<'_>,
        at: Timestamp,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Audited, AuditError> {
        let origin = subject.peer.origin().as_str();
        let Some(_turn) = Turn::take(&self.under_way, origin) else {
            return Ok(Audited::default());
        };
        let mut audited = Audited::default();
        let found_out = self.ask_again(subject, at, goes_on, &mut audited)?;
        if let Some(plan) = self.plan(subject, at)? {
            self.work(subject, &plan, at, found_out, goes_on, &mut audited)?;
            if audited.pending == 0 {
                self.add_up(subject.peer, &plan)?;
            }
            audited.more = plan.to < self.end(subject)?;
        }
        audited.pending += self.sums(origin)?.waiting.len() as u64;
        self.tell(subject.peer)?;
        Ok(audited)
    }

    /// The report of a peer's log: of all that was found until now, the sample that is under way included.
    ///
    /// # Errors
    /// [`AuditError`].
    pub fn report(&self, peer: &Peer) -> Result<Report, AuditError> {
        let origin = peer.origin().as_str();
        let held = self.catalog.progress(origin)?;
        let mut sums = self.sums(origin)?;
        let (mut drawn_to, mut open) = (sums.next, 0);
        let plan = Plan::load(&self.records, origin)?;
        if let Some(plan) = plan.filter(|plan| plan.from == sums.next) {
            let found = self.found(origin, &plan, &sums)?;
            open = plan
                .leaves()
                .filter(|index| !sums.waiting.contains_key(index))
                .count() as u64;
            for (index, finding) in found
                .iter()
                .filter(|(_, finding)| *finding != Finding::Begun)
            {
                sums.count(plan.drawn.contains(index), finding);
                open -= 1;
            }
            drawn_to = plan.to;
        }
        Ok(sums.report(held, drawn_to, open, peer.audit.unaudited_ppm_max))
    }

    /// The audits of a log's leaves, by index after `after`.
    ///
    /// # Errors
    /// [`AuditError::Document`].
    pub fn audits(
        &self,
        origin: &str,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<Audit>, AuditError> {
        let after = after.map_or_else(|| format!("{origin} "), |index| leaf_key(origin, index));
        let rows = Audit::list(&self.records, &after, limit)?;
        let of_log = rows.into_iter().map(|(_, audit)| audit);
        Ok(of_log
            .take_while(|audit| audit.origin == origin && audit.index.is_some())
            .collect())
    }

    /// The capsules that are kept at hand.
    pub(super) fn at_hand(&self) -> MutexGuard<'_, LruCache<[u8; 32], Arc<[u8]>>> {
        self.capsules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sums(&self, origin: &str) -> Result<Sums, DocumentError> {
        Ok(Sums::load(&self.records, origin)?.unwrap_or_default())
    }

    /// Where leaves end that can be sampled from.
    fn end(&self, subject: &Subject<'_>) -> Result<u64, AuditError> {
        let listed = self.catalog.progress(subject.peer.origin().as_str())?;
        Ok(subject.size.min(listed))
    }

    /// The sample that is under way, or a new one; `None` if there is nothing new.
    fn plan(&self, subject: &Subject<'_>, at: Timestamp) -> Result<Option<Plan>, AuditError> {
        let peer = subject.peer;
        let origin = peer.origin().as_str();
        let from = self.sums(origin)?.next;
        if let Some(plan) = Plan::load(&self.records, origin)? {
            if plan.from == from {
                return Ok(Some(plan));
            }
            // It was added to the report, and the node ended before it was removed.
            self.records.delete(Plan::KIND, origin)?;
        }
        let to = self.end(subject)?.min(from + STEP_ENTRIES);
        if to <= from {
            return Ok(None);
        }
        peer.policy.check(subject.head)?;
        let first_seen = self.catalog.first_seen_capsules(origin, from, to)?;
        let first_seen = first_seen.into_iter().map(|(_, index)| index);
        let ground = subject.head.to_bytes();
        let plan = Plan::draw(
            &self.secret,
            &ground,
            from..to,
            &peer.audit,
            first_seen,
            at.unix_seconds(),
        );
        // From here on it is drawn: no crash and no later checkpoint gives another sample of these leaves.
        plan.create(&self.records, origin)?;
        Ok(Some(plan))
    }

    /// Deals with the leaves of a sample. What the peer does not answer about is put off, and holds up no other leaf.
    fn work(
        &self,
        subject: &Subject<'_>,
        plan: &Plan,
        at: Timestamp,
        mut found_out: bool,
        goes_on: &dyn Fn() -> bool,
        audited: &mut Audited,
    ) -> Result<(), AuditError> {
        let origin = subject.peer.origin().as_str();
        let is_over = at.unix_seconds() >= plan.at.saturating_add(self.config.wait_s);
        let waiting = self.sums(origin)?.waiting;
        let mut silent = 0;
        for index in plan.leaves().filter(|index| !waiting.contains_key(index)) {
            let finding = match Audit::load(&self.records, &leaf_key(origin, index))? {
                Some(audit) if audit.finding != Finding::Begun => continue,
                Some(_) => unaudited(Reason::Interrupted),
                None if !goes_on() => {
                    audited.pending += 1;
                    break;
                }
                // Who was found out is not audited on.
                None if found_out => {
                    audited.pending += 1;
                    continue;
                }
                None if silent >= SILENT_MAX && is_over => unaudited(Reason::Unreachable),
                None if silent >= SILENT_MAX => {
                    audited.pending += 1;
                    continue;
                }
                None => match self.leaf(subject, index, at)? {
                    Ended::Done(finding) => finding,
                    Ended::NotNow => {
                        silent += 1;
                        let waits = Waits {
                            at: plan.at,
                            drawn: plan.drawn.contains(&index),
                            tried: at.unix_seconds(),
                        };
                        match is_over {
                            true => unaudited(Reason::Unreachable),
                            false => {
                                let put_off = self.put_off(origin, index, waits)?;
                                audited.pending += u64::from(!put_off);
                                continue;
                            }
                        }
                    }
                },
            };
            found_out |= matches!(finding, Finding::Forged { .. });
            self.note(origin, index, &finding, at)?;
            audited.found.push((index, finding));
        }
        Ok(())
    }

    /// Asks again about leaves that wait, those first that it was asked about least lately, until the peer does not answer. Whether it
    /// was found out.
    fn ask_again(
        &self,
        subject: &Subject<'_>,
        at: Timestamp,
        goes_on: &dyn Fn() -> bool,
        audited: &mut Audited,
    ) -> Result<bool, AuditError> {
        let origin = subject.peer.origin().as_str();
        let mut waiting: Vec<_> = self.sums(origin)?.waiting.into_iter().collect();
        waiting.sort_by_key(|(index, waits)| (waits.tried, *index));
        let mut silent = false;
        for (index, waits) in waiting {
            let is_over = at.unix_seconds() >= waits.at.saturating_add(self.config.wait_s);
            let finding = match Audit::load(&self.records, &leaf_key(origin, index))? {
                // The node ended before it was counted.
                Some(audit) if audit.finding != Finding::Begun => audit.finding,
                Some(_) => unaudited(Reason::Interrupted),
                None if !goes_on() => break,
                None if silent && is_over => unaudited(Reason::Unreachable),
                None if silent => continue,
                None => match self.leaf(subject, index, at)? {
                    Ended::Done(finding) => finding,
                    Ended::NotNow => {
                        silent = true;
                        if !is_over {
                            let tried = at.unix_seconds();
                            self.put_off(origin, index, Waits { tried, ..waits })?;
                            continue;
                        }
                        unaudited(Reason::Unreachable)
                    }
                },
            };
            self.note(origin, index, &finding, at)?;
            Sums::update(&self.records, origin, |sums| sums.settle(index, &finding))?;
            let found_out = matches!(finding, Finding::Forged { .. });
            audited.found.push((index, finding));
            if found_out {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Puts a leaf off that was begun and not answered about; `false` if too many wait.
    fn put_off(&self, origin: &str, index: u64, waits: Waits) -> Result<bool, DocumentError> {
        let put_off = Sums::update(&self.records, origin, |sums| sums.put_off(index, waits))?;
        // A crash before this: it is taken for one that ended the node.
        self.records.delete(Audit::KIND, &leaf_key(origin, index))?;
        Ok(put_off)
    }

    fn leaf(&self, subject: &Subject<'_>, index: u64, at: Timestamp) -> Result<Ended, AuditError> {
        let peer = subject.peer;
        let origin = peer.origin().as_str();
        let bytes = (subject.entry)(index)?;
        let read = peer.rules.read(&bytes, at, &mut Verifier::remembering(0));
        let receipt = read.as_ref().ok().map(|(_, receipt)| receipt);
        let begun = begun(origin, Some(index), receipt, at);
        begun.store(&self.records, &leaf_key(origin, index))?;
        let receipt = match read {
            Ok((_, receipt)) => receipt,
            Err(error) => return Ok(Ended::Done(unread(&error, &bytes))),
        };
        self.examine(&Case::of_leaf(peer, &receipt), at)
    }

    /// Writes down what was found, beside what was written when it began.
    fn note(
        &self,
        origin: &str,
        index: u64,
        finding: &Finding,
        at: Timestamp,
    ) -> Result<(), DocumentError> {
        let key = leaf_key(origin, index);
        let audit = Audit::load(&self.records, &key)?;
        let mut audit = audit.unwrap_or_else(|| begun(origin, Some(index), None, at));
        audit.finding = finding.clone();
        audit.store(&self.records, &key)
    }

    /// Adds the finished sample to the report, and removes it.
    fn add_up(&self, peer: &Peer, plan: &Plan) -> Result<(), AuditError> {
        let origin = peer.origin().as_str();
        let found = self.found(origin, plan, &self.sums(origin)?)?;
        Sums::update(&self.records, origin, |sums| {
            let found = found.iter().map(|(index, finding)| (*index, finding));
            sums.add(plan, found);
        })?;
        // A crash here: the plan begins before the report's end, and is removed at the next audit.
        self.records.delete(Plan::KIND, origin)?;
        Ok(())
    }

    /// What was found of a sample's leaves that do not wait.
    fn found(
        &self,
        origin: &str,
        plan: &Plan,
        sums: &Sums,
    ) -> Result<Vec<(u64, Finding)>, DocumentError> {
        let mut found = Vec::new();
        for index in plan
            .leaves()
            .filter(|index| !sums.waiting.contains_key(index))
        {
            if let Some(audit) = Audit::load(&self.records, &leaf_key(origin, index))? {
                found.push((index, audit.finding));
            }
        }
        Ok(found)
    }

    /// Tells of a peer that has become opaque, or no longer is. A crash in between: it is told again.
    fn tell(&self, peer: &Peer) -> Result<(), AuditError> {
        let report = self.report(peer)?;
        let origin = peer.origin().as_str();
        if report.is_opaque == self.sums(origin)?.told_opaque {
            return Ok(());
        }
        let ppm = report.unaudited_ppm;
        match report.is_opaque {
            true => {
                tracing::error!(peer = %peer.name, unaudited_ppm = ppm, "the peer is opaque: too much of it cannot be audited");
            }
            false => {
                tracing::warn!(peer = %peer.name, unaudited_ppm = ppm, "the peer is not opaque any more")
            }
        }
        self.findings.opaque(peer, &report);
        let told = report.is_opaque;
        Ok(Sums::update(&self.records, origin, |sums| {
            sums.told_opaque = told
        })?)
    }
}

/// The one thread that audits a log or a receipt.
pub(super) struct Turn {
    under_way: Arc<Mutex<BTreeSet<String>>>,
    name: String,
}

impl Turn {
    pub(super) fn take(under_way: &Arc<Mutex<BTreeSet<String>>>, name: &str) -> Option<Self> {
        let mut all = under_way.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_owned()).then(|| Self {
            under_way: Arc::clone(under_way),
            name: name.to_owned(),
        })
    }

    pub(super) fn is_taken(under_way: &Mutex<BTreeSet<String>>, name: &str) -> bool {
        let all = under_way.lock().unwrap_or_else(PoisonError::into_inner);
        all.contains(name)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let all = self.under_way.lock();
        all.unwrap_or_else(PoisonError::into_inner)
            .remove(&self.name);
    }
}

pub(super) fn begun(
    origin: &str,
    index: Option<u64>,
    receipt: Option<&SignedReceipt>,
    at: Timestamp,
) -> Audit {
    Audit {
        at: at.unix_seconds(),
        finding: Finding::Begun,
        index,
        origin: origin.to_owned(),
        receipt: receipt.map(|receipt| receipt.id().to_string()),
    }
}

/// A leaf that may not be in the log was told of when it was pulled; here it is one that nobody can run.
fn unread(error: &LeafError, leaf: &[u8]) -> Finding {
    unaudited(match error.accuses(leaf) {
        true => Reason::BadLeaf,
        false => Reason::Unknown,
    })
}

pub(super) const fn unaudited(reason: Reason) -> Finding {
    Finding::Unaudited { reason }
}

/// An origin has no space, so no log's keys stand among another's; and a number's digits keep its order.
pub(super) fn leaf_key(origin: &str, index: u64) -> String {
    format!("{origin} {index:020}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_at_a_time_has_a_turn() {
        let under_way = Arc::default();
        let first = Turn::take(&under_way, "one");
        assert!(first.is_some());
        assert!(Turn::take(&under_way, "one").is_none());
        assert!(Turn::is_taken(&under_way, "one") && !Turn::is_taken(&under_way, "other"));
        // A turn that was refused gives back nothing.
        assert!(Turn::take(&under_way, "one").is_none());
        assert!(Turn::take(&under_way, "other").is_some());
        drop(first);
        assert!(Turn::take(&under_way, "one").is_some());
    }
}
