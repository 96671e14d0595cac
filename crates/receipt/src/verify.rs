//! Verification: is this receipt what it says, by a key that the caller trusts, and about what the caller holds?
//!
//! Enters: foreign bytes, [`Trust`], the time, and what the caller expects ([`Expectations`]).
//! Leaves: a [`Report`] with a line for each check, also for those that could not be made; from a passed one,
//! a [`VerifiedReceipt`].
//! Refuses: nothing by panic. Signatures are checked strictly (no weak keys, no second form of a signature), one by one.
//!
//! It reads no clock and no file, and it does not run the capsule: that is replay's.

mod checks;
mod many;

use alloc::borrow::Cow;
use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use crate::private::RunSecret;
use crate::receipt::{Profile, SignedReceipt};
use crate::time::Timestamp;
use crate::trust::Trust;

use checks::Finding;
use many::Roots;

pub use many::Verifier;

/// How far a node's clock may be ahead of the verifier's: five minutes.
pub const CLOCK_SKEW_SECONDS_MAX: u64 = 300;

/// What the caller holds, and what it insists on. By default nothing is held and the run must not be aborted or refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Expectations<'a> {
    /// The verifier's own name; the receipt must be for it.
    pub audience: Option<&'a str>,
    /// The code's bytes; for an attested run a tree's digest is needed, and this is not it.
    pub capsule: Option<&'a [u8]>,
    /// The verifier's own challenge; the receipt must answer it, and not later than it says.
    pub challenge: Option<&'a [u8]>,
    /// The exact input.
    pub input: Option<&'a [u8]>,
    /// The claim's kind: `wasm`, `attested` or `refused`.
    pub kind: Option<&'a str>,
    /// Whether the receipt must be in a log.
    pub log: bool,
    /// The exact output.
    pub output: Option<&'a [u8]>,
    /// The profile that must have been in force, or a stricter one.
    pub profile: Option<Profile>,
    /// What the caller found when it held a log's proof against exactly these bytes; `None` if it has none. It is taken as
    /// the caller's word: this crate knows no logs.
    pub proof: Option<LogProof<'a>>,
    /// Whether a trusted requester must have signed the request, and with it clock and seed.
    pub requester: bool,
    /// The secret of a private run, to open its commitments.
    pub secret: Option<&'a RunSecret>,
    /// The status that the run must have ended with. Naming one is the only way to accept `aborted` and `refused`.
    pub status: Option<&'a str>,
}

/// How a proof that the receipt is in a log came out, by the word of the caller, who checked it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogProof<'a> {
    /// It does not hold: it is about other bytes or another tree, or a signature in it is false.
    Fails {
        /// Why, for the note.
        why: &'a str,
    },
    /// It holds: the receipt's bytes are a leaf of a tree that the log signed and that as many witnesses as the caller asks
    /// for have seen.
    Holds {
        /// The log.
        origin: &'a str,
        /// How many leaves the tree has.
        size: u64,
    },
    /// The caller does not know the log, or too few witnesses have seen the tree: no forgery, and no proof.
    Unknown {
        /// Why, for the note.
        why: &'a str,
    },
}

/// What is checked, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CheckName {
    /// Canonical bytes, no contradiction.
    Form,
    /// The node's key is trusted for receipts at that time.
    Key,
    /// The signature holds.
    Signature,
    /// No critical extension is unknown.
    Extensions,
    /// The receipt is not from the future.
    IssuedAt,
    /// The claim's kind.
    Kind,
    /// How the run ended.
    Status,
    /// The profile in force.
    Profile,
    /// The capsule's bytes.
    Capsule,
    /// The input's bytes.
    Input,
    /// The output's bytes.
    Output,
    /// Name, challenge and expiry.
    Audience,
    /// The requester's signature, and with it who chose seed and clock.
    Request,
    /// The log promise, and the proof that it was kept.
    Log,
}

impl CheckName {
    /// The name that stands at the beginning of the check's line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Extensions => "extensions",
            Self::IssuedAt => "issued_at",
            Self::Kind => "kind",
            Self::Status => "status",
            Self::Profile => "profile",
            Self::Capsule => "capsule",
            Self::Input => "input",
            Self::Output => "output",
            Self::Audience => "audience",
            Self::Request => "request",
            Self::Log => "log",
        }
    }
}

/// How one check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It was not made, because nothing was given to check against.
    NotChecked,
    /// It cannot be told from what the caller has.
    Unknown,
    /// It does not hold.
    Failed,
}

impl Outcome {
    /// The word for people: `ok`, `not checked`, `cannot tell`, `FAILED`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "ok",
            Self::NotChecked => "not checked",
            Self::Unknown => "cannot tell",
            Self::Failed => "FAILED",
        }
    }
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was checked.
    pub name: CheckName,
    /// How it came out.
    pub outcome: Outcome,
    /// What was found, or why it was not checked.
    pub note: Cow<'static, str>,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<10} {:<11} {}",
            self.name.as_str(),
            self.outcome.as_str(),
            self.note
        )
    }
}

/// What the whole verification comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Some check cannot be told, and none failed: an unknown key is not a forgery.
    CannotTell,
    /// A check failed.
    Failed,
    /// Every check that was made passed.
    Passed,
}

/// Every check of one receipt.
#[derive(Clone, Debug)]
pub struct Report {
    checks: Vec<Check>,
    receipt: Option<SignedReceipt>,
}

/// A receipt that passed: its signature holds and its key was trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedReceipt(SignedReceipt);

impl VerifiedReceipt {
    /// The receipt.
    pub const fn receipt(&self) -> &SignedReceipt {
        &self.0
    }

    /// The receipt, without the proof that it was verified.
    pub fn into_inner(self) -> SignedReceipt {
        self.0
    }
}

impl Report {
    /// The checks, in order.
    pub fn checks(&self) -> &[Check] {
        &self.checks
    }

    /// The receipt, if its form could be read. Do not rely on it unless the verdict is [`Verdict::Passed`].
    pub const fn unverified(&self) -> Option<&SignedReceipt> {
        self.receipt.as_ref()
    }

    /// What it comes to.
    pub fn verdict(&self) -> Verdict {
        match self.checks.iter().map(|check| check.outcome).max() {
            Some(Outcome::Passed | Outcome::NotChecked) => Verdict::Passed,
            Some(Outcome::Unknown) => Verdict::CannotTell,
            Some(Outcome::Failed) | None => Verdict::Failed,
        }
    }

    /// The receipt as a verified one.
    ///
    /// # Errors
    /// The report itself, unless every check that was made passed.
    #[expect(
        clippy::result_large_err,
        reason = "the report is handed back as it came, not made for the error"
    )]
    pub fn into_verified(self) -> Result<VerifiedReceipt, Self> {
        match (self.verdict(), self.receipt) {
            (Verdict::Passed, Some(receipt)) => Ok(VerifiedReceipt(receipt)),
            (_, receipt) => Err(Self {
                checks: self.checks,
                receipt,
            }),
        }
    }

    fn add(&mut self, name: CheckName, (outcome, note): Finding) {
        self.checks.push(Check {
            name,
            outcome,
            note,
        });
    }
}

/// Makes every check that can be made of a receipt at a time.
///
/// To verify many that may have been signed together, [`Verifier`] is faster.
pub fn verify(bytes: &[u8], trust: &Trust, at: Timestamp, expected: &Expectations<'_>) -> Report {
    report(bytes, trust, at, expected, &mut Roots::new(0))
}

fn report(
    bytes: &[u8],
    trust: &Trust,
    at: Timestamp,
    expected: &Expectations<'_>,
    roots: &mut Roots,
) -> Report {
    let mut report = Report {
        checks: Vec::with_capacity(14),
        receipt: None,
    };
    let receipt = match SignedReceipt::from_bytes(bytes) {
        Ok(receipt) => receipt,
        Err(error) => {
            report.add(CheckName::Form, checks::failed(format!("{error}")));
            return report;
        }
    };
    report.add(CheckName::Form, checks::passed("canonical, version 1"));
    let entry = trust.find(receipt.receipt().node);
    report.add(CheckName::Key, checks::check_key(&receipt, entry));
    report.add(
        CheckName::Signature,
        checks::check_signature(&receipt, entry, roots),
    );
    report.add(CheckName::Extensions, checks::check_extensions(&receipt));
    report.add(CheckName::IssuedAt, checks::check_issued_at(&receipt, at));
    let claim = receipt.claim();
    report.add(CheckName::Kind, checks::check_kind(claim, expected));
    report.add(CheckName::Status, checks::check_status(claim, expected));
    report.add(
        CheckName::Profile,
        checks::check_profile(&receipt, expected),
    );
    report.add(CheckName::Capsule, checks::check_capsule(claim, expected));
    report.add(CheckName::Input, checks::check_input(claim, expected));
    report.add(CheckName::Output, checks::check_output(claim, expected));
    report.add(
        CheckName::Audience,
        checks::check_audience(&receipt, at, expected),
    );
    report.add(
        CheckName::Request,
        checks::check_request(&receipt, trust, expected),
    );
    report.add(CheckName::Log, checks::check_log(&receipt, at, expected));
    report.receipt = Some(receipt);
    report
}
