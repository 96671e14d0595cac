//! Evidence that somebody sent.
//!
//! Enters: an evidence file, the accused's keys. Leaves: what it shows, a forged claim being run again. Refuses: what shows
//! nothing to somebody who trusts those keys.

use serde_json::json;
use tenzik_log::checkpoint::Origin;
use tenzik_log::evidence::{EVIDENCE_BYTES_MAX, Evidence, EvidenceError, Finding, Known};
use tenzik_log::{LeafRules, Visibility};
use tenzik_receipt::SignedReceipt;

use super::Args;
use super::rerun::{Found, rerun};
use crate::error::{Exit, Failure};
use crate::output::Reply;
use crate::source::{Kind, Source};
use crate::witnessed::is_untold;
use crate::{system, text};

/// An evidence file.
const EVIDENCE: Kind = Kind {
    what: "evidence file",
    bytes_max: EVIDENCE_BYTES_MAX as u64,
    too_large: Exit::Failed,
};

/// Verifies evidence.
pub(super) fn verify(args: &Args) -> Result<Reply, Failure> {
    let (Some(file), Some(log)) = (&args.evidence, &args.log_trust.log) else {
        // clap has asked for both.
        return Err(shows_nothing("it is not said whose log it is about"));
    };
    let policy = args.log_trust.load()?;
    let bytes = Source::from(file.clone()).read(EVIDENCE)?;
    let evidence = Evidence::from_bytes(&bytes).map_err(|error| refused(&error))?;
    let origin = Origin::new(log.name().as_str()).map_err(|error| unusable(&error))?;
    let nodes = args.nodes.iter().copied();
    // Whoever forged a claim signed it, whether or not it may be in a public log.
    let visibility = match args.public {
        true => Visibility::Public,
        false => Visibility::Private,
    };
    let rules = LeafRules::new(origin, nodes, visibility);
    let rules = rules.map_err(|error| unusable(&error))?;
    let known = Known {
        log,
        rules: &rules,
        policy: &policy,
        at: system::now()?,
    };
    let finding = evidence.verify(known).map_err(|error| refused(&error))?;
    let (kind, shown) = match &finding {
        Finding::BadLeaf { index, error } => (
            "bad_leaf",
            format!("the log holds at {index} what it may not hold: {error}"),
        ),
        Finding::BrokenPromise {
            merge_by,
            seen,
            size,
        } => (
            "broken_promise",
            format!(
                "a receipt was to be in the log by {merge_by}, and at {seen} witnesses saw a tree of {size}: \
                 only a proof that the receipt is in that tree refutes this"
            ),
        ),
        Finding::Equivocation { size } => (
            "equivocation",
            format!("the log signed two trees that differ within the first {size} entries"),
        ),
        Finding::Claimed { .. } => ("forged_claim", claimed(&evidence, args.timeout)?),
        _ => return Err(shows_nothing("this version does not know what it shows")),
    };
    let shown = text::shown(&shown, 600);
    let members = json!({"kind": kind, "holds": true, "shows": shown});
    Ok(Reply::new(
        format!("evidence   holds       {shown}\n"),
        members,
    ))
}

/// The signature holds, and the bytes are the claim's; whether the claim is false, the engines say.
fn claimed(evidence: &Evidence, timeout: u32) -> Result<String, Failure> {
    let Evidence::ForgedClaim(forged) = evidence else {
        return Err(shows_nothing("it is of another kind than what it shows"));
    };
    let receipt = SignedReceipt::from_bytes(forged.receipt.as_bytes())?;
    match rerun(receipt.claim(), &forged.capsule, &forged.input, timeout)? {
        Found::Same => Err(shows_nothing(
            "both engines give the very claim that was signed",
        )),
        Found::Forged(difference) => {
            let node = receipt.receipt().node;
            Ok(format!("{node} signed a false claim: {difference}"))
        }
    }
}

fn refused(error: &EvidenceError) -> Failure {
    let why = text::shown(&error.to_string(), 400);
    match error {
        EvidenceError::Policy(untold) if is_untold(untold) => Failure::new(
            Exit::CannotTell,
            "cannot_tell",
            format!("cannot tell what the evidence shows: {why}"),
            "give the log's own policy, with witnesses that you trust",
        ),
        _ => shows_nothing(&why),
    }
}

fn unusable(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Usage,
        "log_key",
        format!("a key cannot be used: {error}"),
        "get the key again from its owner",
    )
}

fn shows_nothing(why: &str) -> Failure {
    Failure::new(
        Exit::Failed,
        "shows_nothing",
        format!("the evidence shows nothing: {why}"),
        "accuse nobody by it; check that --log and --node are the accused's keys",
    )
}
