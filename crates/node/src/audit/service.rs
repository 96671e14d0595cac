//! What the routes of audits share.
//!
//! Enters: an auditor, the peers, where receipts are. Leaves: [`Audits`]. Refuses: hand-ins beyond the rate and beyond so many at once.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::auditor::Auditor;
use super::dispute::Places;
use super::evidence::EvidenceStore;
use crate::config::Rate;
use crate::federation::peers::Peers;
use crate::quota::{Limiter, Who};

/// Receipts of one caller or address that are taken: 30 a minute, 10 at once.
const HANDED: Rate = Rate::new(30, 10);
/// How many callers and addresses are remembered.
const HANDED_KEYS_MAX: u32 = 16_384;
/// How many receipts that were handed in wait or run.
const HANDED_AT_ONCE: usize = 4;

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
    pub(crate) at_once: Arc<Semaphore>,
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
        }
    }
}
