//! A request on its backend, and what it came to.
//!
//! Enters: a request with its backend and limits. Leaves: an [`Execution`] with its receipt, or the error that has it.
//! Refuses: what the request may not ask; a result that is too long or not of its type, whatever the backend says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenzik_receipt::{InputType, Stage};

use super::capsule::order;
use super::limits::{Held, Limit, LimitsAsked, PerLimit, RunLimits};
use super::request::{Code, ExecuteRequest, Execution, WASM};
use super::{Refusal, RouteError, Router};
use crate::backend::{Attempt, Backend, BackendError, Ended, Job, Readiness};
use crate::capability::Capability;
use crate::control::{Control, Phase};
use crate::gateway::{Session, SessionLimits, Transcript};
use crate::json;
use crate::limits::{Limits, label};
use crate::receipts::{Attested, Circumstances, Subject};

/// The longest input that is taken; a backend's own may be lower.
const INPUT_BYTES_MAX: usize = json::TEXT_BYTES_MAX;
/// What every module can be given.
const NO_CEILINGS: Limits = Limits {
    fuel: u64::MAX,
    host_calls: u32::MAX,
    memory_pages: u32::MAX,
    output_bytes: u32::MAX,
    time_ms: u32::MAX,
};

/// Holds a request against what can be said without a backend. `ceilings` are those of this host's capsule path.
pub(super) fn check(request: &ExecuteRequest, ceilings: &Limits) -> Result<RunLimits, Refusal> {
    let limits = request.limits.resolve(request.profile)?;
    if matches!(request.code, Code::Capsule(_)) {
        // What another host allows, it says itself.
        let ceilings = if is_here(request) {
            ceilings
        } else {
            &NO_CEILINGS
        };
        request
            .limits
            .check_for_capsule(request.profile, ceilings)?;
    }
    let wants_tools = match &request.code {
        code if code.is_empty() => return Err(Refusal::MissingCode),
        Code::Capsule(capsule) => capsule.grants.contains(Capability::Tools),
        Code::Program(program) => {
            let invalid = |reason| Refusal::InvalidRequest { reason };
            program.check().map_err(invalid)?;
            request.limits.get(Limit::ToolCalls).is_some()
        }
    };
    if wants_tools && request.gateway.is_none() {
        return Err(Refusal::MissingGateway);
    }
    check_input(request)?;
    Ok(limits)
}

/// Whether a capsule goes to the capsule path of this host.
fn is_here(request: &ExecuteRequest) -> bool {
    request.backend.as_ref().is_none_or(|it| *it == WASM)
}

fn check_input(request: &ExecuteRequest) -> Result<(), Refusal> {
    let invalid = |reason: String| Refusal::InvalidInput {
        input_type: request.input_type,
        reason,
    };
    if request.input.len() > INPUT_BYTES_MAX {
        return Err(invalid(format!(
            "it has {} bytes, {INPUT_BYTES_MAX} are allowed",
            request.input.len()
        )));
    }
    match request.input_type {
        InputType::Bytes => Ok(()),
        InputType::Json => json::check(&request.input).map_err(|error| invalid(error.to_string())),
    }
}

impl Router {
    /// Runs a request on a backend that is not the capsule path.
    pub(super) fn run_on(
        &self,
        (backend, readiness): (&dyn Backend, Readiness),
        request: &ExecuteRequest,
        limits: &RunLimits,
        circumstances: Circumstances,
        control: &Control,
    ) -> Result<Execution, RouteError> {
        let session = session(request, limits, control);
        let in_force = in_force(request, backend, limits);
        let started = Instant::now();
        let job = Job {
            code: &request.code,
            input: &request.input,
            input_type: request.input_type,
            profile: request.profile,
            limits,
            claimed: &in_force,
            tenant: request.tenant.as_ref(),
            gateway: session.as_ref(),
            control,
            deadline: limits
                .get(Limit::WallMs)
                .map(|allowed| started + Duration::from_millis(allowed)),
        };
        let turn = self.pipeline.sealing().enter();
        control.enter(Phase::Running);
        let came = catch_unwind(AssertUnwindSafe(|| backend.run(&job)))
            .unwrap_or_else(|_| Err(BackendError::lost("run", "it panicked")));
        control.enter(Phase::Sealing);
        let (attempt, failure) = match came {
            Ok(attempt) => (attempt, None),
            Err(error) if error.denied => {
                let refusal = Refusal::BackendDenied {
                    backend: backend.kind(),
                    profile: request.profile,
                    reason: error.to_string(),
                };
                // The turn ends without a seal of its own; the refusal's is another.
                drop(turn);
                return Err(self.refused(request, refusal, circumstances));
            }
            Err(error) => (lost(started.elapsed()), Some(error)),
        };
        let attempt = checked(attempt, request.input_type, limits);
        let (transcript, tool_calls) = closed(session.as_deref());
        let held = with_the_routers(attempt.limits, limits, tool_calls);
        let attested = Attested {
            request,
            limits: super::claimed(&in_force),
            backend: backend.kind(),
            attempt: &attempt,
            held: &held,
            transcript: transcript.root(),
        };
        let receipt = turn
            .seal(Subject::Attested(Box::new(attested)), circumstances)
            .map_err(|error| RouteError::Capsule(Box::new(error.into())))?;
        let execution = Execution {
            ended: attempt.ended,
            stdout: attempt.stdout,
            stderr: attempt.stderr,
            transcript,
            tool_calls,
            wall: attempt.wall,
            backend: backend.kind(),
            version: attempt.version,
            readiness,
            profile: request.profile,
            asked: request.limits,
            limits: held,
            isolation: attempt.isolation,
            receipt,
        };
        match failure {
            Some(error) => Err(RouteError::Backend {
                backend: backend.kind(),
                error,
                execution: Box::new(execution),
            }),
            None => delivered(execution, limits),
        }
    }

    /// The error of a request that is not run, with its receipt.
    pub(super) fn refused(
        &self,
        request: &ExecuteRequest,
        refusal: Refusal,
        circumstances: Circumstances,
    ) -> RouteError {
        let code = refusal.code();
        let subject = match &request.code {
            // What would have run is the capsule path's, and so is the request's identity.
            Code::Capsule(capsule) if is_here(request) => {
                let limits = request.limits.resolve(request.profile);
                let limits = limits.or_else(|_| LimitsAsked::default().resolve(request.profile));
                let order = limits.map(|limits| order(request, capsule, &limits));
                let secret = circumstances.secret.as_ref();
                order.map_or(Subject::Unrouted { request, code }, |order| {
                    Subject::Refused {
                        stage: Stage::Routing,
                        code,
                        request: Box::new(self.pipeline.request(&order, secret)),
                    }
                })
            }
            _ => Subject::Unrouted { request, code },
        };
        let signed = self.pipeline.sealing().enter().seal(subject, circumstances);
        match signed {
            Ok(receipt) => RouteError::Refused {
                refusal,
                receipt: Box::new(receipt),
            },
            Err(error) => RouteError::Capsule(Box::new(error.into())),
        }
    }
}

/// The limits as a claim has them. What a backend does not hold is denied above `dev` where it was asked for; a profile's default
/// that it does not hold is tried all the same, and no claim says that it was a limit of this run.
fn in_force(request: &ExecuteRequest, backend: &dyn Backend, limits: &RunLimits) -> RunLimits {
    let is_held = |limit: Limit| {
        request.limits.get(limit).is_some()
            || limit.is_the_routers()
            || backend.holds(limit, request.code.language(), request.profile)
    };
    RunLimits::of(|limit| limits.get(limit).filter(|_| is_held(limit)))
}

fn session(
    request: &ExecuteRequest,
    limits: &RunLimits,
    control: &Control,
) -> Option<Arc<Session>> {
    let gateway = Arc::clone(request.gateway.as_ref()?);
    let session = Session::new(gateway, session_limits(limits), control.clone());
    Some(Arc::new(session))
}

pub(super) fn session_limits(limits: &RunLimits) -> SessionLimits {
    let narrow = |limit| u32::try_from(limits.get(limit).unwrap_or(0)).unwrap_or(u32::MAX);
    SessionLimits {
        tool_calls: narrow(Limit::ToolCalls),
        chain_steps: narrow(Limit::ChainSteps),
    }
}

fn closed(session: Option<&Session>) -> (Transcript, u32) {
    session.map_or_else(Default::default, |session| {
        let transcript = session.close();
        (transcript, session.tool_calls())
    })
}

/// A run of which the backend knows no end.
fn lost(wall: Duration) -> Attempt {
    let code = label("backend_failed");
    Attempt::new(Ended::Aborted { code }, label("unknown"), wall)
}

/// Holds a result against its type and limit: no backend can forget to.
fn checked(mut attempt: Attempt, input_type: InputType, limits: &RunLimits) -> Attempt {
    let Ended::Ok(value) = &attempt.ended else {
        return attempt;
    };
    let (used, allowed) = (value.len() as u64, limits.get(Limit::OutputBytes));
    let held = attempt.limits.get(Limit::OutputBytes);
    let ended = if allowed.is_some_and(|allowed| used > allowed) {
        Some(Ended::LimitReached(Limit::OutputBytes))
    } else if input_type == InputType::Json && json::check(value).is_err() {
        let code = label("invalid_output");
        Some(Ended::Failed {
            code,
            message: None,
        })
    } else {
        None
    };
    attempt.limits = attempt.limits.with(
        Limit::OutputBytes,
        Held {
            applied: allowed,
            enforced: allowed.is_some(),
            observed: held.observed.or(Some(used)),
        },
    );
    if let Some(ended) = ended {
        attempt.ended = ended;
    }
    attempt
}

/// What the router itself held, beside what the backend did.
fn with_the_routers(held: PerLimit<Held>, limits: &RunLimits, calls: u32) -> PerLimit<Held> {
    let own = |limit, observed| Held {
        applied: limits.get(limit),
        enforced: limits.get(limit).is_some(),
        observed,
    };
    held.with(Limit::ToolCalls, own(Limit::ToolCalls, Some(calls.into())))
        .with(Limit::ChainSteps, own(Limit::ChainSteps, None))
}

/// The run to its caller: an end that is no result is an error that has it.
pub(super) fn delivered(execution: Execution, limits: &RunLimits) -> Result<Execution, RouteError> {
    let ended = execution.ended.clone();
    let execution = Box::new(execution);
    Err(match ended {
        Ended::Ok(_) => return Ok(*execution),
        Ended::Aborted { code } => RouteError::Aborted { code, execution },
        Ended::Failed { code, .. } => RouteError::Failed { code, execution },
        Ended::LimitReached(Limit::WallMs) => RouteError::Timeout {
            allowed_ms: execution
                .limits
                .get(Limit::WallMs)
                .applied
                .or(limits.get(Limit::WallMs))
                .unwrap_or(0),
            execution,
        },
        Ended::LimitReached(limit) => RouteError::ResourceLimit { limit, execution },
        Ended::SandboxViolation { what } => RouteError::SandboxViolation { what, execution },
    })
}
