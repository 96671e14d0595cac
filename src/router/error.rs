//! Why the router has no result to give.
//!
//! Each error says whose fault it is, and carries the receipt of what ran or was refused, where there is one.

use tenzik_receipt::{InputType, Label, Profile, SignedReceipt};

use super::limits::{InvalidLimits, Limit};
use super::request::Execution;
use crate::backend::BackendError;
use crate::pipeline::RunError;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// The backend failed, and nothing is known of the code's end. The host's fault.
    #[error("the backend {backend} failed: {error}")]
    Backend {
        /// Which.
        backend: Label,
        /// What it was doing, why it failed, and whether to try again.
        #[source]
        error: BackendError,
        /// What is known, with its receipt, which says `aborted`.
        execution: Box<Execution>,
    },
    /// The caller cancelled it before it began.
    #[error("the request was cancelled before it began")]
    Cancelled,
    /// The capsule path refused it, or could not sign.
    #[error(transparent)]
    Capsule(Box<RunError>),
    /// The run was ended by the host or the caller.
    #[error("the run was aborted: {code}")]
    Aborted {
        /// Why.
        code: Label,
        /// The run, with its receipt.
        execution: Box<Execution>,
    },
    /// The code failed. The code's fault.
    #[error("the code failed: {code}")]
    Failed {
        /// How.
        code: Label,
        /// The run, with its receipt.
        execution: Box<Execution>,
    },
    /// It was refused, and nothing ran.
    #[error("{refusal}")]
    Refused {
        /// Why.
        #[source]
        refusal: Refusal,
        /// The node's word on it.
        receipt: Box<SignedReceipt>,
    },
    /// The run met a limit.
    #[error("the limit {} was reached", limit.name())]
    ResourceLimit {
        /// Which.
        limit: Limit,
        /// The run, with its receipt.
        execution: Box<Execution>,
    },
    /// The code tried what the sandbox forbids. The code's fault.
    #[error("the sandbox was violated: {what}")]
    SandboxViolation {
        /// What it tried.
        what: Label,
        /// The run, with its receipt.
        execution: Box<Execution>,
    },
    /// The wall-clock limit was reached.
    #[error("the run took longer than its {allowed_ms} ms")]
    Timeout {
        /// The limit.
        allowed_ms: u64,
        /// The run, with its receipt.
        execution: Box<Execution>,
    },
}

/// Why a request was not run. The caller can mend each of these but the last.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The backend that was named, or the only one there is, may not run this. The caller's fault.
    #[error("the backend {backend} is denied at profile {}: {reason}", profile.name())]
    BackendDenied {
        /// Which.
        backend: Label,
        /// The profile that was asked for.
        profile: Profile,
        /// Why.
        reason: String,
    },
    /// The input is not of its type. The caller's fault.
    #[error("the input is not {}: {reason}", match input_type { InputType::Json => "strict JSON", InputType::Bytes => "within bounds" })]
    InvalidInput {
        /// What it should be.
        input_type: InputType,
        /// Where it is not.
        reason: String,
    },
    /// A limit cannot be meant, or may not be. The caller's fault.
    #[error(transparent)]
    InvalidLimits(#[from] InvalidLimits),
    /// Arguments or environment cannot be passed on. The caller's fault.
    #[error("the request cannot be passed on: {reason}")]
    InvalidRequest {
        /// Why.
        reason: String,
    },
    /// There is nothing to run. The caller's fault.
    #[error("there is no code to run")]
    MissingCode,
    /// Tools are asked for, and the request has no gateway. The caller's fault.
    #[error("the request asks for tools and has no gateway")]
    MissingGateway,
    /// No backend can run this now. It was not run on a weaker one.
    #[error("nothing can run {language} at profile {}: {}", profile.name(), told(tried))]
    RuntimeUnavailable {
        /// What it is written in.
        language: Label,
        /// The profile.
        profile: Profile,
        /// Each backend that was looked at, and why not.
        tried: Vec<(Label, String)>,
    },
}

fn told(tried: &[(Label, String)]) -> String {
    if tried.is_empty() {
        return "no backend for it is registered".to_owned();
    }
    let told: Vec<String> = tried
        .iter()
        .map(|(backend, reason)| format!("{backend}: {reason}"))
        .collect();
    told.join("; ")
}

impl RouteError {
    /// A stable name, for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Aborted { .. } => "aborted",
            Self::Backend { .. } => "backend",
            Self::Cancelled => "cancelled",
            Self::Capsule(_) => "capsule",
            Self::Failed { .. } => "failed",
            Self::Refused { refusal, .. } => refusal.code(),
            Self::ResourceLimit { .. } => "resource_limit",
            Self::SandboxViolation { .. } => "sandbox_violation",
            Self::Timeout { .. } => "timeout",
        }
    }

    /// Whether the same request may succeed later, on the same host, and nothing is done twice by it.
    pub fn is_retryable(&self) -> bool {
        match self {
            // What its tools did is done, also where a backend says that nothing ran.
            Self::Backend {
                error, execution, ..
            } => error.retryable && execution.tool_calls == 0,
            Self::Aborted { execution, .. } => execution.tool_calls == 0,
            Self::Refused { refusal, .. } => matches!(refusal, Refusal::RuntimeUnavailable { .. }),
            _ => false,
        }
    }

    /// The run, if one ended.
    pub fn execution(&self) -> Option<&Execution> {
        match self {
            Self::Aborted { execution, .. }
            | Self::Backend { execution, .. }
            | Self::Failed { execution, .. }
            | Self::ResourceLimit { execution, .. }
            | Self::SandboxViolation { execution, .. }
            | Self::Timeout { execution, .. } => Some(execution),
            _ => None,
        }
    }

    /// The receipt, if one was signed.
    pub fn receipt(&self) -> Option<&SignedReceipt> {
        match self {
            Self::Capsule(error) => match &**error {
                RunError::Aborted { run, .. } => Some(&run.receipt),
                RunError::Refused { receipt, .. } => Some(receipt),
                _ => None,
            },
            Self::Refused { receipt, .. } => Some(receipt),
            _ => self.execution().map(|execution| &execution.receipt),
        }
    }
}

impl Refusal {
    /// The code that stands in the receipt.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::BackendDenied { .. } => "backend_denied",
            Self::InvalidInput { .. } => "invalid_input",
            Self::InvalidLimits(_) => "invalid_limits",
            Self::InvalidRequest { .. } => "invalid_request",
            Self::MissingCode => "missing_code",
            Self::MissingGateway => "missing_gateway",
            Self::RuntimeUnavailable { .. } => "runtime_unavailable",
        }
    }
}
