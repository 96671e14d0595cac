//! What a run pays at its start and at its end, and what it came to: alike on every engine.
//!
//! Enters: limits and prices before a run; the code and the fuel left after it. Leaves: an [`Ended`], and of it an
//! [`Outcome`]. Refuses: a run that cannot pay its start; it ends before it has a memory.

use std::sync::Arc;
use std::time::Duration;

use tenzik_receipt::Label;

use super::host::{Exit, Host};
use super::locked;
use crate::limits::Limits;
use crate::outcome::{AbortCode, Diagnostics, Ending, Outcome, Request, Usage};
use crate::rules::output_fuel;
use crate::sandbox::BoundCapsule;

/// A run that is over.
pub(super) struct Ended {
    pub(super) ending: Ending,
    /// 0 if more was used than there was.
    pub(super) fuel_left: u64,
    /// 0 if there never was a memory.
    pub(super) memory_pages_peak: u32,
    pub(super) host: Host,
    /// The byte of the capsule at which the trap was raised, where the engine tells.
    pub(super) trap_offset: Option<usize>,
}

/// The fuel with which the first instruction starts.
pub(super) fn fuel_at_start(limits: &Limits, startup_fuel: u64) -> Result<u64, Exit> {
    limits.fuel.checked_sub(startup_fuel).ok_or(Exit::OutOfFuel)
}

/// The ending of a run that returned this code, and the fuel that is left; `left` is below zero where the capsule
/// used more than it had. The check of the output is paid for before it is made.
pub(super) fn returned(host: &mut Host, code: i32, left: i64) -> (Ending, u64) {
    let Ok(left) = u64::try_from(left) else {
        return (Ending::OutOfFuel, 0);
    };
    if code != 0 {
        return (Ending::Exited(code), left);
    }
    let price = output_fuel(host.output.len(), host.input_type);
    match left.checked_sub(price) {
        Some(left) => (host.finish(), left),
        None => (Ending::OutOfFuel, 0),
    }
}

impl Ended {
    pub(super) fn outcome(
        mut self,
        engine: Label,
        bound: &BoundCapsule,
        request: &Request,
        wall: Duration,
    ) -> Outcome {
        let tools = self.host.tools.take();
        let called = tools
            .map(|tools| locked(&tools).close())
            .unwrap_or_default();
        Outcome {
            capsule: bound.capsule().id(),
            terms: Arc::clone(bound.terms()),
            request: request.clone(),
            usage: Usage {
                fuel: self.fuel_used(),
                memory_pages_peak: self.memory_pages_peak,
                host_calls: self.host.calls,
            },
            diagnostics: Diagnostics {
                fault: called
                    .fault
                    .filter(|_| self.ending == Ending::Aborted(AbortCode::HostFailure)),
                trap_offset: self.trap_offset.filter(|_| self.host.debugging),
                abort: self.host.abort.take(),
            },
            ending: self.ending,
            called,
            wall,
            engine,
        }
    }

    /// The figure that a claim has: exact where the run ended well or failed, else the limit.
    fn fuel_used(&self) -> u64 {
        let limit = self.host.limits.fuel;
        match self.ending {
            Ending::Ok(_) | Ending::Exited(_) | Ending::Failed(_) | Ending::FailedByAbort => {
                limit - self.fuel_left
            }
            // A counter kept in a register is lost on a trap; this way every engine agrees.
            _ => limit,
        }
    }
}
