//! Runs claims again, on two engines before anyone is accused.
//!
//! Enters: a claim with its capsule and input. Leaves: [`Verdict`]. Refuses: to call a claim forged that one engine alone contradicts.

use std::sync::{Mutex, PoisonError};

use tenzik::config::Engines;
use tenzik::execution::EngineError;
use tenzik::replay::{Difference, Evidence, Replay, ReplayError, Replayer};
use tenzik::rules::Metering;
use tenzik_receipt::{Claim, WasmClaim};

use super::finding::Reason;

/// What a re-run says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Cannot(Reason),
    Forged(Difference),
    Same,
}

/// Two engines; one run at a time, so that audits take one core at most.
pub(super) struct Judge {
    engines: Mutex<[Replayer; 2]>,
}

impl Judge {
    pub(super) fn new(time_ms_max: u32) -> Result<Self, EngineError> {
        let on = |engines| Replayer::on(engines, time_ms_max);
        Ok(Self {
            engines: Mutex::new([on(Engines::Wasmtime)?, on(Engines::Wasmi)?]),
        })
    }

    /// Runs a claim again.
    pub(super) fn judge(&self, claim: &Claim, capsule: &[u8], input: &[u8]) -> Verdict {
        let evidence = Evidence {
            capsule,
            input,
            secret: None,
            seed: None,
        };
        let [first, second] = &*self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        match first.replay(claim, &evidence) {
            Ok(Replay::Same) => Verdict::Same,
            Ok(Replay::Differs(difference)) if has_two_engines(claim) => {
                confirm(difference, second.replay(claim, &evidence))
            }
            Ok(Replay::Differs(_)) => Verdict::Cannot(Reason::OneEngine),
            Err(error) => Verdict::Cannot(reason(&error)),
        }
    }
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
        // The interpreter is slower: what it does not bring to an end confirms nothing.
        Err(ReplayError::Aborted) => Verdict::Cannot(Reason::OutOfPatience),
        Err(error) => Verdict::Cannot(match reason(&error) {
            Reason::EngineFailed => Reason::EngineFailed,
            _ => Reason::EnginesDisagree,
        }),
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
        assert_eq!(
            confirmed(Err(failed)),
            Verdict::Cannot(Reason::EngineFailed)
        );
        assert_eq!(
            confirmed(Err(ReplayError::Aborted)),
            Verdict::Cannot(Reason::OutOfPatience)
        );
    }
}
