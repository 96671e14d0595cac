//! Which leaves an auditor runs again, and what that says about the others.
//!
//! Enters: the auditor's secret, a checkpoint that witnesses have cosigned, a range of its leaves.
//! Leaves: a sample that the log could not foresee, and the chance that a false leaf would have been found.
//! Refuses: nothing.

use std::collections::BTreeSet;

/// Parts in a million: how many of a range's leaves a sample has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RatePpm(u32);

impl RatePpm {
    /// Every leaf.
    pub const ALL: Self = Self(1_000_000);

    /// A rate of at most all; `None` above 1,000,000.
    pub const fn new(parts: u32) -> Option<Self> {
        match parts {
            0..=1_000_000 => Some(Self(parts)),
            _ => None,
        }
    }

    /// How many of so many leaves, and what is left over in millionths of a leaf.
    pub const fn of(self, leaves: u64) -> (u64, u32) {
        let parts = leaves as u128 * self.0 as u128;
        ((parts / 1_000_000) as u64, (parts % 1_000_000) as u32)
    }

    /// Parts in a million.
    pub const fn parts(self) -> u32 {
        self.0
    }
}

/// The 32 secret bytes that an auditor's samples come from. Whoever knows them knows which leaves are safe to forge.
pub struct SampleSecret([u8; 32]);

impl SampleSecret {
    /// Takes 32 random bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Draws `count` of the leaves `start` to `end`, each set of that many as likely as any other; all of them if
    /// `count` is as large.
    ///
    /// The sample depends on the secret and on the whole signed and cosigned checkpoint, so it is settled by what the
    /// log can no longer change, and a restart of the auditor draws the same again: a log that stops answering when it
    /// is asked for an awkward leaf does not get another draw.
    pub fn draw(&self, checkpoint: &[u8], start: u64, end: u64, count: u64) -> BTreeSet<u64> {
        let leaves = end.saturating_sub(start);
        if count >= leaves {
            return (start..end).collect();
        }
        let mut numbers = self.numbers(checkpoint);
        // Floyd's algorithm: one number for each that is drawn, and no list of those that are not.
        let mut drawn = BTreeSet::new();
        for last in leaves - count..leaves {
            let at = below(last + 1, &mut numbers);
            if !drawn.insert(start + at) {
                drawn.insert(start + last);
            }
        }
        drawn
    }

    /// How many of so many leaves are drawn: the rate's part, where what is left over is one leaf more as often as it is large.
    ///
    /// So a log that shows its leaves one by one is sampled at the rate. A remainder that is carried from one range to the next would
    /// do that too, but whoever knows the rate and sees what he is asked for would know when the next one is due.
    pub fn count(&self, checkpoint: &[u8], rate: RatePpm, leaves: u64) -> u64 {
        let (whole, over) = rate.of(leaves);
        let mut numbers = self.output(b"tenzik audit count v1\n", checkpoint);
        whole + u64::from(below(1_000_000, &mut numbers) < u64::from(over))
    }

    fn numbers(&self, checkpoint: &[u8]) -> blake3::OutputReader {
        self.output(b"tenzik audit sample v1\n", checkpoint)
    }

    fn output(&self, context: &[u8], checkpoint: &[u8]) -> blake3::OutputReader {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(context);
        hasher.update(checkpoint);
        hasher.finalize_xof()
    }
}

impl std::fmt::Debug for SampleSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SampleSecret(..)")
    }
}

/// A number below `bound`, which is not 0, each as likely as any other.
fn below(bound: u64, numbers: &mut blake3::OutputReader) -> u64 {
    let limit = u64::MAX - u64::MAX % bound;
    loop {
        let mut bytes = [0; 8];
        numbers.fill(&mut bytes);
        let number = u64::from_le_bytes(bytes);
        if number < limit {
            return number % bound;
        }
    }
}

/// The chance that at least one of `forged` leaves is among `audited`, if the log had to place them before the sample
/// was drawn: 0 to 1. `leaves` are all that the log has, `audited` those that were run again to the end.
pub fn detection_probability(leaves: u64, audited: u64, forged: u64) -> f64 {
    let audited = audited.min(leaves);
    let forged = forged.min(leaves);
    if forged > leaves - audited {
        return 1.0;
    }
    // By whichever is the shorter product: the two are one number.
    let (factors, out_of) = if forged < audited {
        (forged, audited)
    } else {
        (audited, forged)
    };
    let missed: f64 = (0..factors)
        .map(|factor| (leaves - out_of - factor) as f64 / (leaves - factor) as f64)
        .product();
    1.0 - missed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: SampleSecret = SampleSecret::from_bytes([7; 32]);

    #[test]
    fn the_same_checkpoint_gives_the_same_sample_and_another_one_another() {
        let draw = |checkpoint: &[u8]| SECRET.draw(checkpoint, 0, 1_000_000, 20);
        assert_eq!(draw(b"one"), draw(b"one"));
        assert_ne!(draw(b"one"), draw(b"other"));
        let other = SampleSecret::from_bytes([8; 32]);
        assert_ne!(draw(b"one"), other.draw(b"one", 0, 1_000_000, 20));
    }

    #[test]
    fn each_leaf_is_drawn_as_often_as_any_other() {
        let mut times = [0_u32; 16];
        for round in 0..8_000_u32 {
            for index in SECRET.draw(&round.to_le_bytes(), 100, 116, 4) {
                times[index as usize - 100] += 1;
            }
        }
        // 2,000 are expected of each; the deviation of a fair draw is below 39.
        assert!(
            times.iter().all(|times| (1_800..2_200).contains(times)),
            "{times:?}"
        );
    }

    #[test]
    fn leaves_that_come_one_by_one_are_drawn_at_the_rate() {
        let rate = RatePpm::new(10_000).expect("in range");
        let drawn = (0..100_000_u32).filter(|at| SECRET.count(&at.to_le_bytes(), rate, 1) == 1);
        let drawn: Vec<u32> = drawn.collect();
        // 1,000 are expected; the deviation of a fair draw is below 32.
        assert!((850..1_150).contains(&drawn.len()), "{}", drawn.len());
        // And none says when the next one is.
        let gaps = drawn.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.collect::<BTreeSet<_>>().len() > 100);
    }

    #[test]
    fn the_chance_is_that_of_drawing_without_putting_back() {
        assert_eq!(detection_probability(0, 0, 0), 0.0);
        assert_eq!(detection_probability(10, 0, 1), 0.0);
        assert_eq!(detection_probability(10, 10, 1), 1.0);
        assert_eq!(detection_probability(10, 9, 2), 1.0);
        assert!((detection_probability(10, 3, 1) - 0.3).abs() < 1e-12);
        // 1 - C(8,3)/C(10,3) = 1 - 56/120.
        assert!((detection_probability(10, 3, 2) - 64.0 / 120.0).abs() < 1e-12);
        assert!((detection_probability(10, 2, 3) - 64.0 / 120.0).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn a_sample_has_the_size_and_range_that_was_asked_for(
            start in 0..u64::MAX / 2, leaves in 0..5_000_u64, count in 0..6_000_u64,
        ) {
            let drawn = SECRET.draw(b"a checkpoint", start, start + leaves, count);
            prop_assert_eq!(drawn.len() as u64, count.min(leaves));
            prop_assert!(drawn.iter().all(|index| (start..start + leaves).contains(index)));
        }

        #[test]
        fn a_chance_is_between_0_and_1_and_grows(leaves in 0..100_000_u64, audited: u64, forged: u64) {
            let (audited, forged) = (audited % (leaves + 1), forged % (leaves + 1));
            let chance = detection_probability(leaves, audited, forged);
            prop_assert!((0.0..=1.0).contains(&chance));
            if audited < leaves {
                prop_assert!(detection_probability(leaves, audited + 1, forged) >= chance - 1e-9);
            }
        }

        #[test]
        fn a_rate_takes_its_part(leaves: u64, parts in 0..=1_000_000_u32, checkpoint: [u8; 8]) {
            let rate = RatePpm::new(parts).expect("in range");
            let (whole, over) = rate.of(leaves);
            let all = u128::from(leaves) * u128::from(parts);
            prop_assert_eq!(u128::from(whole) * 1_000_000 + u128::from(over), all);
            let count = SECRET.count(&checkpoint, rate, leaves);
            prop_assert!(count == whole || (over > 0 && count == whole + 1));
            prop_assert!(count <= leaves);
        }
    }
}
