//! What the audits of a log come to.
//!
//! Enters: what became of each leaf of a sample. Leaves: [`Report`]: sums, the chance that a false leaf was found over all leaves that
//! are held, and whether so much could not be audited that the peer is opaque. Refuses: to add a sample twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tenzik_log::sampling::{RatePpm, detection_probability};
use utoipa::ToSchema;

use super::finding::{Finding, Reason};
use super::plan::Plan;
use crate::documents::Document;

/// Below so many samples no share of them is told.
const OPAQUE_SAMPLES_MIN: u64 = 10;
/// So many leaves wait at most. The next ones hold up their sample, which bounds what a peer can put off: for a day, and these few.
const WAITING_MAX: usize = 256;
/// Of so many recent samples the share is taken; then the older ones count half.
const RECENT_SAMPLES_MAX: u64 = 1_024;

/// The sums of a log's audits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sums {
    /// Drawn by chance and run again to the end, forged ones included.
    pub(super) audited: u64,
    /// Absent where there is none, as in sums that an older version wrote.
    #[serde(default, skip_serializing_if = "is_none")]
    pub(super) contradicted: u64,
    /// The same of those that were taken for their capsule.
    pub(super) first_seen_audited: u64,
    pub(super) forged: u64,
    /// Leaves below this were sampled from.
    pub(super) next: u64,
    pub(super) recent_samples: u64,
    pub(super) recent_unaudited: u64,
    /// Drawn by chance.
    pub(super) sampled: u64,
    /// Whether the peer was last told of as opaque.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) told_opaque: bool,
    /// Those of them that were not run again to the end.
    pub(super) unaudited: BTreeMap<Reason, u64>,
    /// Leaves that the peer does not give an answer about yet: they hold up no others. Counted when they are settled.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) waiting: BTreeMap<u64, Waits>,
}

/// A leaf that waits for the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Waits {
    /// When it was drawn, in seconds since 1970.
    pub(super) at: u64,
    /// Whether by chance.
    pub(super) drawn: bool,
    /// When the peer was last asked.
    pub(super) tried: u64,
}

impl Document for Sums {
    const KIND: &'static str = "audit-report";
}

/// The chance that at least one of so many false leaves was found, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub struct Detection {
    /// If one leaf is false.
    pub one: f64,
    /// If one leaf in a thousand is, at least one.
    pub one_in_1000: f64,
    /// If one leaf in a hundred is, at least one.
    pub one_in_100: f64,
}

/// The audits of a log.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Report {
    /// All leaves that are held.
    pub leaves: u64,
    /// Those of them that no sample was drawn from yet.
    pub unsampled: u64,
    /// Leaves that were drawn and are not dealt with yet: the peer does not answer, or was found out.
    pub waiting: u64,
    /// Drawn by chance, and dealt with.
    pub sampled: u64,
    /// Those of them that were run again to the end.
    pub audited: u64,
    /// Those of them that were not, by reason.
    pub unaudited: BTreeMap<Reason, u64>,
    /// Leaves that were run again beside those, because their capsule was new.
    pub first_seen_audited: u64,
    /// Claims that two engines contradict.
    pub forged: u64,
    /// Claims that one engine contradicts and no second one confirms: `not_confirmed` and `one_engine`. None is an accusation, and each
    /// should be looked at.
    pub contradicted: u64,
    /// Over all leaves; one that is unaudited, unsampled or waiting finds nothing. It holds for false leaves that look like others until they are drawn: what a
    /// log withholds, or makes private, shows in `unaudited_ppm` instead.
    pub detection: Detection,
    /// How many of a million recent samples were not audited, without those where that lies with this node (its budget, patience,
    /// engines, end); absent while there are too few.
    pub unaudited_ppm: Option<u32>,
    /// Whether that is above the peer's ceiling.
    pub is_opaque: bool,
}

impl Sums {
    /// Adds a finished sample, once: it begins where the last one ended.
    pub(super) fn add<'a>(
        &mut self,
        plan: &Plan,
        found: impl IntoIterator<Item = (u64, &'a Finding)>,
    ) {
        if self.next != plan.from {
            return;
        }
        self.next = plan.to;
        for (index, finding) in found {
            self.count(plan.drawn.contains(&index), finding);
        }
    }

    /// Puts a leaf off that the peer does not answer about; `false` if too many wait already.
    pub(super) fn put_off(&mut self, index: u64, waits: Waits) -> bool {
        let fits = self.waiting.len() < WAITING_MAX || self.waiting.contains_key(&index);
        if fits {
            self.waiting.insert(index, waits);
        }
        fits
    }

    /// Takes a leaf that waited as found, once. If its sample was not added yet, it is counted with that.
    pub(super) fn settle(&mut self, index: u64, finding: &Finding) {
        if let Some(waits) = self.waiting.remove(&index)
            && index < self.next
        {
            self.count(waits.drawn, finding);
        }
    }

    pub(super) fn count(&mut self, drawn: bool, finding: &Finding) {
        self.forged += u64::from(matches!(finding, Finding::Forged { .. }));
        let unaudited = match finding {
            Finding::Unaudited { reason } => Some(*reason),
            Finding::Begun => Some(Reason::Interrupted),
            Finding::Forged { .. } | Finding::Same => None,
        };
        self.contradicted += u64::from(unaudited.is_some_and(Reason::is_contradicted));
        if !drawn {
            self.first_seen_audited += u64::from(unaudited.is_none());
            return;
        }
        self.sampled += 1;
        match unaudited {
            None => self.audited += 1,
            Some(reason) => *self.unaudited.entry(reason).or_default() += 1,
        }
        // What lies with this node says nothing of the peer. It finds nothing either, so the chance stays as low.
        if unaudited.is_some_and(Reason::is_own) {
            return;
        }
        self.recent_samples += 1;
        self.recent_unaudited += u64::from(unaudited.is_some());
        if self.recent_samples >= RECENT_SAMPLES_MAX {
            self.recent_samples /= 2;
            self.recent_unaudited /= 2;
        }
    }

    /// What it comes to, of a log of which so many leaves are held, of which samples were drawn to `drawn_to`, `open` of them not dealt
    /// with.
    pub(super) fn report(&self, held: u64, drawn_to: u64, open: u64, ceiling: RatePpm) -> Report {
        let leaves = held.max(drawn_to);
        let share = (self.recent_samples >= OPAQUE_SAMPLES_MIN)
            .then(|| (self.recent_unaudited * 1_000_000 / self.recent_samples) as u32);
        let chance = |false_leaves| detection_probability(leaves, self.audited, false_leaves);
        let part = |of: u64| leaves.div_ceil(of);
        Report {
            leaves,
            unsampled: leaves - drawn_to,
            waiting: open + self.waiting.len() as u64,
            sampled: self.sampled,
            audited: self.audited,
            unaudited: self.unaudited.clone(),
            first_seen_audited: self.first_seen_audited,
            forged: self.forged,
            contradicted: self.contradicted,
            detection: Detection {
                one: chance(1),
                one_in_1000: chance(part(1_000)),
                one_in_100: chance(part(100)),
            },
            unaudited_ppm: share,
            is_opaque: share.is_some_and(|share| share > ceiling.parts()),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_none(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plan(from: u64, drawn: u64) -> Plan {
        Plan {
            at: 0,
            drawn: (from..from + drawn).collect(),
            first_seen: [from + drawn].into(),
            from,
            to: from + 100,
        }
    }

    fn private() -> Finding {
        let reason = Reason::Private;
        Finding::Unaudited { reason }
    }

    #[test]
    fn a_sample_counts_once() {
        let mut sums = Sums::default();
        let found = [(0, Finding::Same), (1, private()), (2, Finding::Same)];
        let found = || found.iter().map(|(index, finding)| (*index, finding));
        sums.add(&plan(0, 2), found());
        let once = sums.clone();
        sums.add(&plan(0, 2), found());
        assert_eq!(sums, once);
        let report = sums.report(80, 100, 0, RatePpm::ALL);
        assert_eq!((report.leaves, report.sampled, report.audited), (100, 2, 1));
        assert_eq!(report.first_seen_audited, 1);
        assert_eq!(report.unaudited, BTreeMap::from([(Reason::Private, 1)]));
        assert!((report.detection.one - 0.01).abs() < 1e-12);
        assert!((report.detection.one_in_100 - 0.01).abs() < 1e-12);
    }

    #[test]
    fn a_leaf_that_waits_counts_once_and_few_wait() {
        let waits = Waits {
            at: 0,
            drawn: true,
            tried: 0,
        };
        let mut sums = Sums::default();
        assert!(sums.put_off(0, waits) && sums.put_off(1, waits));
        // Settled before its sample is added, it counts with that.
        sums.settle(0, &Finding::Same);
        assert_eq!(sums.sampled, 0);
        sums.add(&plan(0, 2), [(0, &Finding::Same)]);
        assert_eq!((sums.sampled, sums.waiting.len()), (1, 1));
        sums.settle(1, &private());
        sums.settle(1, &private());
        assert_eq!((sums.sampled, sums.waiting.len()), (2, 0));
        let many = (0..1_000).filter(|index| sums.put_off(*index, waits));
        assert_eq!(many.count(), WAITING_MAX);
        assert!(sums.put_off(0, waits), "it waits already");
        let written = sums.to_bytes().expect("it is small");
        assert_eq!(Sums::from_bytes("k", &written).expect("its one form"), sums);
    }

    #[test]
    fn what_is_not_sampled_yet_lowers_the_chance() {
        let mut sums = Sums::default();
        sums.add(&plan(0, 2), [(0, &Finding::Same)]);
        let report = sums.report(1_000, 100, 1, RatePpm::ALL);
        assert_eq!(
            (report.leaves, report.unsampled, report.waiting),
            (1_000, 900, 1)
        );
        assert!((report.detection.one - 0.001).abs() < 1e-12);
    }

    #[test]
    fn a_peer_is_opaque_above_its_ceiling() {
        let ceiling = RatePpm::new(200_000).expect("in range");
        let of = |unaudited: u64, sampled: u64| {
            let mut sums = Sums::default();
            let bad = private();
            let found = (0..sampled).map(|index| match index < unaudited {
                true => (index, &bad),
                false => (index, &Finding::Same),
            });
            sums.add(&plan(0, sampled), found);
            sums.report(sums.next, sums.next, 0, ceiling)
        };
        assert!(!of(2, 10).is_opaque);
        assert_eq!(of(2, 10).unaudited_ppm, Some(200_000));
        assert!(of(3, 10).is_opaque);
        assert_eq!(of(9, 9).unaudited_ppm, None, "too few to say");
    }

    #[test]
    fn nobody_is_opaque_for_what_lies_with_this_node() {
        let own = [
            Reason::EngineFailed,
            Reason::EnginesDisagree,
            Reason::Interrupted,
            Reason::OutOfPatience,
            Reason::OverBudget,
        ];
        let mut sums = Sums::default();
        for _ in 0..10 {
            sums.count(true, &Finding::Same);
            for reason in own {
                sums.count(true, &Finding::Unaudited { reason });
            }
        }
        let report = sums.report(60, 60, 0, RatePpm::new(0).expect("in range"));
        assert_eq!((report.unaudited_ppm, report.is_opaque), (Some(0), false));
        assert_eq!((report.sampled, report.audited), (60, 10));
        assert!(report.detection.one < 0.17);
        sums.count(true, &private());
        let report = sums.report(61, 61, 0, RatePpm::new(0).expect("in range"));
        assert!(report.is_opaque);
    }

    #[test]
    fn what_was_long_ago_weighs_little() {
        let mut sums = Sums::default();
        let bad = private();
        for at in 0..10_000 {
            sums.count(true, if at < 8_000 { &Finding::Same } else { &bad });
        }
        assert!(
            sums.report(10_000, 10_000, 0, RatePpm::ALL)
                .unaudited_ppm
                .is_some_and(|share| share > 900_000)
        );
        assert_eq!(sums.sampled, 10_000);
    }

    proptest! {
        #[test]
        fn sums_are_read_as_they_were_written(audited: u64, forged: u64, next: u64, private: u64) {
            let sums = Sums {
                audited, forged, next, unaudited: [(Reason::Private, private)].into(), ..Sums::default()
            };
            let written = sums.to_bytes().expect("it is small");
            prop_assert_eq!(Sums::from_bytes("k", &written).expect("its one form"), sums);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            prop_assert!(Sums::from_bytes("k", &bytes).is_err());
        }
    }
}
