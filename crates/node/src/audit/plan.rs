//! A sample as it was drawn: which leaves of a range are run again.
//!
//! Enters: the secret, a cosigned checkpoint, a range. Leaves: a [`Plan`], written down before its first leaf is asked for.
//! Refuses: nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tenzik_log::sampling::SampleSecret;

use crate::documents::Document;
use crate::federation::peers::AuditBudget;

/// A range's sample. There is one at a time for a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plan {
    /// When it was drawn, in seconds since 1970.
    pub(super) at: u64,
    /// Drawn by chance, in order.
    pub(super) drawn: BTreeSet<u64>,
    /// Where capsules come first that the log had not shown before, beside those that were drawn.
    pub(super) first_seen: BTreeSet<u64>,
    /// The range's first leaf.
    pub(super) from: u64,
    /// The first leaf behind the range.
    pub(super) to: u64,
}

impl Document for Plan {
    const KIND: &'static str = "audit-plan";
}

impl Plan {
    /// Draws from a range of a checkpoint. The range is mixed in: a peer that sees which leaves of one range are asked for must not
    /// know those of the next.
    pub(super) fn draw(
        secret: &SampleSecret,
        checkpoint: &[u8],
        range: std::ops::Range<u64>,
        budget: &AuditBudget,
        first_seen: impl IntoIterator<Item = u64>,
        at: u64,
    ) -> Self {
        let (from, to) = (range.start, range.end);
        let mut ground = format!("{from} {to}\n").into_bytes();
        ground.extend_from_slice(checkpoint);
        let count = secret.count(&ground, budget.sample_ppm, to - from);
        let drawn = secret.draw(&ground, from, to, count);
        // Who samples nothing audits nothing.
        let capsules = match budget.sample_ppm.parts() {
            0 => 0,
            _ => usize::try_from(budget.capsules_per_day).unwrap_or(usize::MAX),
        };
        let first_seen = first_seen.into_iter().take(capsules);
        let first_seen = first_seen.filter(|index| !drawn.contains(index)).collect();
        Self {
            at,
            drawn,
            first_seen,
            from,
            to,
        }
    }

    /// All its leaves, those drawn by chance first: they are what the report's figures stand on.
    pub(super) fn leaves(&self) -> impl Iterator<Item = u64> {
        self.drawn.iter().chain(&self.first_seen).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tenzik_log::sampling::RatePpm;

    proptest! {
        #[test]
        fn a_plan_holds_its_rate_and_range_and_is_read_as_it_was_written(
            from in 0..1_000_000_u64, leaves in 1..2_000_u64, parts in 0..=1_000_000_u32, capsules in 0..20_u64,
            first in prop::collection::btree_set(0..2_000_u64, 0..30),
        ) {
            let budget = AuditBudget {
                sample_ppm: RatePpm::new(parts).expect("in range"),
                capsules_per_day: capsules,
                ..AuditBudget::default()
            };
            let secret = SampleSecret::from_bytes([1; 32]);
            let first: BTreeSet<u64> = first.into_iter().filter(|at| *at < leaves).map(|at| from + at).collect();
            let plan = Plan::draw(&secret, b"checkpoint", from..from + leaves, &budget, first.clone(), 7);
            let (whole, over) = budget.sample_ppm.of(leaves);
            let drawn = plan.drawn.len() as u64;
            prop_assert!(drawn == whole || (over > 0 && drawn == whole + 1));
            prop_assert!(plan.leaves().all(|index| (from..from + leaves).contains(&index)));
            prop_assert!(plan.drawn.is_disjoint(&plan.first_seen) && plan.first_seen.is_subset(&first));
            prop_assert!(plan.first_seen.len() as u64 <= capsules);
            prop_assert!(parts > 0 || plan.leaves().next().is_none());
            let written = plan.to_bytes().expect("it is small");
            prop_assert!(written.len() < tenzik_store::DOCUMENT_BYTES_MAX);
            prop_assert_eq!(Plan::from_bytes("k", &written).expect("its one form"), plan);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            prop_assert!(Plan::from_bytes("k", &bytes).is_err());
        }
    }

    #[test]
    fn one_range_tells_nothing_of_the_next() {
        let secret = SampleSecret::from_bytes([1; 32]);
        let budget = AuditBudget {
            sample_ppm: RatePpm::new(10_000).expect("in range"),
            ..AuditBudget::default()
        };
        let draw = |from: u64| Plan::draw(&secret, b"c", from..from + 2_000, &budget, [], 0).drawn;
        let shifted: BTreeSet<u64> = draw(0).into_iter().map(|index| index + 2_000).collect();
        assert_ne!(draw(2_000), shifted);
    }
}
