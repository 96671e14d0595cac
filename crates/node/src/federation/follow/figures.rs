//! How following goes, as figures for `/metrics`.
//!
//! Enters: a follower, when the figures are asked for. Leaves: gauges. Refuses: labels that a peer could choose: their names
//! are those of the peers file.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tenzik_receipt::Timestamp;

use super::{Follower, PeerRecord, Standing};
use crate::metrics::Metrics;

type Figure = Gauge<u64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPeer {
    peer: String,
}

/// The figures. Each is a cheap clone of what stands in the registry.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    frozen: Figure,
    opaque: Figure,
    threads: Figure,
    age_s: Family<OfPeer, Figure>,
}

impl Figures {
    /// Has them shown.
    pub(crate) fn register(&self, metrics: &Metrics) {
        metrics.register("peers_frozen", "Frozen peers", self.frozen.clone());
        metrics.register(
            "peers_opaque",
            "Peers of which too much cannot be audited",
            self.opaque.clone(),
        );
        metrics.register(
            "follow_threads",
            "Threads that follow peers",
            self.threads.clone(),
        );
        metrics.register(
            "peer_pull_age_seconds",
            "Since a peer was last pulled without a failure",
            self.age_s.clone(),
        );
    }

    /// Writes them. Called when they are asked for.
    pub(crate) fn recount(&self, follower: &Follower, now: Timestamp) {
        let records = follower.records();
        let count = |is: fn(&PeerRecord) -> bool| {
            records.iter().filter(|(_, record)| is(record)).count() as u64
        };
        self.frozen
            .set(count(|record| record.standing == Standing::Frozen));
        self.opaque.set(count(|record| record.opaque));
        self.threads.set(follower.threads_alive() as u64);
        for (name, record) in &records {
            // One that was never pulled has no age.
            if let Some(age_s) = age_s(record, now) {
                let peer = name.to_string();
                self.age_s.get_or_create(&OfPeer { peer }).set(age_s);
            }
        }
    }
}

fn age_s(record: &PeerRecord, now: Timestamp) -> Option<u64> {
    let pulled: Timestamp = record.pulled_at.as_deref()?.parse().ok()?;
    Some(now.unix_seconds().saturating_sub(pulled.unix_seconds()))
}
