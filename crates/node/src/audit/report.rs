//! What the audits of a log come to.
//!
//! Enters: what became of each leaf of a sample. Leaves: [`Report`]: sums, the chance that a false leaf was found, and whether so much
//! could not be audited that the peer is opaque. Refuses: to add a sample twice.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tenzik_log::sampling::{RatePpm, detection_probability};
use utoipa::ToSchema;

use super::finding::{Finding, Reason};
use super::plan::Plan;
use crate::documents::Document;

/// Below so many samples no share of them is told.
const OPAQUE_SAMPLES_MIN: u64 = 10;
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
    /// Those of them that were not run again to the end.
    pub(super) unaudited: BTreeMap<Reason, u64>,
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
    /// All leaves that samples were drawn from.
    pub leaves: u64,
    /// Drawn by chance.
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
    /// Over all leaves; an unaudited one finds nothing. It holds for false leaves that look like others until they are drawn: what a
    /// log withholds, or makes private, shows in `unaudited_ppm` instead.
    pub detection: Detection,
    /// How many of a million recent samples were not audited; absent while there are too few.
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

    fn count(&mut self, drawn: bool, finding: &Finding) {
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
        self.recent_samples += 1;
        match unaudited {
            None => self.audited += 1,
            Some(reason) => {
                *self.unaudited.entry(reason).or_default() += 1;
                self.recent_unaudited += 1;
            }
        }
        if self.recent_samples >= RECENT_SAMPLES_MAX {
            self.recent_samples /= 2;
            self.recent_unaudited /= 2;
        }
    }

    pub(super) fn report(&self, ceiling: RatePpm) -> Report {
        let share = (self.recent_samples >= OPAQUE_SAMPLES_MIN)
            .then(|| (self.recent_unaudited * 1_000_000 / self.recent_samples) as u32);
        let chance = |false_leaves| detection_probability(self.next, self.audited, false_leaves);
        let part = |of: u64| self.next.div_ceil(of);
        Report {
            leaves: self.next,
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
        let report = sums.report(RatePpm::ALL);
        assert_eq!((report.leaves, report.sampled, report.audited), (100, 2, 1));
        assert_eq!(report.first_seen_audited, 1);
        assert_eq!(report.unaudited, BTreeMap::from([(Reason::Private, 1)]));
        assert!((report.detection.one - 0.01).abs() < 1e-12);
        assert!((report.detection.one_in_100 - 0.01).abs() < 1e-12);
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
            sums.report(ceiling)
        };
        assert!(!of(2, 10).is_opaque);
        assert_eq!(of(2, 10).unaudited_ppm, Some(200_000));
        assert!(of(3, 10).is_opaque);
        assert_eq!(of(9, 9).unaudited_ppm, None, "too few to say");
    }

    #[test]
    fn what_was_long_ago_weighs_little() {
        let mut sums = Sums::default();
        let bad = private();
        for at in 0..10_000 {
            sums.count(true, if at < 8_000 { &Finding::Same } else { &bad });
        }
        assert!(
            sums.report(RatePpm::ALL)
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
