//! Promises of peers' logs that somebody shows, and whether they were kept.
//!
//! Enters: a receipt that is handed in. Leaves: evidence, if its log is late. Refuses: to accuse before all of the
//! checkpoint's tree is here, without a quorum of witnesses that dates it after the promise, and where a leaf of the tree
//! could not be judged here.

use tenzik_log::evidence::{BrokenPromise, Evidence, Known};
use tenzik_receipt::{SignedReceipt, Timestamp};
use tenzik_store::catalog::SELECT_MAX;
use tenzik_store::{CatalogRow, Filter};

use super::{Follower, Standing, TurnError, Unsure, lock};
use crate::federation::mirror::Held;

impl Follower {
    /// Holds a peer's log to what it promised in a receipt. If the log has broken its promise, evidence is kept and the peer
    /// is frozen; then this gives true. Blocks on the catalog, and asks nobody.
    pub fn hold_to(&self, receipt: &[u8], now: Timestamp) -> bool {
        match self.broken_promise(receipt, now) {
            Ok(None) => false,
            Ok(Some((at, evidence))) => {
                self.shared.freeze(at, &evidence, "it broke a promise");
                let (state, name) = (&self.shared.states[at], &self.shared.peers[at].name);
                if let Err(error) = lock(state).save(&self.shared.records, name) {
                    tracing::error!(peer = %name, %error, "its state was not written");
                }
                true
            }
            Err(error) => {
                tracing::error!(%error, "a promise is not looked into");
                false
            }
        }
    }

    fn broken_promise(
        &self,
        bytes: &[u8],
        now: Timestamp,
    ) -> Result<Option<(usize, Evidence)>, TurnError> {
        let Ok(receipt) = SignedReceipt::from_bytes(bytes) else {
            return Ok(None);
        };
        let Some(promise) = receipt.receipt().log.as_ref() else {
            return Ok(None);
        };
        let mut peers = self.shared.peers.iter();
        let at = peers.position(|peer| peer.origin().as_str() == promise.origin.as_str());
        let Some(at) = at else {
            return Ok(None);
        };
        // How far it is comes first: whatever is looked up after that has all of that tree.
        let held = lock(&self.shared.readers[at])
            .as_ref()
            .and_then(|reader| reader.held());
        let Some(held) = held else {
            return Ok(None);
        };
        let Some(evidence) = self.evidence(at, bytes, &held, now) else {
            return Ok(None);
        };
        let accuses = self.has_judged_all(at, &held)? && !self.lists(at, &receipt)?;
        Ok(accuses.then_some((at, evidence)))
    }

    /// What shows that the promise is over, if a quorum has dated the checkpoint that is held after it.
    fn evidence(&self, at: usize, receipt: &[u8], held: &Held, now: Timestamp) -> Option<Evidence> {
        let peer = &self.shared.peers[at];
        let evidence = Evidence::BrokenPromise(BrokenPromise {
            receipt: String::from_utf8(receipt.to_vec()).ok()?,
            checkpoint: String::from_utf8(held.head.to_bytes()).ok()?,
        });
        let known = Known {
            log: &peer.log,
            rules: &peer.rules,
            policy: &peer.policy,
            at: now,
        };
        evidence.verify(known).is_ok().then_some(evidence)
    }

    /// Whether the catalog has every leaf of the tree. Of a peer that stands here for something already nothing more is kept.
    fn has_judged_all(&self, at: usize, held: &Held) -> Result<bool, TurnError> {
        let peer = &self.shared.peers[at];
        let record = lock(&self.shared.states[at]).clone();
        let unsure = Unsure::of(&self.shared.records, &peer.name)?;
        let clear = record.standing == Standing::Active && record.bad == 0 && record.unsure == 0;
        let whole = held.size == held.head.checkpoint().size();
        let listed = self.shared.catalog.progress(peer.origin().as_str())?;
        Ok(clear && unsure.indexes().is_empty() && whole && listed >= held.size)
    }

    /// Whether the receipt is in the catalog, as one of this log's.
    fn lists(&self, at: usize, receipt: &SignedReceipt) -> Result<bool, TurnError> {
        let origin = self.shared.peers[at].origin().as_str().to_owned();
        let issued_at = receipt.receipt().issued_at;
        let mut filter = Filter {
            origin: Some(origin.clone()),
            node: Some(receipt.receipt().node),
            since: Some(issued_at),
            until: Some(issued_at.plus_seconds(1)),
            limit: SELECT_MAX,
            ..Filter::default()
        };
        loop {
            let rows = self.shared.catalog.select(&filter)?;
            let is_it = |row: &CatalogRow| row.receipt == receipt.id();
            match rows.last() {
                _ if rows.iter().any(is_it) => return Ok(true),
                Some(last) if rows.len() == SELECT_MAX => {
                    filter.after = Some((origin.clone(), last.index));
                }
                _ => return Ok(false),
            }
        }
    }
}
