//! A claim, run again on two engines that have next to nothing in common.
//!
//! Enters: a claim, its capsule, its input. Leaves: what both found. Refuses: to find a claim forged unless both engines
//! give the same other claim: a fault of one engine is no node's lie.

use serde_json::{Value, json};
use tenzik::config::Engines;
use tenzik::replay::{Difference, Evidence, Replay, ReplayError, Replayer};
use tenzik_receipt::Claim;

use crate::error::{Exit, Failure};

/// What came of it.
pub(super) enum Found {
    /// Both engines found the same other claim.
    Forged(Difference),
    /// Both found the claim itself.
    Same,
}

/// Runs a claim again.
pub(super) fn rerun(
    claim: &Claim,
    capsule: &[u8],
    input: &[u8],
    timeout: u32,
) -> Result<Found, Failure> {
    if !claim.is_replayable() {
        return Err(ReplayError::NotReplayable {
            kind: claim.kind(),
            status: claim.status(),
        }
        .into());
    }
    let evidence = Evidence {
        capsule,
        input,
        secret: None,
        seed: None,
        transcript: None,
    };
    let on = |engine| -> Result<Replay, Failure> {
        Ok(Replayer::on(engine, timeout)?.replay(claim, &evidence)?)
    };
    match (on(Engines::Wasmtime)?, on(Engines::Wasmi)?) {
        (Replay::Same, Replay::Same) => Ok(Found::Same),
        (Replay::Differs(one), Replay::Differs(other)) if one == other => Ok(Found::Forged(one)),
        _ => Err(Failure::new(
            Exit::CannotTell,
            "engines_disagree",
            "the two engines do not give the same claim, which accuses neither the node nor its receipt",
            "report it with the capsule and the input: it is a fault of an engine",
        )),
    }
}

impl Found {
    /// The finding for people.
    pub(super) fn line(&self) -> String {
        match self {
            Self::Forged(difference) => format!("replay     FORGED      {difference}\n"),
            Self::Same => "replay     same        on wasmtime and on wasmi\n".to_owned(),
        }
    }

    /// The finding for programs.
    pub(super) fn member(&self) -> Value {
        match self {
            Self::Forged(difference) => json!({
                "outcome": "forged",
                "member": difference.member,
                "claimed": difference.claimed,
                "found": difference.found,
            }),
            Self::Same => json!({"outcome": "same"}),
        }
    }
}

/// The claim is not what the capsule gives.
pub(super) fn forged(why: &str, hint: impl Into<String>) -> Failure {
    Failure::new(
        Exit::Failed,
        "forged",
        format!("the claim is forged: {why}"),
        hint,
    )
}
