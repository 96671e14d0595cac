//! Verification of many receipts: the signature over a batch is checked once, whatever comes between its receipts.
//!
//! Enters: what [`verify`](super::verify()) takes, receipt after receipt. Leaves: the same reports.
//! Refuses: to take one signature's word for another. What was remembered holds for its node, root, size and signature
//! alone, and a signature that did not hold is not remembered. Signatures are checked strictly, one by one, here too.

use alloc::collections::BTreeSet;

use super::{Expectations, Report, report};
use crate::canonical::Int;
use crate::digest::{PublicKey, RawSignature, Sha256};
use crate::time::Timestamp;
use crate::trust::Trust;

/// Verifies many receipts with one check of the signature for each batch among them.
///
/// Its reports are those of [`verify`](super::verify()), whatever it has seen before; it is only faster. A thread has
/// one of its own.
///
/// ```
/// use tenzik_receipt::{Expectations, Report, Timestamp, Trust, Verifier};
///
/// fn reports(receipts: &[Vec<u8>], trust: &Trust, at: Timestamp) -> Vec<Report> {
///     let mut verifier = Verifier::default();
///     let report = |bytes: &Vec<u8>| verifier.verify(bytes, trust, at, &Expectations::default());
///     receipts.iter().map(report).collect()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Verifier {
    roots: Roots,
}

impl Verifier {
    /// How many roots are remembered by default. They take about 40 KiB.
    pub const ROOTS_MAX: usize = 256;

    /// Remembers at most so many roots, about 150 bytes each; 0 remembers none.
    ///
    /// As many as there are batches whose receipts come mixed; those of older ones are checked again.
    pub const fn remembering(roots_max: usize) -> Self {
        Self {
            roots: Roots::new(roots_max),
        }
    }

    /// Makes every check that [`verify`](super::verify()) makes, but that of a batch's signature only if it is new.
    pub fn verify(
        &mut self,
        bytes: &[u8],
        trust: &Trust,
        at: Timestamp,
        expected: &Expectations<'_>,
    ) -> Report {
        report(bytes, trust, at, expected, &mut self.roots)
    }
}

impl Default for Verifier {
    fn default() -> Self {
        Self::remembering(Self::ROOTS_MAX)
    }
}

/// All that decides whether a batch's signature holds. The root comes first: it differs soonest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SignedRoot {
    pub(super) root: Sha256,
    pub(super) root_sig: RawSignature,
    pub(super) node: PublicKey,
    pub(super) size: Int,
}

/// Roots whose signature held, in two generations: when the young ones are half of what may be remembered, the old ones
/// are forgotten and the young ones are old. One that is asked for is young again.
#[derive(Clone, Debug)]
pub(super) struct Roots {
    young: BTreeSet<SignedRoot>,
    old: BTreeSet<SignedRoot>,
    count_max: usize,
}

impl Roots {
    pub(super) const fn new(count_max: usize) -> Self {
        Self {
            young: BTreeSet::new(),
            old: BTreeSet::new(),
            count_max,
        }
    }

    /// Whether this root's signature holds: known, or found out by `check`.
    pub(super) fn hold(&mut self, root: SignedRoot, check: impl FnOnce() -> bool) -> bool {
        if self.young.contains(&root) {
            return true;
        }
        let holds = self.old.contains(&root) || check();
        if holds {
            self.remember(root);
        }
        holds
    }

    fn remember(&mut self, root: SignedRoot) {
        // Rounded up, so that one that may be remembered is; the old ones are then none.
        let generation_max = self.count_max.div_ceil(2);
        if generation_max == 0 {
            return;
        }
        self.young.insert(root);
        if self.young.len() >= generation_max {
            self.old = core::mem::take(&mut self.young);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(byte: u8) -> SignedRoot {
        SignedRoot {
            root: Sha256::from_bytes([byte; 32]),
            root_sig: RawSignature::from_bytes([1; 64]),
            node: PublicKey::from_bytes([2; 32]),
            size: Int::from(1),
        }
    }

    /// Whether the root had to be checked.
    fn is_checked(roots: &mut Roots, root: SignedRoot) -> bool {
        let mut checked = false;
        let holds = roots.hold(root, || {
            checked = true;
            true
        });
        assert!(holds);
        checked
    }

    #[test]
    fn a_root_that_held_is_checked_once() {
        let mut roots = Roots::new(4);
        assert!(is_checked(&mut roots, root(1)));
        assert!(!is_checked(&mut roots, root(1)));
        assert!(is_checked(&mut roots, root(2)));
        assert!(!is_checked(&mut roots, root(1)));
    }

    #[test]
    fn a_root_is_known_by_all_of_its_parts() {
        let mut roots = Roots::new(16);
        assert!(is_checked(&mut roots, root(1)));
        let parts = [
            SignedRoot {
                root: Sha256::from_bytes([9; 32]),
                ..root(1)
            },
            SignedRoot {
                root_sig: RawSignature::from_bytes([9; 64]),
                ..root(1)
            },
            SignedRoot {
                node: PublicKey::from_bytes([9; 32]),
                ..root(1)
            },
            SignedRoot {
                size: Int::from(9),
                ..root(1)
            },
        ];
        for other in parts {
            assert!(!roots.hold(other, || false));
            assert!(is_checked(&mut roots, other));
        }
    }

    #[test]
    fn a_root_that_did_not_hold_is_checked_again() {
        let mut roots = Roots::new(4);
        assert!(!roots.hold(root(1), || false));
        assert!(!roots.hold(root(1), || false));
        assert!(is_checked(&mut roots, root(1)));
    }

    #[test]
    fn no_more_are_remembered_than_may_be_and_the_last_ones_are() {
        for count_max in 0..9 {
            let mut roots = Roots::new(count_max);
            for byte in 0..100 {
                assert!(is_checked(&mut roots, root(byte)));
                assert_eq!(is_checked(&mut roots, root(byte)), count_max == 0);
                assert!(roots.young.len() + roots.old.len() <= count_max);
            }
        }
    }

    #[test]
    fn what_is_asked_for_again_and_again_is_not_forgotten() {
        let mut roots = Roots::new(4);
        assert!(is_checked(&mut roots, root(0)));
        for byte in 1..100 {
            assert!(is_checked(&mut roots, root(byte)));
            assert!(!is_checked(&mut roots, root(0)));
        }
    }
}
