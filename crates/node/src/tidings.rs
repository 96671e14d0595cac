//! What a node does about peers that it finds out, and what it clears away.
//!
//! Enters: mirrors that were pulled, evidence, reports of audits. Leaves: evidence on the disk, frozen peers, samples that were
//! run again. Refuses: to forgive by a crash: evidence that was kept freezes its peer at the next start.

use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, Sender};
use tenzik_log::evidence::Evidence;
use tenzik_receipt::{Blake3, Timestamp};

use crate::audit::dispute::Places;
use crate::audit::{self, Auditor, EvidenceStore, EvidenceStoreError, Report};
use crate::auditing::Auditing;
use crate::blobs::Blobs;
use crate::federation::{self, Follower, Mirror, Peer, PeerRecord, Peers};
use crate::log::LogService;
use crate::system;

/// How often what is over is cleared away.
const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// How many pieces of evidence are looked at in one go when a node starts.
const EXHIBITS: usize = 256;

/// Hears of everything that a peer does, and tells the parts that do something about it.
pub(crate) struct Tidings {
    evidence: Arc<EvidenceStore>,
    /// The parts hold this one; it does not hold them.
    auditing: OnceLock<Auditing>,
    follower: OnceLock<Weak<Follower>>,
}

impl Tidings {
    pub(crate) fn new(evidence: Arc<EvidenceStore>) -> Self {
        Self {
            evidence,
            auditing: OnceLock::new(),
            follower: OnceLock::new(),
        }
    }

    /// Who audits from now on.
    pub(crate) fn audits(&self, auditor: &Arc<Auditor>) -> std::io::Result<()> {
        // A node has one.
        let _ = self.auditing.set(Auditing::start(auditor)?);
        Ok(())
    }

    /// Ends the audits after the leaves that they are at. Blocks.
    pub(crate) fn close(&self) {
        self.auditing.get().into_iter().for_each(Auditing::close);
    }

    /// Who follows the peers from now on. Those that evidence was kept against before a crash are frozen now.
    pub(crate) fn follows(
        &self,
        follower: &Arc<Follower>,
        peers: &Peers,
    ) -> Result<(), EvidenceStoreError> {
        let _ = self.follower.set(Arc::downgrade(follower));
        let mut after = None;
        loop {
            let exhibits = self.evidence.list(after.as_ref(), EXHIBITS)?;
            let Some((last, _)) = exhibits.last() else {
                return Ok(());
            };
            after = Some(*last);
            for (digest, exhibit) in &exhibits {
                let peer = peers
                    .iter()
                    .find(|peer| peer.origin().as_str() == exhibit.origin);
                if let Some(peer) = peer {
                    self.freeze_for(peer, digest, exhibit.at);
                }
            }
        }
    }

    /// Freezes a peer for evidence that its record does not know and no operator has seen.
    fn freeze_for(&self, peer: &Peer, digest: &Blake3, found_at: u64) {
        let known = |record: &PeerRecord| {
            let decided = record
                .since
                .as_deref()
                .and_then(|since| since.parse::<Timestamp>().ok());
            record.evidence.contains(&digest.to_string())
                || decided.is_some_and(|decided| decided.unix_seconds() > found_at)
        };
        let Some(follower) = self.follower() else {
            return;
        };
        let records = follower.records();
        let record = records.iter().find(|(name, _)| *name == peer.name);
        if record.is_some_and(|(_, record)| !known(record)) {
            self.freeze(peer, "evidence against it was kept", digest);
        }
    }

    fn freeze(&self, peer: &Peer, reason: &str, digest: &Blake3) {
        tracing::error!(peer = %peer.name, reason, evidence = %digest, "the peer is frozen");
        let now = system::now().ok();
        let name = digest.to_string();
        self.note(peer, |record| record.freeze(reason, Some(name), now));
    }

    fn note(&self, peer: &Peer, change: impl FnOnce(&mut PeerRecord)) {
        let Some(follower) = self.follower() else {
            return;
        };
        if let Err(error) = follower.change(&peer.name, change) {
            tracing::error!(peer = %peer.name, %error, "its state was not written");
        }
    }

    fn follower(&self) -> Option<Arc<Follower>> {
        self.follower.get()?.upgrade()
    }
}

impl federation::Findings for Tidings {
    fn keep(&self, peer: &Peer, evidence: &Evidence) -> Result<String, String> {
        let now = system::now().map_err(|error| error.to_string())?;
        let kept = self.evidence.keep(evidence, peer.origin().as_str(), now);
        match kept {
            Ok(digest) => Ok(digest.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn grown(&self, mirror: &Mirror, _from: u64) {
        if let Some(auditing) = self.auditing.get() {
            auditing.submit(mirror.reader());
        }
    }
}

impl audit::Findings for Tidings {
    fn forged(&self, peer: &Peer, _: &Evidence, digest: &Blake3) {
        self.freeze(peer, "a node of its signed a false claim", digest);
    }

    fn opaque(&self, peer: &Peer, report: &Report) {
        self.note(peer, |record| record.opaque = report.is_opaque);
    }
}

/// Where receipts are: in the node's own log, and in its mirrors.
pub(crate) struct Everywhere {
    pub(crate) log: Option<LogService>,
    pub(crate) follower: Option<Arc<Follower>>,
}

impl Places for Everywhere {
    fn receipt(&self, origin: &str, index: u64) -> Result<Option<Vec<u8>>, audit::AuditError> {
        if let Some(log) = self
            .log
            .as_ref()
            .filter(|log| log.log().origin().as_str() == origin)
        {
            return Ok(Some(log.log().entry(index)?));
        }
        match &self.follower {
            Some(follower) => Ok(follower.entry(origin, index)?),
            None => Ok(None),
        }
    }
}

/// Clears away what is over, until it is dropped.
pub(crate) struct Housekeeper {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Housekeeper {
    pub(crate) fn start(blobs: Arc<Blobs>, auditor: Arc<Auditor>) -> std::io::Result<Self> {
        let (stop, stopped) = crossbeam_channel::bounded::<()>(0);
        let work = move || {
            loop {
                sweep(&blobs, &auditor);
                if stopped.recv_timeout(SWEEP_EVERY) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("tidy".to_owned())
            .spawn(work)?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

fn sweep(blobs: &Blobs, auditor: &Auditor) {
    let Ok(now) = system::now() else {
        return;
    };
    if let Err(error) = blobs.sweep(now) {
        tracing::error!(%error, "blobs that are over were not removed");
    }
    if let Err(error) = auditor.sweep(now) {
        tracing::error!(%error, "old audits were not removed");
    }
}

impl Drop for Housekeeper {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
