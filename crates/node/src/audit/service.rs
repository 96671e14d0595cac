//! What the routes of audits share.
//!
//! Enters: an auditor, the peers, where receipts are. Leaves: [`Audits`]. Refuses: hand-ins beyond the rate and beyond so many at once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::auditor::Auditor;
use super::dispute::Places;
use super::evidence::EvidenceStore;
use crate::config::Rate;
use crate::federation::peers::{Peer, Peers};
use crate::quota::{Limiter, Who};

/// Receipts of one caller or address that are taken: 30 a minute, 10 at once.
const HANDED: Rate = Rate::new(30, 10);
/// How many callers and addresses are remembered.
const HANDED_KEYS_MAX: u32 = 16_384;
/// How many receipts that were handed in wait or run: each has a thread, and its body in memory.
const HANDED_AT_ONCE: usize = 64;
/// How many of those are one peer's, so that one peer's slow ones do not take every place.
const HANDED_AT_ONCE_OF_PEER: usize = 4;

/// The audits of a node, for its routes.
pub struct Audits {
    /// Who audits.
    pub auditor: Arc<Auditor>,
    /// What is kept of liars.
    pub evidence: Arc<EvidenceStore>,
    /// Where receipts are, for disputes.
    pub places: Arc<dyn Places>,
    /// The peers of now.
    pub peers: Box<dyn Fn() -> Arc<Peers> + Send + Sync>,
    pub(crate) handed: Limiter<Who>,
    at_once: Arc<Semaphore>,
    /// By origin. There are no more than there are peers.
    of_peers: Mutex<HashMap<String, Arc<Semaphore>>>,
}

/// A place among those that wait or run.
pub(crate) struct Place {
    _of_all: OwnedSemaphorePermit,
    _of_peer: OwnedSemaphorePermit,
}

impl Audits {
    /// Puts them together.
    pub fn new(
        auditor: Arc<Auditor>,
        evidence: Arc<EvidenceStore>,
        places: Arc<dyn Places>,
        peers: impl Fn() -> Arc<Peers> + Send + Sync + 'static,
    ) -> Self {
        Self {
            auditor,
            evidence,
            places,
            peers: Box::new(peers),
            handed: Limiter::new(HANDED, HANDED_KEYS_MAX),
            at_once: Arc::new(Semaphore::new(HANDED_AT_ONCE)),
            of_peers: Mutex::default(),
        }
    }

    /// A place for a receipt of a peer's node; `None` if all are taken.
    pub(crate) fn place(&self, peer: &Peer) -> Option<Place> {
        let of_peer = {
            let mut all = self.of_peers.lock().unwrap_or_else(PoisonError::into_inner);
            let origin = peer.origin().as_str().to_owned();
            let places = || Arc::new(Semaphore::new(HANDED_AT_ONCE_OF_PEER));
            Arc::clone(all.entry(origin).or_insert_with(places))
        };
        Some(Place {
            _of_peer: of_peer.try_acquire_owned().ok()?,
            _of_all: Arc::clone(&self.at_once).try_acquire_owned().ok()?,
        })
    }
}
