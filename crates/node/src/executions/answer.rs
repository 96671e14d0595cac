//! What came of an execution, as its last line.
//!
//! Enters: the router's result; then where its receipt stands in the log. Leaves: one line of JSON in which the receipt stands byte
//! for byte. Refuses nothing: where there is
//! no receipt, the line says why.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;
use tenzik::backend::Captured;
use tenzik::router::{Execution, RouteError};
use tenzik_receipt::SignedReceipt;
use utoipa::ToSchema;

use super::figures::Figures;
use crate::error::{ApiError, Told};
use crate::sink::SinkError;
use crate::text;

/// The last line of an execution.
#[derive(Serialize, ToSchema)]
pub(crate) struct End<'a> {
    /// `end`
    event: &'static str,
    /// 1.
    version: u8,
    /// Why there is no result; null if there is one.
    error: Option<&'a Told>,
    /// The claim's status; `refused` for a refusal; null without a receipt.
    status: Option<&'a str>,
    /// The receipt's id; null without one.
    id: Option<String>,
    /// The receipt; its bytes are canonical as they stand here. Null where none could be made.
    #[schema(value_type = Option<Object>)]
    receipt: Option<&'a RawValue>,
    /// The result's bytes in base64; null if there is none.
    output_base64: Option<String>,
    /// What it wrote to its standard output. No receipt commits to it.
    stdout: Option<Stream>,
    /// What it wrote to its standard error. No receipt commits to it.
    stderr: Option<Stream>,
    /// The receipt's index in the node's log; null where it was not logged. It is the last member.
    log_index: Option<u64>,
}

/// What is kept of a stream.
#[derive(Serialize, ToSchema)]
pub(crate) struct Stream {
    /// Its first bytes, in base64.
    base64: String,
    /// How many more there were.
    dropped_bytes: u64,
}

/// What came of an execution, but for the place of its receipt.
pub(super) struct Answer {
    line: Vec<u8>,
    /// Its receipt, and what its claim says, if it has one.
    receipt: Option<SignedReceipt>,
}

/// The end of a line whose receipt has no place in the log.
const NO_INDEX: &str = "null}\n";
/// The most bytes of an index.
const INDEX_BYTES_MAX: u64 = 20;

impl Answer {
    /// What the router says.
    pub(super) fn of(came: Result<Execution, RouteError>, figures: &Figures) -> Self {
        let (execution, receipt) = match &came {
            Ok(execution) => (Some(execution), Some(&execution.receipt)),
            Err(error) => (error.execution(), error.receipt()),
        };
        let error = came.as_ref().err().map(told);
        error.iter().for_each(ApiError::log);
        let Some(receipt) = receipt else {
            return Self::failed(&error.unwrap_or_else(|| lost("no receipt")));
        };
        let claim = receipt.claim();
        let wall = execution.map(|execution| execution.wall);
        figures.ended(claim.status(), wall.filter(|_| !claim.is_private()));
        Self::with(execution, receipt, error.as_ref())
    }

    /// The node's own failure.
    pub(super) fn failed(error: &ApiError) -> Self {
        error.log();
        Self::written(&End {
            error: Some(error.told()),
            ..End::nothing()
        })
    }

    /// Nothing ran, because nobody waited for it.
    pub(super) fn cancelled() -> Self {
        Self::failed(&cancelled())
    }

    /// Its receipt; none for what did not run and was not refused by the router.
    pub(super) const fn receipt(&self) -> Option<&SignedReceipt> {
        self.receipt.as_ref()
    }

    /// The most bytes that the line has.
    pub(super) fn bytes_max(&self) -> u64 {
        self.line.len() as u64 + INDEX_BYTES_MAX
    }

    /// The line, with its end, of what has no place in the log.
    pub(super) fn line(self) -> Arc<[u8]> {
        self.line.into()
    }

    /// The line of what has one.
    pub(super) fn line_at(mut self, log_index: u64) -> Arc<[u8]> {
        self.line.truncate(self.line.len() - NO_INDEX.len());
        self.line.extend(format!("{log_index}}}\n").bytes());
        self.line.into()
    }

    /// The line of what was to have one, and has not. It ran, or was refused, and that is all that may be told: the receipt promises
    /// the log.
    pub(super) fn line_unlogged(self, error: &SinkError) -> Arc<[u8]> {
        let error = unlogged(error);
        error.log();
        let receipt = self.receipt.as_ref();
        let told = Self::written(&End {
            error: Some(error.told()),
            status: receipt.map(|receipt| receipt.claim().status()),
            id: receipt.map(|receipt| receipt.id().to_string()),
            ..End::nothing()
        });
        told.line()
    }

    fn with(
        execution: Option<&Execution>,
        receipt: &SignedReceipt,
        error: Option<&ApiError>,
    ) -> Self {
        let bytes = receipt.to_bytes();
        let raw: &RawValue = match serde_json::from_slice(&bytes) {
            Ok(raw) => raw,
            // Its canonical form is JSON.
            Err(error) => return Self::failed(&lost(error)),
        };
        let value = execution.and_then(Execution::value);
        let answer = Self::written(&End {
            error: error.map(ApiError::told),
            status: Some(receipt.claim().status()),
            id: Some(receipt.id().to_string()),
            receipt: Some(raw),
            output_base64: value.map(|value| STANDARD.encode(value)),
            stdout: execution.map(|execution| Stream::of(&execution.stdout)),
            stderr: execution.map(|execution| Stream::of(&execution.stderr)),
            ..End::nothing()
        });
        Self {
            receipt: Some(receipt.clone()),
            ..answer
        }
    }

    fn written(end: &End<'_>) -> Self {
        // Texts, numbers and a receipt are always JSON; none of them has a line break outside of an escape.
        let mut line = serde_json::to_vec(end).unwrap_or_default();
        line.push(b'\n');
        let receipt = None;
        Self { line, receipt }
    }
}

impl End<'_> {
    const fn nothing() -> Self {
        Self {
            event: "end",
            version: 1,
            error: None,
            status: None,
            id: None,
            receipt: None,
            output_base64: None,
            stdout: None,
            stderr: None,
            log_index: None,
        }
    }
}

impl Stream {
    fn of(captured: &Captured) -> Self {
        Self {
            base64: STANDARD.encode(&captured.bytes),
            dropped_bytes: captured.dropped,
        }
    }
}

/// The node's own failure where a program may have run.
pub(super) fn lost(cause: impl fmt::Display) -> ApiError {
    ApiError::internal(cause).behind_its_beginning()
}

fn cancelled() -> ApiError {
    let message = "it was cancelled before it began";
    ApiError::conflict("cancelled", message, "send it again, under another id")
}

fn unlogged(error: &SinkError) -> ApiError {
    let message = "it is over, and its receipt is not in the node's log, or nobody knows";
    let hint =
        "it does not run again under this id; look for the receipt by its id when the log goes on";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    ApiError::new(status, "unlogged", message, hint).caused_by(error)
}

/// What the caller is told. What a backend says of its own failure is the operator's to know.
fn told(error: &RouteError) -> ApiError {
    let hint = "the receipt says what is known";
    match error {
        RouteError::Cancelled => cancelled(),
        RouteError::Capsule(error) => lost(error),
        RouteError::Backend { backend, .. } => {
            let message = format!("the backend {backend} failed");
            ApiError::unprocessable(error.code(), message, hint).caused_by(error)
        }
        _ => ApiError::unprocessable(error.code(), text::shown(&error.to_string()), hint),
    }
}

#[cfg(test)]
mod tests {
    use tenzik::pipeline::RunError;

    use super::*;

    /// It said "try again" of a program that had run and whose receipt could not be signed.
    #[test]
    fn a_caller_is_not_told_to_send_again_what_may_have_run() {
        let unsigned = RouteError::Capsule(Box::new(RunError::SignerPanicked));
        for error in [told(&unsigned), lost("it panicked")] {
            let body = String::from_utf8(error.to_body()).expect("JSON");
            assert!(body.contains("it may have run"), "{body}");
            assert!(!body.contains("try again"), "{body}");
        }
        let never = String::from_utf8(told(&RouteError::Cancelled).to_body()).expect("JSON");
        assert!(never.contains("send it again"), "{never}");
    }
}
