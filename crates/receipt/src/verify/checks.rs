//! The checks of a receipt, each by itself.
//!
//! Enters: a receipt whose form is right, and what the caller expects. Leaves: how the check came out, with a note.
//! Refuses nothing: what does not hold is a finding.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;

use ed25519_dalek::VerifyingKey;

use super::many::{Roots, SignedRoot};
use super::{CLOCK_SKEW_SECONDS_MAX, Expectations, LogProof, Outcome};
use crate::batch::leaf;
use crate::canonical::Encode;
use crate::claim::{Claim, Disclosed};
use crate::digest::{Blake3, PublicKey, RawSignature};
use crate::key::KeyUse;
use crate::merkle;
use crate::pae::{BATCH_PAYLOAD, REQUEST_PAYLOAD, pae};
use crate::private::{PrivateMember, RunSecret};
use crate::receipt::{
    BATCH_MAX, BatchRoot, BatchSignature, LogPromise, RequestSignature, Signature, SignedReceipt,
};
use crate::request::RequestStatement;
use crate::time::Timestamp;
use crate::trust::{Entry, Trust, TrustedKey};

/// How much of a name that the caller expects is repeated: no receipt's has more.
const LABEL_CHARS_SHOWN: usize = 256;

/// How a check came out, and what was found.
pub(super) type Finding = (Outcome, Cow<'static, str>);

pub(super) fn passed(note: impl Into<Cow<'static, str>>) -> Finding {
    (Outcome::Passed, note.into())
}

pub(super) fn failed(note: impl Into<Cow<'static, str>>) -> Finding {
    (Outcome::Failed, note.into())
}

fn unknown(note: impl Into<Cow<'static, str>>) -> Finding {
    (Outcome::Unknown, note.into())
}

fn not_checked(note: impl Into<Cow<'static, str>>) -> Finding {
    (Outcome::NotChecked, note.into())
}
pub(super) fn check_key(receipt: &SignedReceipt, entry: Option<&Entry>) -> Finding {
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

pub(super) fn check_signature(
    receipt: &SignedReceipt,
    entry: Option<&Entry>,
    roots: &mut Roots,
) -> Finding {
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
        Signature::Batch(batch) => batch_holds(receipt, batch, key, node, roots),
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
    roots: &mut Roots,
) -> bool {
    let (index, size) = (batch.index, batch.size);
    if size.get() > BATCH_MAX as u64 {
        return false;
    }
    let leaf = leaf(receipt.payload());
    let Some(root) = merkle::root_from_path(leaf, index.get(), size.get(), &batch.path) else {
        return false;
    };
    let root_sig = batch.root_sig;
    let signed = SignedRoot {
        root,
        root_sig,
        node,
        size,
    };
    roots.hold(signed, || {
        let message = BatchRoot { node, root, size }.to_canonical();
        strict(key, &pae(BATCH_PAYLOAD, &message), &root_sig)
    })
}

fn strict(key: &VerifyingKey, message: &[u8], signature: &RawSignature) -> bool {
    let signature = ed25519_dalek::Signature::from_bytes(signature.as_bytes());
    key.verify_strict(message, &signature).is_ok()
}

pub(super) fn check_extensions(receipt: &SignedReceipt) -> Finding {
    let receipt = receipt.receipt();
    // This version knows no extension, so every critical one is unknown.
    match receipt.crit.as_slice().first() {
        Some(name) => failed(format!("the critical extension `{name}` is not known")),
        None if receipt.ext.is_empty() => passed("none"),
        None => passed("none is critical"),
    }
}

pub(super) fn check_issued_at(receipt: &SignedReceipt, at: Timestamp) -> Finding {
    let issued_at = receipt.receipt().issued_at;
    if issued_at > at.plus_seconds(CLOCK_SKEW_SECONDS_MAX) {
        return failed(format!("{issued_at} is after {at}"));
    }
    passed(format!("{issued_at}, by the node's own clock"))
}

pub(super) fn check_kind(claim: &Claim, expected: &Expectations<'_>) -> Finding {
    match expected.kind {
        Some(kind) if kind != claim.kind() => {
            failed(format!("the kind is {}, {kind} is required", claim.kind()))
        }
        _ if claim.is_replayable() => passed("anyone can run it again"),
        _ => passed("it cannot be run again: the node's word is all there is"),
    }
}

pub(super) fn check_status(claim: &Claim, expected: &Expectations<'_>) -> Finding {
    let status = claim.status();
    match expected.status {
        Some(wanted) if wanted == status => passed(status),
        Some(wanted) => failed(format!("the status is {status}, {wanted} is required")),
        None if matches!(status, "aborted" | "refused") => failed(format!(
            "the status is {status}, which passes only where it is asked for"
        )),
        None => passed(status),
    }
}

pub(super) fn check_profile(receipt: &SignedReceipt, expected: &Expectations<'_>) -> Finding {
    let profile = receipt.receipt().backend.profile;
    match expected.profile {
        Some(wanted) if profile.is_at_least(wanted) => passed(profile.name()),
        Some(wanted) => failed(format!("the profile is {profile}, {wanted} is required")),
        None => not_checked(format!("the node says {profile}")),
    }
}

pub(super) fn check_capsule(claim: &Claim, expected: &Expectations<'_>) -> Finding {
    match expected.capsule {
        None => not_checked(format!("{}", claim.code())),
        Some(bytes) if Blake3::of(bytes) == claim.code() => passed("the bytes given"),
        Some(bytes) => other_bytes(claim.code(), bytes),
    }
}

pub(super) fn check_input(claim: &Claim, expected: &Expectations<'_>) -> Finding {
    check_bytes(
        claim.input(),
        expected.input,
        PrivateMember::Input,
        expected.secret,
    )
}

pub(super) fn check_output(claim: &Claim, expected: &Expectations<'_>) -> Finding {
    match (claim.output(), expected.output) {
        (Some(output), given) => check_bytes(output, given, PrivateMember::Output, expected.secret),
        (None, Some(_)) => failed("the run has no output"),
        (None, None) => passed("the run has none"),
    }
}

pub(super) fn check_bytes(
    committed: &Disclosed<Blake3>,
    given: Option<&[u8]>,
    member: PrivateMember,
    secret: Option<&RunSecret>,
) -> Finding {
    let Some(bytes) = given else {
        return not_checked("none was given");
    };
    match (committed, secret) {
        (Disclosed::Open(digest), _) if *digest == Blake3::of(bytes) => passed("the bytes given"),
        (Disclosed::Open(digest), _) => other_bytes(*digest, bytes),
        (Disclosed::Keyed(keyed), Some(secret)) if *keyed == secret.commit(member, bytes) => {
            passed("the bytes given")
        }
        // A digest of the bytes would tell a reader of the report what the receipt hides.
        (Disclosed::Keyed(_), Some(_)) => failed("other bytes or another secret were given"),
        (Disclosed::Keyed(_), None) => unknown("the run is private, and its secret was not given"),
    }
}

fn other_bytes(digest: Blake3, given: &[u8]) -> Finding {
    let given = Blake3::of(given);
    failed(format!("the receipt has {digest}, {given} was given"))
}

pub(super) fn check_audience(
    receipt: &SignedReceipt,
    at: Timestamp,
    expected: &Expectations<'_>,
) -> Finding {
    let wanted = expected.audience.is_some() || expected.challenge.is_some();
    let audience = match (&receipt.receipt().audience, wanted) {
        (Some(audience), true) => audience,
        (Some(audience), false) => return not_checked(format!("it is for {}", audience.name)),
        (None, true) => return failed("the receipt is for nobody in particular"),
        (None, false) => {
            return not_checked("it is for nobody in particular: it may be an old one");
        }
    };
    if let Some(wanted) = expected.audience
        && wanted != audience.name.as_str()
    {
        let wanted: String = wanted.escape_debug().take(LABEL_CHARS_SHOWN).collect();
        return failed(format!("it is for {}, not for {wanted}", audience.name));
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

pub(super) fn check_request(
    receipt: &SignedReceipt,
    trust: &Trust,
    expected: &Expectations<'_>,
) -> Finding {
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

pub(super) fn check_log(
    receipt: &SignedReceipt,
    at: Timestamp,
    expected: &Expectations<'_>,
) -> Finding {
    let promise = receipt.receipt().log.as_ref();
    let why = match expected.proof {
        Some(LogProof::Fails { why }) => return failed(shown(why)),
        Some(LogProof::Holds { origin, size }) => return check_inclusion(promise, origin, size),
        Some(LogProof::Unknown { why }) => shown(why),
        None => Cow::Borrowed("no proof is given"),
    };
    match promise {
        Some(log) if expected.log && at > log.merge_by => failed(format!(
            "it was to be in {} by {}, and {why}",
            log.origin, log.merge_by
        )),
        Some(log) if expected.log || expected.proof.is_some() => {
            unknown(format!("promised to {}; {why}", log.origin))
        }
        Some(log) => not_checked(format!("promised to {}; {why}", log.origin)),
        None if expected.proof.is_some() => unknown(why.into_owned()),
        None if expected.log => failed("no log is promised"),
        None => not_checked("no log is promised"),
    }
}

/// A receipt in a log that it does not name is in that log all the same, unless it names another.
fn check_inclusion(promise: Option<&LogPromise>, origin: &str, size: u64) -> Finding {
    let proven = shown(origin);
    match promise {
        Some(log) if log.origin.as_str() != origin => failed(format!(
            "promised to {}, and the proof is of {proven}",
            log.origin
        )),
        _ => passed(format!("in {proven}, by its tree of {size}")),
    }
}

/// As much of a text of the caller's as a note repeats.
fn shown(text: &str) -> Cow<'static, str> {
    let shown: String = text.escape_debug().take(LABEL_CHARS_SHOWN).collect();
    shown.into()
}
