//! Why a call through the gateway came to nothing.
//!
//! Enters: what went wrong, in somebody's words. Leaves: a code, a bounded message, and whether to try again.

use serde::{Deserialize, Deserializer, Serialize};

/// How many characters of a message are kept: a tool's words go into transcripts, and are not ours.
pub const MESSAGE_CHARS_MAX: usize = 512;

/// A call that failed, as executed code sees it and as the transcript has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {message}", code.name())]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct GatewayError {
    /// What went wrong.
    pub code: GatewayErrorCode,
    /// For people; at most [`MESSAGE_CHARS_MAX`] characters, without control characters.
    #[serde(deserialize_with = "bounded")]
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GatewayErrorCode {
    /// The run was cancelled, or is over.
    Cancelled,
    /// Policy does not allow the call.
    Denied,
    /// The arguments are not what the tool takes.
    InvalidArguments,
    /// The request is not of the form.
    InvalidRequest,
    /// One of the run's limits is used up.
    LimitReached,
    /// There is no such tool.
    NotFound,
    /// The tool took too long.
    Timeout,
    /// The tool was called, and failed.
    ToolFailed,
    /// The tool or the gateway cannot be reached.
    Unavailable,
}

impl GatewayErrorCode {
    /// The name that stands in frames and transcripts.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cancelled => "cancelled",
            Self::Denied => "denied",
            Self::InvalidArguments => "invalid_arguments",
            Self::InvalidRequest => "invalid_request",
            Self::LimitReached => "limit_reached",
            Self::NotFound => "not_found",
            Self::Timeout => "timeout",
            Self::ToolFailed => "tool_failed",
            Self::Unavailable => "unavailable",
        }
    }

    /// Whether the same call may succeed later, where nothing more is known.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Timeout | Self::Unavailable)
    }
}

impl GatewayError {
    /// An error with a message, cut and without control characters.
    pub fn new(code: GatewayErrorCode, message: impl AsRef<str>) -> Self {
        Self {
            code,
            message: plain(message.as_ref()),
            retryable: code.is_retryable(),
        }
    }

    /// The run was cancelled.
    pub fn cancelled() -> Self {
        Self::new(GatewayErrorCode::Cancelled, "the run is over")
    }

    /// There is no such tool.
    pub fn not_found(tool: &super::ToolId) -> Self {
        Self::new(
            GatewayErrorCode::NotFound,
            format!("there is no tool {tool}"),
        )
    }
}

/// Whoever wrote it.
fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    String::deserialize(deserializer).map(|message| plain(&message))
}

fn plain(message: &str) -> String {
    let kept = message.chars().filter(|c| !c.is_control());
    kept.take(MESSAGE_CHARS_MAX).collect()
}
