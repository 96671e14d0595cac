//! A request on its backend, and what it came to.
//!
//! Enters: a request with its backend and limits. Leaves: an [`Execution`] with its receipt, or the error that has it.
//! Refuses: what the request may not ask; a result that is too long or not of its type, whatever the backend says.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tenzik_receipt::{InputType, Label, Profile, Stage};

use super::limits::{Held, Limit, LimitsAsked, PerLimit, RunLimits};
use super::request::{Capsule, Code, ExecuteRequest, Execution, WASM};
use super::{Refusal, RouteError, Router};
use crate::backend::{Attempt, Backend, BackendError, Captured, Ended, Isolation, Job, Readiness};
use crate::capability::Capability;
use crate::control::{Control, Phase};
use crate::gateway::{Session, SessionLimits, Tools, Transcript};
use crate::json;
use crate::limits::{Limits, LimitsAsked as CapsuleLimits, PAGE_BYTES, label};
use crate::outcome::{AbortCode, Ending, HostFault, Outcome, Request};
use crate::pipeline::{Order, Run, RunError};
use crate::receipts::{Attested, Circumstances, Subject};
use crate::sandbox::Terms;

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
        let started = Instant::now();
        let job = Job {
            code: &request.code,
            input: &request.input,
            input_type: request.input_type,
            profile: request.profile,
            limits,
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
            limits: super::claimed(&in_force(request, backend, limits)),
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

/// The limits as a claim has them. What a backend does not hold is denied above `dev` where it was asked for; a profile's default
/// that it does not hold is tried all the same, and no claim says that it was a limit of this run.
fn in_force(request: &ExecuteRequest, backend: &dyn Backend, limits: &RunLimits) -> RunLimits {
    let is_held = |limit: Limit| {
        request.limits.get(limit).is_some()
            || limit.is_the_routers()
            || backend.holds(limit, request.profile)
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

fn tools(request: &ExecuteRequest, limits: &RunLimits) -> Option<Tools> {
    let gateway = Arc::clone(request.gateway.as_ref()?);
    Some(Tools::new(gateway, session_limits(limits)))
}

fn session_limits(limits: &RunLimits) -> SessionLimits {
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

/// The run to its caller: an end that is no result is an error that has it.
fn delivered(execution: Execution, limits: &RunLimits) -> Result<Execution, RouteError> {
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
