//! Verification: is this receipt what it says, by a key that the caller trusts, and about what the caller holds?
//!
//! Enters: foreign bytes, [`Trust`], the time, and what the caller expects ([`Expectations`]).
//! Leaves: a [`Report`] with a line for each check, also for those that could not be made; from a passed one,
//! a [`VerifiedReceipt`].
//! Refuses: nothing by panic. Signatures are checked strictly (no weak keys, no second form of a signature), one by one.
//!
//! It reads no clock and no file, and it does not run the capsule: that is replay's.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use ed25519_dalek::VerifyingKey;

use crate::canonical::{Encode, Label};
use crate::claim::{Claim, Disclosed};
use crate::digest::{Blake3, PublicKey, RawSignature};
use crate::key::KeyUse;
use crate::merkle;
use crate::pae::{BATCH_PAYLOAD, REQUEST_PAYLOAD, pae};
use crate::private::{PrivateMember, RunSecret};
use crate::receipt::{
    BATCH_MAX, BatchRoot, BatchSignature, Profile, RequestSignature, Signature, SignedReceipt,
};
use crate::request::RequestStatement;
use crate::time::Timestamp;
use crate::trust::{Entry, Trust, TrustedKey};

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
    /// Whether a trusted requester must have signed the request, and with it clock and seed.
    pub requester: bool,
    /// The secret of a private run, to open its commitments.
    pub secret: Option<&'a RunSecret>,
    /// The status that the run must have ended with. Naming one is the only way to accept `aborted` and `refused`.
    pub status: Option<&'a str>,
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
    /// The log promise.
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

type Finding = (Outcome, Cow<'static, str>);

fn passed(note: impl Into<Cow<'static, str>>) -> Finding {
    (Outcome::Passed, note.into())
}

fn failed(note: impl Into<Cow<'static, str>>) -> Finding {
    (Outcome::Failed, note.into())
}

fn unknown(note: impl Into<Cow<'static, str>>) -> Finding {
    (Outcome::Unknown, note.into())
}

fn not_checked(note: impl Into<Cow<'static, str>>) -> Finding {
    (Outcome::NotChecked, note.into())
}

/// Makes every check that can be made of a receipt at a time.
pub fn verify(bytes: &[u8], trust: &Trust, at: Timestamp, expected: &Expectations<'_>) -> Report {
    let mut report = Report {
        checks: Vec::with_capacity(14),
        receipt: None,
    };
    let receipt = match SignedReceipt::from_bytes(bytes) {
        Ok(receipt) => receipt,
        Err(error) => {
            report.add(CheckName::Form, failed(format!("{error}")));
            return report;
        }
    };
    report.add(CheckName::Form, passed("canonical, version 1"));
    let entry = trust.find(receipt.receipt().node);
    report.add(CheckName::Key, check_key(&receipt, entry));
    report.add(CheckName::Signature, check_signature(&receipt, entry));
    report.add(CheckName::Extensions, check_extensions(&receipt));
    report.add(CheckName::IssuedAt, check_issued_at(&receipt, at));
    let claim = receipt.claim();
    report.add(CheckName::Kind, check_kind(claim, expected));
    report.add(CheckName::Status, check_status(claim, expected));
    report.add(CheckName::Profile, check_profile(&receipt, expected));
    report.add(CheckName::Capsule, check_capsule(claim, expected));
    report.add(CheckName::Input, check_input(claim, expected));
    report.add(CheckName::Output, check_output(claim, expected));
    report.add(CheckName::Audience, check_audience(&receipt, at, expected));
    report.add(CheckName::Request, check_request(&receipt, trust, expected));
    report.add(CheckName::Log, check_log(&receipt, at, expected));
    report.receipt = Some(receipt);
    report
}

fn check_key(receipt: &SignedReceipt, entry: Option<&Entry>) -> Finding {
    let Some(Entry { trusted, .. }) = entry else {
        return unknown("the node's key is not among the trusted ones");
    };
    match distrust(trusted, KeyUse::Receipt, receipt.receipt().issued_at) {
        Some(reason) => failed(format!("the key {reason}")),
        None => passed("trusted for receipts"),
    }
}

/// Why a listed key does not count for this use at this time.
fn distrust(trusted: &TrustedKey, wanted: KeyUse, at: Timestamp) -> Option<String> {
    if trusted.key_use != wanted {
        return Some(format!("is trusted as {} key only", trusted.key_use));
    }
    if let Some(revoked_at) = trusted.revoked_at {
        return Some(format!("was revoked at {revoked_at}"));
    }
    if at < trusted.valid_from {
        return Some(format!("is valid from {} on", trusted.valid_from));
    }
    let end = trusted.valid_until.filter(|end| at >= *end)?;
    Some(format!("was valid until {end}"))
}

fn check_signature(receipt: &SignedReceipt, entry: Option<&Entry>) -> Finding {
    let node = receipt.receipt().node;
    let unpacked;
    let key = match entry {
        Some(entry) => &entry.verifying,
        None => match VerifyingKey::from_bytes(node.as_bytes()) {
            Ok(key) => {
                unpacked = key;
                &unpacked
            }
            Err(_) => return failed("the node's key is no Ed25519 key"),
        },
    };
    let holds = match receipt.signature() {
        Signature::Single(signature) => strict(key, &receipt.signed_bytes(), signature),
        Signature::Batch(batch) => batch_holds(receipt, batch, key, node),
    };
    match (holds, entry.is_some()) {
        (false, _) => failed("the signature does not belong to these bytes and this key"),
        (true, true) => passed("Ed25519, strict"),
        (true, false) => {
            not_checked("it is the named key's, which says nothing while the key is unknown")
        }
    }
}

fn batch_holds(
    receipt: &SignedReceipt,
    batch: &BatchSignature,
    key: &VerifyingKey,
    node: PublicKey,
) -> bool {
    let leaf = merkle::leaf_hash(&receipt.signed_bytes());
    let (index, size) = (batch.index.get(), batch.size.get());
    let root = merkle::root_from_path(leaf, index, size, &batch.path);
    root.filter(|_| size <= BATCH_MAX as u64)
        .is_some_and(|root| {
            let signed = BatchRoot {
                node,
                root,
                size: batch.size,
            };
            strict(
                key,
                &pae(BATCH_PAYLOAD, &signed.to_canonical()),
                &batch.root_sig,
            )
        })
}

fn strict(key: &VerifyingKey, message: &[u8], signature: &RawSignature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
    key.verify_strict(message, &signature).is_ok()
}

fn check_extensions(receipt: &SignedReceipt) -> Finding {
    let receipt = receipt.receipt();
    // This version knows no extension, so every critical one is unknown.
    match receipt.crit.as_slice().first() {
        Some(name) => failed(format!("the critical extension `{name}` is not known")),
        None if receipt.ext.is_empty() => passed("none"),
        None => passed("none is critical"),
    }
}

fn check_issued_at(receipt: &SignedReceipt, at: Timestamp) -> Finding {
    let issued_at = receipt.receipt().issued_at;
    if issued_at > at.plus_seconds(CLOCK_SKEW_SECONDS_MAX) {
        return failed(format!("{issued_at} is after {at}"));
    }
    passed(format!("{issued_at}, by the node's own clock"))
}

fn check_kind(claim: &Claim, expected: &Expectations<'_>) -> Finding {
    match expected.kind {
        Some(kind) if kind != claim.kind() => failed(format!("the kind is {}", claim.kind())),
        _ if claim.is_replayable() => passed("anyone can run it again"),
        _ => passed("it cannot be run again: the node's word is all there is"),
    }
}

fn check_status(claim: &Claim, expected: &Expectations<'_>) -> Finding {
    let status = claim.status();
    match expected.status {
        Some(wanted) if wanted == status => passed(status),
        Some(_) => failed(format!("the status is {status}")),
        None if matches!(status, "aborted" | "refused") => failed(format!(
            "the status is {status}, which passes only where it is asked for"
        )),
        None => passed(status),
    }
}

fn check_profile(receipt: &SignedReceipt, expected: &Expectations<'_>) -> Finding {
    let profile = receipt.receipt().backend.profile;
    match expected.profile {
        Some(wanted) if profile.is_at_least(wanted) => passed(profile.name()),
        Some(_) => failed(format!("the profile is {profile}")),
        None => not_checked(format!("the node says {profile}")),
    }
}

fn check_capsule(claim: &Claim, expected: &Expectations<'_>) -> Finding {
    match expected.capsule {
        None => not_checked(format!("{}", claim.code())),
        Some(bytes) if Blake3::of(bytes) == claim.code() => passed("the bytes given"),
        Some(bytes) => failed(format!("{} was given", Blake3::of(bytes))),
    }
}

fn check_input(claim: &Claim, expected: &Expectations<'_>) -> Finding {
    check_bytes(
        claim.input(),
        expected.input,
        PrivateMember::Input,
        expected.secret,
    )
}

fn check_output(claim: &Claim, expected: &Expectations<'_>) -> Finding {
    match (claim.output(), expected.output) {
        (Some(output), given) => check_bytes(output, given, PrivateMember::Output, expected.secret),
        (None, Some(_)) => failed("the run has no output"),
        (None, None) => passed("the run has none"),
    }
}

fn check_bytes(
    committed: &Disclosed<Blake3>,
    given: Option<&[u8]>,
    member: PrivateMember,
    secret: Option<&RunSecret>,
) -> Finding {
    let Some(bytes) = given else {
        return not_checked("not given");
    };
    match (committed, secret) {
        (Disclosed::Open(digest), _) if *digest == Blake3::of(bytes) => passed("the bytes given"),
        (Disclosed::Open(_), _) => failed(format!("{} was given", Blake3::of(bytes))),
        (Disclosed::Keyed(keyed), Some(secret)) if *keyed == secret.commit(member, bytes) => {
            passed("the bytes given")
        }
        // A digest of the bytes would tell a reader of the report what the receipt hides.
        (Disclosed::Keyed(_), Some(_)) => failed("other bytes or another secret were given"),
        (Disclosed::Keyed(_), None) => unknown("the run is private, and its secret was not given"),
    }
}

fn check_audience(receipt: &SignedReceipt, at: Timestamp, expected: &Expectations<'_>) -> Finding {
    let wanted = expected.audience.is_some() || expected.challenge.is_some();
    let audience = match (&receipt.receipt().audience, wanted) {
        (Some(audience), true) => audience,
        (Some(audience), false) => return not_checked(format!("it is for {}", audience.name)),
        (None, true) => return failed("the receipt is for nobody in particular"),
        (None, false) => {
            return not_checked("it is for nobody in particular: it may be an old one");
        }
    };
    if expected
        .audience
        .is_some_and(|name| name != audience.name.as_str())
    {
        return failed(format!("it is for {}", audience.name));
    }
    if expected
        .challenge
        .is_some_and(|bytes| bytes != audience.challenge.as_bytes())
    {
        return failed("it answers another challenge");
    }
    // From then on the verifier may have forgotten that it has seen the pair.
    if at >= audience.expires_at {
        return failed(format!("it expired at {}", audience.expires_at));
    }
    passed("it is for this verifier")
}

fn check_request(receipt: &SignedReceipt, trust: &Trust, expected: &Expectations<'_>) -> Finding {
    let Some(request) = &receipt.receipt().request else {
        let note = "nobody signed the request: the node chose seed and clock";
        return if expected.requester {
            failed(note)
        } else {
            not_checked(note)
        };
    };
    let entry = trust.find(request.requester);
    if !request_holds(receipt, request, entry) {
        return failed("the requester's signature does not belong to this request");
    }
    let Some(Entry { trusted, .. }) = entry else {
        let note = "the requester's key is not among the trusted ones: the node may have chosen seed and clock";
        return if expected.requester {
            unknown(note)
        } else {
            not_checked(note)
        };
    };
    // A request has no date of its own; it was signed before the receipt was.
    match distrust(trusted, KeyUse::Requester, receipt.receipt().issued_at) {
        Some(reason) => failed(format!("the requester's key {reason}")),
        None => passed("signed by its requester, seed and clock included"),
    }
}

fn request_holds(
    receipt: &SignedReceipt,
    request: &RequestSignature,
    entry: Option<&Entry>,
) -> bool {
    let key = match entry {
        Some(entry) => entry.verifying,
        None => match VerifyingKey::from_bytes(request.requester.as_bytes()) {
            Ok(key) => key,
            Err(_) => return false,
        },
    };
    let statement = RequestStatement::of(receipt.receipt()).to_canonical();
    strict(&key, &pae(REQUEST_PAYLOAD, &statement), &request.signature)
}

fn check_log(receipt: &SignedReceipt, at: Timestamp, expected: &Expectations<'_>) -> Finding {
    match (&receipt.receipt().log, expected.log) {
        (None, true) => failed("no log is promised"),
        (None, false) => not_checked("no log is promised"),
        (Some(log), true) if at > log.merge_by => failed(format!(
            "it was to be in {} by {}, and no proof is given",
            log.origin, log.merge_by
        )),
        (Some(log), true) => unknown(promised(&log.origin)),
        (Some(log), false) => not_checked(promised(&log.origin)),
    }
}

fn promised(origin: &Label) -> Cow<'static, str> {
    format!("promised to {origin}; no proof is given").into()
}
