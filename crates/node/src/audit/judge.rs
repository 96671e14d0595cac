//! Runs claims again, on two engines before anyone is accused.
//!
//! Enters: a claim with its capsule and input. Leaves: [`Verdict`]. Refuses: to call a claim forged that one engine alone contradicts,
//! and to pass over in silence that one does.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tenzik::config::Engines;
use tenzik::execution::EngineError;
use tenzik::replay::{Difference, Evidence, Replay, ReplayError, Replayer};
use tenzik::rules::Metering;
use tenzik_receipt::{Claim, WasmClaim};

use super::finding::Reason;

/// How much longer than the first engine the second one may take: an interpreter is slower than compiled code by some such factor,
/// and whoever could outlast it could lie in peace. Its fuel was paid for.
const CONFIRMING_TIMES: u32 = 50;
/// However long the first one may take, the second one takes no longer than a quarter of an hour.
const CONFIRMING_MS_MAX: u32 = 900_000;

/// What a re-run says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Cannot(Reason),
    Forged(Difference),
    Same,
    /// One engine contradicts the claim, and nothing confirms that.
    Unconfirmed(Difference, Reason),
}

/// Two engines; one run at a time on each, so that audits take two cores at most. A long confirmation holds up nobody but others that
/// need one.
pub(super) struct Judge {
    first: Mutex<Replayer>,
    second: Mutex<Replayer>,
}

impl Judge {
    pub(super) fn new(time_ms_max: u32) -> Result<Self, EngineError> {
        let on = |engines, time_ms| Replayer::on(engines, time_ms).map(Mutex::new);
        Ok(Self {
            first: on(Engines::Wasmtime, time_ms_max)?,
            second: on(Engines::Wasmi, confirming_ms(time_ms_max))?,
        })
    }

    /// Runs a claim again, and says how long the engines took.
    pub(super) fn judge(&self, claim: &Claim, capsule: &[u8], input: &[u8]) -> (Verdict, Duration) {
        let evidence = Evidence {
            capsule,
            input,
            secret: None,
            seed: None,
            transcript: None,
        };
        let (first, took) = replay(&self.first, claim, &evidence);
        let verdict = match first {
            Ok(Replay::Same) => Verdict::Same,
            Ok(Replay::Differs(difference)) if has_two_engines(claim) => {
                let (second, longer) = replay(&self.second, claim, &evidence);
                return (confirm(difference, second), took + longer);
            }
            Ok(Replay::Differs(difference)) => Verdict::Unconfirmed(difference, Reason::OneEngine),
            Err(error) => Verdict::Cannot(reason(&error)),
        };
        (verdict, took)
    }
}

/// What an engine makes of it, and its time, without the waiting for others' runs.
fn replay(
    engine: &Mutex<Replayer>,
    claim: &Claim,
    evidence: &Evidence<'_>,
) -> (Result<Replay, ReplayError>, Duration) {
    let engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
    let begun = Instant::now();
    (engine.replay(claim, evidence), begun.elapsed())
}

fn confirming_ms(time_ms_max: u32) -> u32 {
    let longer = time_ms_max.saturating_mul(CONFIRMING_TIMES);
    longer.min(CONFIRMING_MS_MAX).max(time_ms_max)
}

/// Whether the interpreter runs this claim too: an engine's own metering is run by that engine alone.
fn has_two_engines(claim: &Claim) -> bool {
    let module = |claim: &WasmClaim| claim.metering.as_str() == Metering::Module.label();
    matches!(claim, Claim::Wasm(claim) if module(claim))
}

/// What the second engine makes of a difference that the first one found.
fn confirm(difference: Difference, second: Result<Replay, ReplayError>) -> Verdict {
    match second {
        Ok(Replay::Differs(other)) if other == difference => Verdict::Forged(difference),
        Ok(_) => Verdict::Cannot(Reason::EnginesDisagree),
        // It gave no answer, so it confirms nothing; but it does not deny it either.
        Err(ReplayError::Aborted | ReplayError::Engine { .. }) => {
            Verdict::Unconfirmed(difference, Reason::NotConfirmed)
        }
        Err(_) => Verdict::Cannot(Reason::EnginesDisagree),
    }
}

fn reason(error: &ReplayError) -> Reason {
    match error {
        ReplayError::Aborted => Reason::OutOfPatience,
        ReplayError::Engine { .. } => Reason::EngineFailed,
        ReplayError::Grant(_) | ReplayError::Unknown { .. } => Reason::Unknown,
        ReplayError::Private => Reason::Private,
        _ => Reason::RefusedHere,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(found: &str) -> Difference {
        Difference {
            member: "fuel",
            claimed: "1".to_owned(),
            found: found.to_owned(),
        }
    }

    #[test]
    fn nobody_is_accused_unless_both_engines_say_the_same() {
        let confirmed = |second| confirm(difference("2"), second);
        assert_eq!(
            confirmed(Ok(Replay::Differs(difference("2")))),
            Verdict::Forged(difference("2"))
        );
        let disagree = Verdict::Cannot(Reason::EnginesDisagree);
        assert_eq!(confirmed(Ok(Replay::Differs(difference("3")))), disagree);
        assert_eq!(confirmed(Ok(Replay::Same)), disagree);
        assert_eq!(confirmed(Err(ReplayError::Private)), disagree);
        let failed = ReplayError::Engine {
            reason: String::new(),
        };
        let unconfirmed = Verdict::Unconfirmed(difference("2"), Reason::NotConfirmed);
        assert_eq!(confirmed(Err(failed)), unconfirmed);
        assert_eq!(confirmed(Err(ReplayError::Aborted)), unconfirmed);
    }

    #[test]
    fn the_slower_engine_has_far_more_time_but_not_for_ever() {
        assert_eq!(confirming_ms(10_000), 500_000);
        assert_eq!(confirming_ms(60_000), CONFIRMING_MS_MAX);
        assert_eq!(confirming_ms(u32::MAX), u32::MAX);
    }
}
