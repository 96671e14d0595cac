//! What came of a run, as the caller is told.
//!
//! Enters: the pipeline's result. Leaves: an answer in which the receipt stands byte for byte. Refuses: results without a receipt.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::value::RawValue;
use tenzik::outcome::{Ending, Outcome};
use tenzik::pipeline::{Run, RunError};
use tenzik_receipt::{Seed, SignedReceipt};
use tracing::Span;
use utoipa::ToSchema;

use crate::error::{ApiError, Told};
use crate::node::Node;
use crate::runner::RunFailure;
use crate::sink::Placed;
use crate::{telemetry, text};

/// A run.
#[derive(Serialize, ToSchema)]
pub(crate) struct RunAnswer<'a> {
    /// 1.
    version: u8,
    #[serde(flatten)]
    #[schema(inline)]
    receipt: ReceiptAnswer<'a>,
    /// Why it did not end well.
    detail: Option<Detail>,
    /// The output, if it ended with the status `ok`.
    output: Option<String>,
    /// `utf-8` or `base64`; null where there is no output.
    output_encoding: Option<&'static str>,
    /// What it used; null where it was aborted.
    usage: Option<UsageAnswer>,
    /// The seed of a private run: the receipt hides it, and a replay needs it.
    seed: Option<String>,
}

/// A refusal of the engine's.
#[derive(Serialize, ToSchema)]
pub(crate) struct RefusedAnswer<'a> {
    /// 1.
    version: u8,
    #[schema(inline)]
    error: &'a Told,
    #[serde(flatten)]
    #[schema(inline)]
    receipt: ReceiptAnswer<'a>,
    /// The seed of a private request.
    seed: Option<String>,
}

/// A receipt with what is read from it most.
#[derive(Serialize, ToSchema)]
struct ReceiptAnswer<'a> {
    /// The receipt's id.
    id: String,
    /// The claim's id.
    claim_id: String,
    /// The claim's status; `refused` for a refusal.
    status: &'a str,
    /// The receipt's index in the node's log; null where it was not logged.
    log_index: Option<u64>,
    /// The receipt. Its bytes are canonical as they stand here: they are what was signed, and what is verified.
    #[schema(value_type = Object)]
    receipt: &'a RawValue,
}

/// Why a run did not end well.
#[derive(Serialize, ToSchema)]
struct Detail {
    /// A code of `docs/abi.md`.
    code: String,
    /// The capsule's own words, cut.
    message: Option<String>,
}

/// What a run used.
#[derive(Serialize, ToSchema)]
struct UsageAnswer {
    /// Fuel.
    fuel: u64,
    /// Calls by host function.
    host_calls: BTreeMap<&'static str, u32>,
    /// Memory in pages of 64 KiB.
    memory_pages_peak: u32,
    /// Wall-clock time in microseconds.
    wall_us: u64,
}

/// A run that is over, or was refused with a receipt.
pub(super) enum Came {
    Ran(Box<Run>),
    Refused(ApiError, Box<SignedReceipt>),
}

impl Came {
    pub(super) fn of(result: Result<Run, RunFailure>) -> Result<Self, ApiError> {
        match result {
            Ok(run) => Ok(Self::Ran(Box::new(run))),
            Err(RunFailure::Full { .. }) => Err(ApiError::busy()),
            Err(RunFailure::Run(RunError::Aborted { run, .. })) => Ok(Self::Ran(run)),
            Err(RunFailure::Run(RunError::Refused {
                refusal, receipt, ..
            })) => {
                // A finding may quote the capsule.
                let message = text::shown(&refusal.to_string());
                let error = ApiError::unprocessable(refusal.code(), message, refusal.remedy());
                Ok(Self::Refused(error, receipt))
            }
            Err(error) => Err(ApiError::internal(error)),
        }
    }

    pub(super) const fn receipt(&self) -> &SignedReceipt {
        match self {
            Self::Ran(run) => &run.receipt,
            Self::Refused(_, receipt) => receipt,
        }
    }

    /// Tells the operator. What a private receipt hides is not told.
    pub(super) fn count(&self, node: &Node, span: &Span) {
        let claim = self.receipt().claim();
        span.record("status", claim.status());
        let Self::Ran(run) = self else {
            return node.metrics.ran(claim.status(), None);
        };
        let open = !claim.is_private();
        node.metrics
            .ran(claim.status(), open.then_some(run.outcome.wall()));
        if let Some(usage) = run.outcome.usage().filter(|_| open) {
            telemetry::used(span, usage.fuel);
            node.metrics.fuel.inc_by(usage.fuel);
        }
    }

    /// The answer.
    pub(super) fn answer(
        self,
        placed: Option<Placed>,
        seed: Option<Seed>,
    ) -> Result<Response, ApiError> {
        let bytes = self.receipt().to_bytes();
        let raw: &RawValue = serde_json::from_slice(&bytes).map_err(ApiError::internal)?;
        let receipt = ReceiptAnswer {
            id: self.receipt().id().to_string(),
            claim_id: self.receipt().claim().id().to_string(),
            status: self.receipt().claim().status(),
            log_index: placed.map(|placed| placed.index),
            receipt: raw,
        };
        let seed = seed.map(|seed| seed.to_string());
        match &self {
            Self::Ran(run) => {
                let body = to_body(&ran(receipt, &run.outcome, seed))?;
                Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
            }
            Self::Refused(error, _) => {
                let body = to_body(&RefusedAnswer {
                    version: 1,
                    error: error.told(),
                    receipt,
                    seed,
                })?;
                Ok(error.clone().respond(body))
            }
        }
    }
}

fn ran<'a>(receipt: ReceiptAnswer<'a>, outcome: &Outcome, seed: Option<String>) -> RunAnswer<'a> {
    let (output, output_encoding) =
        match outcome.output().map(|bytes| (bytes, str::from_utf8(bytes))) {
            None => (None, None),
            Some((_, Ok(text))) => (Some(text.to_owned()), Some("utf-8")),
            Some((bytes, Err(_))) => (Some(STANDARD.encode(bytes)), Some("base64")),
        };
    RunAnswer {
        version: 1,
        receipt,
        detail: detail(outcome.ending()),
        output,
        output_encoding,
        usage: outcome.usage().map(|usage| UsageAnswer {
            fuel: usage.fuel,
            host_calls: usage.calls().collect(),
            memory_pages_peak: usage.memory_pages_peak,
            wall_us: u64::try_from(outcome.wall().as_micros()).unwrap_or(u64::MAX),
        }),
        seed,
    }
}

fn detail(ending: &Ending) -> Option<Detail> {
    let code = match ending {
        Ending::Aborted(code) => code.name().to_owned(),
        Ending::Exited(code) => format!("exit:{code}"),
        Ending::Failed(words) => {
            let message = Some(text::shown(words));
            let code = "fail".to_owned();
            return Some(Detail { code, message });
        }
        Ending::FailedByAbort => "abort".to_owned(),
        Ending::Trapped(code) => code.name().to_owned(),
        _ => return None,
    };
    let message = None;
    Some(Detail { code, message })
}

fn to_body(answer: &impl Serialize) -> Result<Vec<u8>, ApiError> {
    serde_json::to_vec(answer).map_err(ApiError::internal)
}
