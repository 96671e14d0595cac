//! Leaves that could not be judged when they came, and are judged again.
//!
//! Enters: indexes. Leaves: the same, until a clock, a peers file or a version tells what they are. Refuses: more than
//! [`UNSURE_MAX`] of a log; what is above that is counted, and not judged again.

use serde::{Deserialize, Serialize};
use tenzik_store::Records;

use crate::documents::{Document, DocumentError};
use crate::federation::peers::PeerName;

/// So many are read and verified within a second.
const UNSURE_MAX: usize = 4_096;

/// The indexes of a log's unsure leaves, in order.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Unsure(Vec<u64>);

impl Document for Unsure {
    const KIND: &'static str = "unsure";
}

impl Unsure {
    pub(super) fn of(records: &Records, peer: &PeerName) -> Result<Self, DocumentError> {
        Ok(Self::load(records, peer.as_str())?.unwrap_or_default())
    }

    pub(super) fn save(&self, records: &Records, peer: &PeerName) -> Result<(), DocumentError> {
        self.store(records, peer.as_str())
    }

    pub(super) fn indexes(&self) -> &[u64] {
        &self.0
    }

    /// Adds those that are not known yet, and says whether there were any.
    pub(super) fn add(&mut self, indexes: impl IntoIterator<Item = u64>) -> bool {
        let before = self.0.len();
        self.0.extend(indexes);
        self.0.sort_unstable();
        self.0.dedup();
        self.0.truncate(UNSURE_MAX);
        self.0.len() != before
    }

    pub(super) fn keep_only(&mut self, indexes: Vec<u64>) {
        self.0 = indexes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_kept_each_once() {
        let mut unsure = Unsure::default();
        assert!(unsure.add([7, 3, 7]));
        assert!(!unsure.add([3]));
        assert_eq!(unsure.indexes(), [3, 7]);
        assert!(unsure.add(0..10_000));
        assert_eq!(unsure.indexes().len(), UNSURE_MAX);
    }
}
