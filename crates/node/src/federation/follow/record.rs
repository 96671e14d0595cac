//! What is remembered of a peer: its standing, and its statistics.
//!
//! Enters: what its turns came to. Leaves: a document of the records. Refuses: documents of another form.

use serde::{Deserialize, Serialize};
use tenzik_log::LeafError;
use tenzik_receipt::Timestamp;
use tenzik_store::{Records, RecordsError};
use utoipa::ToSchema;

use crate::federation::mirror::Pulled;
use crate::federation::peers::PeerName;
use crate::text;

/// What the documents are kept under.
const KIND: &str = "peer";
/// How many names of evidence are remembered with a peer; all of it is kept.
const EVIDENCE_MAX: usize = 16;

/// How a peer stands here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// It is followed.
    #[default]
    Active,
    /// It broke its word, and is not followed until an operator says so.
    Frozen,
    /// It said that it leaves.
    Left,
}

/// What is remembered of a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PeerRecord {
    /// How it stands.
    pub standing: Standing,
    /// Why, if it is not active.
    pub reason: Option<String>,
    /// Since when it stands so.
    pub since: Option<String>,
    /// Names of evidence against it, newest last, at most 16.
    pub evidence: Vec<String>,
    /// When it was last pulled without a failure.
    pub pulled_at: Option<String>,
    /// When it last announced itself or sent a heartbeat.
    pub seen_at: Option<String>,
    /// Failed turns in a row.
    pub failures: u32,
    /// Failed turns in all.
    pub failures_total: u64,
    /// Stale checkpoints that it served, in all.
    pub stale_total: u64,
    /// Why the last turn failed; nothing if it did not.
    pub failure: Option<String>,
    /// Entries of its log that are here.
    pub entries: u64,
    /// Of those, the ones that may not be in its log.
    pub bad: u64,
    /// The first of those since the peer was last resumed.
    pub bad_first: Option<u64>,
    /// Of the entries, the ones that this node cannot judge yet.
    pub unsure: u64,
    /// Whether more of its samples could not be audited than its ceiling allows.
    pub opaque: bool,
    /// Bytes of its answers, in all.
    pub received_bytes: u64,
}

impl PeerRecord {
    /// The record of a peer; that of one not seen before if there is none, or one of an older form.
    pub(super) fn load(records: &Records, name: &PeerName) -> Result<Self, RecordsError> {
        let stored = records.get(KIND, name.as_str())?;
        let read = stored.map(|bytes| serde_json::from_slice(&bytes));
        Ok(match read {
            Some(Ok(record)) => record,
            Some(Err(error)) => {
                // Its statistics are lost; a frozen peer must not come back by a damaged record.
                tracing::error!(peer = %name, %error, "its record is damaged");
                Self {
                    standing: Standing::Frozen,
                    reason: Some("its record here is damaged".to_owned()),
                    ..Self::default()
                }
            }
            None => Self::default(),
        })
    }

    pub(super) fn save(&self, records: &Records, name: &PeerName) -> Result<(), RecordsError> {
        let bytes = serde_json::to_vec(self).expect("texts and numbers can be written as JSON");
        records.put(KIND, name.as_str(), &bytes)
    }

    pub(super) const fn traffic(&mut self, received_bytes: u64) {
        self.received_bytes = self.received_bytes.saturating_add(received_bytes);
    }

    /// Counts what is new of it: after a crash the same leaves are judged again.
    pub(super) fn pulled(&mut self, pulled: &Pulled, size: u64, now: Timestamp) {
        let noted = self.entries;
        let new = |leaf: &&(u64, LeafError)| leaf.0 >= noted;
        let mut bad = pulled.bad.iter().filter(new).peekable();
        let first = bad.peek().map(|(index, _)| *index);
        self.bad_first = self.bad_first.or(first);
        self.bad += bad.count() as u64;
        self.unsure += pulled.unsure.iter().filter(new).count() as u64;
        self.entries = size;
        self.pulled_at = Some(now.to_string());
    }

    /// Counts leaves that were unsure and are no more.
    pub(super) fn judged(&mut self, judged: &Pulled) {
        let settled = judged.receipts.len() + judged.bad.len();
        self.unsure = self.unsure.saturating_sub(settled as u64);
        self.bad += judged.bad.len() as u64;
        let first = judged.bad.first().map(|(index, _)| *index);
        self.bad_first = self.bad_first.or(first);
    }

    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
        self.failure = None;
    }

    pub(super) fn failed(&mut self, why: &str, stale: bool) {
        self.failures = self.failures.saturating_add(1);
        self.failures_total += 1;
        self.stale_total += u64::from(stale);
        self.failure = Some(text::shown(why));
    }

    /// Stops following the peer.
    pub fn freeze(&mut self, reason: &str, evidence: Option<String>, now: Option<Timestamp>) {
        self.standing = Standing::Frozen;
        self.reason = Some(text::shown(reason));
        self.since = now.map(|now| now.to_string());
        self.evidence.extend(evidence);
        let surplus = self.evidence.len().saturating_sub(EVIDENCE_MAX);
        self.evidence.drain(..surplus);
    }

    /// Follows the peer again, or for the first time since it left. What it was frozen for does not freeze it again.
    pub fn resume(&mut self, now: Timestamp) {
        self.bad_first = None;
        self.standing = Standing::Active;
        self.reason = None;
        self.since = Some(now.to_string());
        self.failures = 0;
    }

    /// The peer leaves; a frozen one stays frozen.
    pub fn leave(&mut self, now: Timestamp) {
        if self.standing == Standing::Active {
            self.standing = Standing::Left;
            self.reason = Some("it said that it leaves".to_owned());
            self.since = Some(now.to_string());
        }
    }

    /// The peer gave a sign of life.
    pub fn seen(&mut self, now: Timestamp) {
        self.seen_at = Some(now.to_string());
    }
}
