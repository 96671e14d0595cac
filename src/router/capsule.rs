//! A request on the capsule path, in the router's terms.
//!
//! Enters: a request for a capsule with its limits. Leaves: an [`Execution`] whose claim anyone can re-run, or the error that has
//! it. Refuses nothing that the pipeline does not refuse.

use std::sync::Arc;

use tenzik_receipt::{Label, Profile};

use super::limits::{Held, Limit, PerLimit, RunLimits};
use super::request::{Capsule, ExecuteRequest, Execution, WASM};
use super::run::{delivered, session_limits};
use super::{RouteError, Router};
use crate::backend::{Captured, Ended, Isolation, Readiness};
use crate::control::Control;
use crate::gateway::Tools;
use crate::limits::{LimitsAsked as CapsuleLimits, PAGE_BYTES, label};
use crate::outcome::{AbortCode, Ending, HostFault, Outcome, Request};
use crate::pipeline::{Order, Run, RunError};
use crate::receipts::Circumstances;
use crate::sandbox::Terms;

impl Router {
    /// Runs a capsule: the claim is one that anyone can re-run.
    pub(super) fn run_capsule(
        &self,
        (request, capsule): (&ExecuteRequest, &Capsule),
        limits: &RunLimits,
        circumstances: Circumstances,
        control: &Control,
    ) -> Result<Execution, RouteError> {
        let order = order(request, capsule, limits);
        let run = self.pipeline.run_controlled(&order, circumstances, control);
        let run = match run {
            Ok(run) => run,
            // The caller of a router asks for the run's end, and gets it with the receipt.
            Err(RunError::Aborted { run, .. }) => *run,
            Err(RunError::Cancelled) => return Err(RouteError::Cancelled),
            Err(error) => return Err(RouteError::Capsule(Box::new(error))),
        };
        delivered(of_capsule(run, request, limits), limits)
    }
}

/// What the pipeline is asked.
pub(super) fn order(request: &ExecuteRequest, capsule: &Capsule, limits: &RunLimits) -> Order {
    let narrow = |limit| {
        limits
            .get(limit)
            .map(|number| u32::try_from(number).unwrap_or(u32::MAX))
    };
    let asked = |limit: Limit| request.limits.get(limit).is_some();
    // A capsule has one thread: what it takes of the clock bounds what it takes of a processor. It has no process, no file
    // and no thread to make, so those limits hold by themselves.
    let time = [Limit::CpuMs, Limit::WallMs]
        .into_iter()
        .filter(|limit| asked(*limit))
        .filter_map(narrow)
        .min();
    Order {
        capsule: Arc::clone(&capsule.bytes),
        terms: Terms {
            grants: capsule.grants.clone(),
            limits: CapsuleLimits {
                fuel: capsule.fuel,
                memory_pages: limits
                    .get(Limit::MemoryBytes)
                    .filter(|_| asked(Limit::MemoryBytes))
                    .map(|bytes| u32::try_from(bytes / PAGE_BYTES).unwrap_or(u32::MAX)),
                output_bytes: narrow(Limit::OutputBytes).filter(|_| asked(Limit::OutputBytes)),
                time_ms: time,
                ..CapsuleLimits::default()
            },
            policy: None,
            tools: tools(request, limits),
        },
        request: Request {
            input: Arc::clone(&request.input),
            input_type: request.input_type,
            clock_ms: capsule.clock_ms,
            seed: capsule.seed,
        },
    }
}

fn tools(request: &ExecuteRequest, limits: &RunLimits) -> Option<Tools> {
    let gateway = Arc::clone(request.gateway.as_ref()?);
    Some(Tools::new(gateway, session_limits(limits)))
}

fn of_capsule(run: Run, request: &ExecuteRequest, limits: &RunLimits) -> Execution {
    let Run { outcome, receipt } = run;
    Execution {
        limits: capsule_limits(&outcome, limits),
        wall: outcome.wall(),
        ended: ended(&outcome),
        stdout: Captured::default(),
        stderr: Captured::default(),
        tool_calls: outcome.called.tool_calls,
        transcript: outcome.called.transcript,
        backend: WASM.clone(),
        readiness: Readiness::Ready {
            version: outcome.engine.clone(),
        },
        version: outcome.engine,
        profile: Profile::Hardened,
        asked: request.limits,
        isolation: Isolation::default(),
        receipt,
    }
}

fn ended(outcome: &Outcome) -> Ended {
    let failed = |code: Label| Ended::Failed {
        code,
        message: None,
    };
    match outcome.ending() {
        Ending::Aborted(AbortCode::TimeLimit) => Ended::LimitReached(Limit::WallMs),
        Ending::Aborted(code) => Ended::Aborted {
            // Whoever is told wants to know more than the claim may say.
            code: label(
                outcome
                    .diagnostics()
                    .fault
                    .map_or(code.name(), HostFault::name),
            ),
        },
        Ending::Exited(code) => failed(Label::new(format!("exit:{code}")).unwrap_or(label("exit"))),
        Ending::Failed(message) => Ended::Failed {
            code: label("fail"),
            message: Some(message.clone()),
        },
        Ending::FailedByAbort => failed(label("abort")),
        Ending::InvalidOutput => failed(label("invalid_output")),
        Ending::Ok(output) => Ended::Ok(output.as_slice().into()),
        Ending::OutOfFuel => Ended::LimitReached(Limit::CpuMs),
        Ending::OutOfStack => Ended::LimitReached(Limit::MemoryBytes),
        Ending::OutputTooLarge => Ended::LimitReached(Limit::OutputBytes),
        Ending::TooManyCalls => failed(label("too_many_calls")),
        Ending::Trapped(code) => failed(label(code.name())),
    }
}

/// A capsule's limits in the router's terms. What it cannot do at all is held at whatever was asked.
fn capsule_limits(outcome: &Outcome, limits: &RunLimits) -> PerLimit<Held> {
    let applied = outcome.terms.limits;
    PerLimit::of(|limit| {
        let (applied, observed) = match limit {
            Limit::CpuMs | Limit::WallMs => (Some(applied.time_ms.into()), None),
            Limit::DiskBytes | Limit::Pids => (limits.get(limit), Some(0)),
            Limit::MemoryBytes => (
                Some(u64::from(applied.memory_pages) * PAGE_BYTES),
                outcome
                    .usage()
                    .map(|usage| u64::from(usage.memory_pages_peak) * PAGE_BYTES),
            ),
            Limit::OutputBytes => (
                Some(applied.output_bytes.into()),
                outcome.output().map(|output| output.len() as u64),
            ),
            Limit::ChainSteps => (limits.get(limit), Some(0)),
            Limit::ToolCalls => (limits.get(limit), Some(outcome.called.tool_calls.into())),
        };
        Held {
            applied,
            enforced: applied.is_some(),
            observed,
        }
    })
}
