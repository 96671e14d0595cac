//! What a log has promised and not kept yet.
//!
//! Enters: by when an entry was promised to be in the published tree, in the order of the entries. Leaves: the earliest of
//! these times. Refuses: nothing.

use std::collections::VecDeque;

use tenzik_receipt::Timestamp;

/// The promises of entries that are not published. Times grow from front to back: one that a later entry was promised for
/// as early is never again the earliest, and is forgotten. So there is at most one for each second.
#[derive(Debug, Default)]
pub(super) struct Promises(VecDeque<(u64, Timestamp)>);

impl Promises {
    /// Adds that of an entry whose index is above all others.
    pub(super) fn push(&mut self, index: u64, merge_by: Timestamp) {
        while self.0.back().is_some_and(|(_, back)| *back >= merge_by) {
            self.0.pop_back();
        }
        self.0.push_back((index, merge_by));
    }

    /// Forgets those that a published tree of so many entries keeps.
    pub(super) fn kept_by(&mut self, size: u64) {
        while self.0.front().is_some_and(|(index, _)| *index < size) {
            self.0.pop_front();
        }
    }

    /// The earliest one.
    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.0.front().map(|(_, merge_by)| *merge_by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_earliest_is_that_of_the_entries_which_are_not_published(
            times in vec(0..20_u64, 0..40),
            size in 0..40_u64,
        ) {
            let time = |seconds| Timestamp::from_unix_seconds(seconds).expect("a time");
            let mut promises = Promises::default();
            for (index, seconds) in times.iter().enumerate() {
                promises.push(index as u64, time(*seconds));
            }
            promises.kept_by(size);
            let unkept = times.iter().skip(size as usize).min();
            prop_assert_eq!(promises.earliest(), unkept.copied().map(time));
            prop_assert!(promises.0.len() <= 20);
        }
    }
}
