//! What came of an execution, as its last line.
//!
//! Enters: the router's result. Leaves: one line of JSON in which the receipt stands byte for byte. Refuses nothing: where there is
//! no receipt, the line says why.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::value::RawValue;
use tenzik::backend::Captured;
use tenzik::router::{Execution, RouteError};
use tenzik_receipt::SignedReceipt;
use utoipa::ToSchema;

use super::figures::Figures;
use crate::error::{ApiError, Told};
use crate::sink::ReceiptSink;
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
    /// The receipt's index in the node's log; null where it was not logged.
    log_index: Option<u64>,
    /// The receipt; its bytes are canonical as they stand here. Null where none could be made.
    #[schema(value_type = Option<Object>)]
    receipt: Option<&'a RawValue>,
    /// The result's bytes in base64; null if there is none.
    output_base64: Option<String>,
    /// What it wrote to its standard output. No receipt commits to it.
    stdout: Option<Stream>,
    /// What it wrote to its standard error. No receipt commits to it.
    stderr: Option<Stream>,
}

/// What is kept of a stream.
#[derive(Serialize, ToSchema)]
pub(crate) struct Stream {
    /// Its first bytes, in base64.
    base64: String,
    /// How many more there were.
    dropped_bytes: u64,
}

/// What came of an execution.
pub(super) struct Answer(Vec<u8>);

impl Answer {
    /// What the router says, once its receipt is where it belongs.
    pub(super) async fn of(
        came: Result<Execution, RouteError>,
        sink: Option<&dyn ReceiptSink>,
        figures: &Figures,
    ) -> Self {
        let (execution, receipt) = match &came {
            Ok(execution) => (Some(execution), Some(&execution.receipt)),
            Err(error) => (error.execution(), error.receipt()),
        };
        let error = came.as_ref().err().map(told);
        error.iter().for_each(ApiError::log);
        let Some(receipt) = receipt else {
            return Self::failed(&error.unwrap_or_else(|| ApiError::internal("no receipt")));
        };
        let claim = receipt.claim();
        let wall = execution.map(|execution| execution.wall);
        figures.ended(claim.status(), wall.filter(|_| !claim.is_private()));
        let placed = match sink {
            // A crash or an error here: the receipt is in the log or not, and nobody else has it.
            Some(sink) => match sink.accept(receipt).await {
                Ok(placed) => Some(placed.index),
                Err(error) => return Self::failed(&ApiError::unavailable(error)),
            },
            None => None,
        };
        Self::line_of(execution, receipt, error.as_ref(), placed)
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

    /// How long it is.
    pub(super) fn bytes(&self) -> u64 {
        self.0.len() as u64
    }

    /// The line, with its end.
    pub(super) fn line(self) -> Arc<[u8]> {
        self.0.into()
    }

    fn line_of(
        execution: Option<&Execution>,
        receipt: &SignedReceipt,
        error: Option<&ApiError>,
        log_index: Option<u64>,
    ) -> Self {
        let bytes = receipt.to_bytes();
        let raw: &RawValue = match serde_json::from_slice(&bytes) {
            Ok(raw) => raw,
            // Its canonical form is JSON.
            Err(error) => return Self::failed(&ApiError::internal(error)),
        };
        let value = execution.and_then(Execution::value);
        Self::written(&End {
            error: error.map(ApiError::told),
            status: Some(receipt.claim().status()),
            id: Some(receipt.id().to_string()),
            log_index,
            receipt: Some(raw),
            output_base64: value.map(|value| STANDARD.encode(value)),
            stdout: execution.map(|execution| Stream::of(&execution.stdout)),
            stderr: execution.map(|execution| Stream::of(&execution.stderr)),
            ..End::nothing()
        })
    }

    fn written(end: &End<'_>) -> Self {
        // Texts, numbers and a receipt are always JSON; none of them has a line break outside of an escape.
        let mut line = serde_json::to_vec(end).unwrap_or_default();
        line.push(b'\n');
        Self(line)
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
            log_index: None,
            receipt: None,
            output_base64: None,
            stdout: None,
            stderr: None,
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

fn cancelled() -> ApiError {
    let message = "it was cancelled before it began";
    ApiError::conflict("cancelled", message, "send it again, under another id")
}

/// What the caller is told. What a backend says of its own failure is the operator's to know.
fn told(error: &RouteError) -> ApiError {
    let hint = "the receipt says what is known";
    match error {
        RouteError::Cancelled => cancelled(),
        RouteError::Capsule(error) => ApiError::internal(error),
        RouteError::Backend { backend, .. } => {
            let message = format!("the backend {backend} failed");
            ApiError::unprocessable(error.code(), message, hint).caused_by(error)
        }
        _ => ApiError::unprocessable(error.code(), text::shown(&error.to_string()), hint),
    }
}
