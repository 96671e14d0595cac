//! What another node answered, and whether it is accepted.
//!
//! Enters: a body of a stranger's, and what was asked. Leaves: how the run ended, with the receipt that says so.
//! Refuses: a receipt that is not the named node's, not about this request, not for this challenge, of a laxer profile; an output
//! that is not the one in the receipt.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use tenzik::backend::{Ended, Job};
use tenzik::outcome::AbortCode;
use tenzik::router::Limit;
use tenzik_receipt::{
    Claim, Expectations, Label, Outcome, ReadError, SignedReceipt, Status, Trust, WasmClaim, verify,
};

use super::request::Asked;
use crate::system;

/// What is read of an answer; the rest is for people.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    receipt: &'a RawValue,
    #[serde(default)]
    output: Option<String>,
    #[serde(default)]
    output_encoding: Option<String>,
}

/// A run at another node whose receipt holds.
pub(super) struct Answered {
    pub(super) ended: Ended,
    pub(super) receipt: SignedReceipt,
}

/// Why an answer is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unaccepted {
    #[error("the answer is not of the form: {0}")]
    Form(String),
    #[error("the receipt is not of the form: {0}")]
    Receipt(#[from] ReadError),
    #[error("the receipt is about another request than the one that was sent")]
    Request,
    #[error("the receipt does not hold: {0}")]
    Verification(String),
    #[error("the node refused the request: {0}")]
    Refused(Label),
    #[error("the node has no receipt for it: {0}")]
    NoReceipt(String),
    #[error("the limit {} was not enforced, or another was", .0.name())]
    NotHeld(Limit),
    #[error("this system has no clock to verify by")]
    Clock,
}

impl Answered {
    pub(super) fn read(
        body: &[u8],
        status: u16,
        asked: &Asked,
        job: &Job<'_>,
        trust: &Trust,
    ) -> Result<Self, Unaccepted> {
        let form = |error: serde_json::Error| Unaccepted::Form(error.to_string());
        let body: Body<'_> = serde_json::from_slice(body).map_err(form)?;
        let output = output(&body)?;
        let expected = Expectations {
            audience: Some(asked.audience.as_str()),
            challenge: Some(&asked.challenge),
            output: output.as_deref(),
            ..Expectations::default()
        };
        let receipt = verified(body.receipt, expected, job, trust)?;
        if receipt.claim().request_id() != asked.request.id() {
            return Err(Unaccepted::Request);
        }
        let ended = match receipt.claim() {
            Claim::Wasm(claim) if status == 200 => ended(claim, output)?,
            Claim::Refused(claim) => return Err(Unaccepted::Refused(claim.code.clone())),
            _ => return Err(Unaccepted::Request),
        };
        Ok(Self { ended, receipt })
    }
}

/// The receipt, if it is the named node's, about this input, at this profile, and all else that is expected.
pub(super) fn verified(
    receipt: &RawValue,
    expected: Expectations<'_>,
    job: &Job<'_>,
    trust: &Trust,
) -> Result<SignedReceipt, Unaccepted> {
    let bytes = receipt.get().as_bytes();
    let receipt = SignedReceipt::from_bytes(bytes)?;
    let expected = Expectations {
        input: Some(job.input),
        profile: Some(job.profile),
        // Whatever it is: what came of the run is told elsewhere.
        status: Some(receipt.claim().status()),
        ..expected
    };
    let at = system::now().map_err(|_| Unaccepted::Clock)?;
    match verify(bytes, trust, at, &expected).into_verified() {
        Ok(_) => Ok(receipt),
        Err(report) => {
            let failed = report
                .checks()
                .iter()
                .find(|check| matches!(check.outcome, Outcome::Failed | Outcome::Unknown));
            Err(Unaccepted::Verification(
                failed.map_or_else(String::new, ToString::to_string),
            ))
        }
    }
}

fn output(body: &Body<'_>) -> Result<Option<Vec<u8>>, Unaccepted> {
    match (&body.output, body.output_encoding.as_deref()) {
        (None, _) => Ok(None),
        (Some(text), Some("utf-8")) => Ok(Some(text.clone().into_bytes())),
        (Some(text), Some("base64")) => STANDARD
            .decode(text)
            .map(Some)
            .map_err(|error| Unaccepted::Form(error.to_string())),
        (Some(_), _) => Err(Unaccepted::Form(
            "the output's encoding is not known".to_owned(),
        )),
    }
}

/// How a run ended, by its claim.
fn ended(claim: &WasmClaim, output: Option<Vec<u8>>) -> Result<Ended, Unaccepted> {
    let detail = claim.detail.as_ref().and_then(|detail| detail.open());
    let code = detail.map_or(Label::constant("unknown"), |detail| detail.code.clone());
    Ok(match claim.status {
        Status::Ok => match output {
            Some(output) => Ended::Ok(Arc::from(output)),
            None => return Err(Unaccepted::Form("there is no output".to_owned())),
        },
        Status::Aborted if code.as_str() == AbortCode::TimeLimit.name() => {
            Ended::LimitReached(Limit::WallMs)
        }
        Status::Aborted => Ended::Aborted { code },
        Status::OutOfFuel => Ended::LimitReached(Limit::CpuMs),
        Status::OutOfStack => Ended::LimitReached(Limit::MemoryBytes),
        Status::OutputTooLarge => Ended::LimitReached(Limit::OutputBytes),
        Status::TooManyCalls => Ended::LimitReached(Limit::ToolCalls),
        Status::InvalidOutput => Ended::Failed {
            code: Label::constant("invalid_output"),
            message: None,
        },
        _ => Ended::Failed {
            code,
            message: None,
        },
    })
}
