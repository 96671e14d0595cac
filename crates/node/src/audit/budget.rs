//! What audits may cost: fuel, bytes and new capsules, for each account and day.
//!
//! Enters: a cost before it arises. Leaves: a reservation, which is durable. Refuses: what goes beyond the day's budget.
//!
//! A cost is taken before the work and given back, down to what it was, after it. A crash in between leaves it taken: whoever makes
//! this node crash pays for it. Work that came to more than was taken is added, even beyond the day's budget; then the day is over.

use serde::{Deserialize, Serialize};
use tenzik_receipt::Timestamp;
use tenzik_store::Records;

use crate::documents::{Document, DocumentError};
use crate::federation::peers::AuditBudget;

const DAY_S: u64 = 86_400;

/// A kind of cost, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    Bytes(u64),
    Capsules(u64),
    Fuel(u64),
}

/// Whose budget it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Account<'a> {
    /// Unique; beginning with what the rest is.
    pub(super) name: &'a str,
    pub(super) allowed: &'a AuditBudget,
}

/// A cost that was taken on a day.
#[derive(Debug)]
#[must_use]
pub(super) struct Reserved {
    day: u64,
    cost: Cost,
}

/// What an account has spent on its latest day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spent {
    pub(super) bytes: u64,
    pub(super) capsules: u64,
    /// Days since 1970.
    pub(super) day: u64,
    pub(super) fuel: u64,
}

impl Document for Spent {
    const KIND: &'static str = "audit-budget";
}

impl Spent {
    /// Takes a cost, or nothing if it does not fit. The day never goes back: a clock that does opens no new budget.
    pub(super) fn take(&mut self, day: u64, cost: Cost, allowed: &AuditBudget) -> bool {
        if day > self.day {
            *self = Self {
                day,
                ..Self::default()
            };
        }
        let (spent, more, most) = match cost {
            Cost::Bytes(more) => (&mut self.bytes, more, allowed.bytes_per_day),
            Cost::Capsules(more) => (&mut self.capsules, more, allowed.capsules_per_day),
            Cost::Fuel(more) => (&mut self.fuel, more, allowed.fuel_per_day),
        };
        match spent.checked_add(more).filter(|all| *all <= most) {
            Some(all) => {
                *spent = all;
                true
            }
            None => false,
        }
    }

    /// Adds what work cost beyond what was taken for it. It cannot be refused any more.
    pub(super) const fn add(&mut self, day: u64, cost: Cost) {
        if day != self.day {
            return;
        }
        let (spent, more) = match cost {
            Cost::Bytes(more) => (&mut self.bytes, more),
            Cost::Capsules(more) => (&mut self.capsules, more),
            Cost::Fuel(more) => (&mut self.fuel, more),
        };
        *spent = spent.saturating_add(more);
    }

    /// Gives back what was taken on a day and not used. That of a day that is over is nobody's any more.
    pub(super) fn give_back(&mut self, day: u64, cost: Cost) {
        if day != self.day {
            return;
        }
        let (spent, less) = match cost {
            Cost::Bytes(less) => (&mut self.bytes, less),
            Cost::Capsules(less) => (&mut self.capsules, less),
            Cost::Fuel(less) => (&mut self.fuel, less),
        };
        *spent = spent.saturating_sub(less);
    }

    /// What is left of a day's bytes.
    fn bytes_left(mut self, day: u64, allowed: &AuditBudget) -> u64 {
        self.take(day, Cost::Bytes(0), allowed);
        allowed.bytes_per_day.saturating_sub(self.bytes)
    }
}

impl Account<'_> {
    /// Takes a cost; durable when it returns. `None` if the budget has not as much.
    pub(super) fn reserve(
        &self,
        records: &Records,
        cost: Cost,
        at: Timestamp,
    ) -> Result<Option<Reserved>, DocumentError> {
        let today = at.unix_seconds() / DAY_S;
        let taken = Spent::update(records, self.name, |spent| {
            let taken = spent.take(today, cost, self.allowed);
            taken.then_some(spent.day)
        })?;
        Ok(taken.map(|day| Reserved { day, cost }))
    }

    /// Gives back what a reservation has above what was used, or adds what it has below.
    pub(super) fn settle(
        &self,
        records: &Records,
        reserved: Reserved,
        used: u64,
    ) -> Result<(), DocumentError> {
        let (of, taken): (fn(u64) -> Cost, u64) = match reserved.cost {
            Cost::Bytes(taken) => (Cost::Bytes, taken),
            Cost::Capsules(taken) => (Cost::Capsules, taken),
            Cost::Fuel(taken) => (Cost::Fuel, taken),
        };
        let (less, more) = (taken.saturating_sub(used), used.saturating_sub(taken));
        Spent::update(records, self.name, |spent| {
            spent.give_back(reserved.day, of(less));
            spent.add(reserved.day, of(more));
        })
    }

    /// How many bytes are left today.
    pub(super) fn bytes_left(
        &self,
        records: &Records,
        at: Timestamp,
    ) -> Result<u64, DocumentError> {
        let spent = Spent::load(records, self.name)?.unwrap_or_default();
        Ok(spent.bytes_left(at.unix_seconds() / DAY_S, self.allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALLOWED: AuditBudget = AuditBudget {
        sample_ppm: tenzik_log::sampling::RatePpm::ALL,
        fuel_per_day: 1_000,
        bytes_per_day: 500,
        capsules_per_day: 5,
        unaudited_ppm_max: tenzik_log::sampling::RatePpm::ALL,
    };

    fn cost() -> impl Strategy<Value = Cost> {
        let amount = prop_oneof![0..1_200_u64, Just(u64::MAX)];
        (0..3_u8, amount).prop_map(|(kind, amount)| match kind {
            0 => Cost::Bytes(amount),
            1 => Cost::Capsules(amount),
            _ => Cost::Fuel(amount),
        })
    }

    proptest! {
        #[test]
        fn no_day_spends_more_than_is_allowed(
            steps in prop::collection::vec((0..4_u64, cost(), any::<bool>()), 0..60),
        ) {
            let mut spent = Spent::default();
            let mut latest = 0;
            for (day, cost, back) in steps {
                let before = spent;
                let taken = spent.take(day, cost, &ALLOWED);
                latest = latest.max(day);
                prop_assert_eq!(spent.day, latest);
                prop_assert!(spent.fuel <= 1_000 && spent.bytes <= 500 && spent.capsules <= 5);
                if taken && back && before.day == spent.day {
                    spent.give_back(spent.day, cost);
                    prop_assert_eq!(spent, before);
                } else if !taken && before.day == spent.day {
                    prop_assert_eq!(spent, before);
                }
            }
        }

        #[test]
        fn what_was_taken_yesterday_opens_nothing_today(amount in 1..1_000_u64, used in 0..1_000_u64) {
            let mut spent = Spent::default();
            prop_assert!(spent.take(1, Cost::Fuel(amount), &ALLOWED));
            prop_assert!(spent.take(2, Cost::Fuel(used), &ALLOWED));
            spent.give_back(1, Cost::Fuel(amount));
            prop_assert_eq!(spent.fuel, used);
        }

        #[test]
        fn what_cost_too_much_ends_the_day(taken in 1..1_000_u64, used in 1_000..5_000_u64) {
            let mut spent = Spent::default();
            prop_assert!(spent.take(1, Cost::Fuel(taken), &ALLOWED));
            spent.add(1, Cost::Fuel(used - taken));
            prop_assert_eq!(spent.fuel, used);
            prop_assert!(!spent.take(1, Cost::Fuel(1), &ALLOWED));
            prop_assert!(spent.take(2, Cost::Fuel(1), &ALLOWED));
        }

        #[test]
        fn it_is_read_as_it_was_written(bytes: u64, capsules: u64, day: u64, fuel: u64) {
            let spent = Spent { bytes, capsules, day, fuel };
            let written = spent.to_bytes().expect("it is small");
            prop_assert_eq!(Spent::from_bytes("k", &written).expect("its one form"), spent);
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes: Vec<u8>) {
            prop_assert!(Spent::from_bytes("k", &bytes).is_err());
        }
    }
}
