//! How a run came out, whichever stage it came to.
//!
//! Enters: the pipeline's result. Leaves: [`Ended`]: a receipt in any case, an outcome if it ran, a failure unless it
//! ended well. Refuses: nothing but a result without a receipt.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tenzik::gateway::Transcript;
use tenzik::outcome::{Ending, Outcome};
use tenzik::pipeline::{Order, Run, RunError};
use tenzik_receipt::{Blake3, SignedReceipt};

use super::failure;
use crate::debug::{Debugger, Report};
use crate::error::{About, Exit, Failure};
use crate::settings::Settings;
use crate::text;

/// A run that is over, or was refused.
pub(crate) struct Ended {
    /// The node's word.
    pub(crate) receipt: SignedReceipt,
    /// What went wrong.
    pub(crate) failure: Option<Failure>,
    /// What was seen of it, if somebody looked.
    pub(crate) seen: Option<Report>,
    outcome: Option<Outcome>,
}

impl Ended {
    /// Sorts the pipeline's result.
    pub(crate) fn of(
        result: Result<Run, RunError>,
        order: &Order,
        settings: &Settings,
    ) -> Result<Self, Failure> {
        let ended = match result {
            Ok(run) => Ok(Self::ran(run, order, settings)),
            Err(RunError::Aborted { run, .. }) => Ok(Self::ran(*run, order, settings)),
            Err(RunError::Refused {
                refusal, receipt, ..
            }) => Ok(Self {
                receipt: *receipt,
                failure: Some(failure::of_refusal(&refusal, order, settings)),
                seen: None,
                outcome: None,
            }),
            Err(RunError::Sign(error)) => Err(error.into()),
            Err(error) => Err(Failure {
                exit: Exit::Other,
                code: "run",
                message: error.to_string(),
                hint: "report this".to_owned(),
                about: None,
            }),
        };
        ended.map(|ended| ended.about(order))
    }

    /// Says with the failure which run it is about.
    fn about(mut self, order: &Order) -> Self {
        if let Some(failure) = &mut self.failure {
            failure.about = Some(Box::new(About {
                capsule: Blake3::of(&order.capsule).to_string(),
                input: Blake3::of(&order.request.input).to_string(),
                private: self.receipt.claim().is_private(),
            }));
        }
        self
    }

    fn ran(run: Run, order: &Order, settings: &Settings) -> Self {
        let claim = run.receipt.claim();
        Self {
            failure: failure::of_outcome(&run.outcome, claim, order, settings),
            receipt: run.receipt,
            seen: None,
            outcome: Some(run.outcome),
        }
    }

    /// Looks at the run, if there was one. The receipt stands, whatever is seen.
    pub(crate) fn look(&mut self, debugger: &Debugger, order: &Order, path: Option<&Path>) {
        let Some(outcome) = &self.outcome else {
            return;
        };
        match debugger.look(order, outcome, path, None) {
            Ok(seen) => self.seen = Some(seen),
            Err(failure) => self.failure = self.failure.take().or(Some(failure)),
        }
    }

    /// The output, if it ended well.
    pub(crate) fn output(&self) -> Option<&[u8]> {
        self.outcome.as_ref().and_then(Outcome::output)
    }

    /// What went through its tools, if it ran.
    pub(crate) fn transcript(&self) -> Option<&Transcript> {
        self.outcome.as_ref().map(Outcome::transcript)
    }

    /// The members of the JSON answer.
    pub(crate) fn to_json(&self) -> Value {
        let claim = self.receipt.claim();
        let mut members = json!({
            "id": self.receipt.id().to_string(),
            "claim_id": claim.id().to_string(),
            "status": claim.status(),
            "detail": self.detail(),
            "usage": self.outcome.as_ref().map(usage),
            "receipt": receipt_object(&self.receipt),
        });
        for (name, value) in output(self.output()) {
            members[name] = value;
        }
        if let Some(seen) = &self.seen {
            members["debug"] = seen.members.clone();
        }
        members
    }

    /// The code that stands in the receipt, with the capsule's own words beside it.
    fn detail(&self) -> Option<Value> {
        let code = match self.outcome.as_ref()?.ending() {
            Ending::Aborted(code) => code.name().to_owned(),
            Ending::Exited(code) => format!("exit:{code}"),
            Ending::Failed(message) => {
                let message = text::shown(message, text::MESSAGE_CHARS_MAX);
                return Some(json!({"code": "fail", "message": message}));
            }
            Ending::FailedByAbort => "abort".to_owned(),
            Ending::Trapped(code) => code.name().to_owned(),
            _ => return None,
        };
        Some(json!({"code": code, "message": null}))
    }
}

/// A receipt as a JSON object. Its members keep their order, so printing it compactly gives its bytes.
pub(crate) fn receipt_object(receipt: &SignedReceipt) -> Value {
    // A receipt is JSON; were it not, it would not have been read or signed.
    serde_json::from_slice(&receipt.to_bytes()).unwrap_or_default()
}

fn output(output: Option<&[u8]>) -> [(&'static str, Value); 2] {
    let (text, encoding) = match output.map(|bytes| (bytes, std::str::from_utf8(bytes))) {
        None => (Value::Null, Value::Null),
        Some((_, Ok(text))) => (json!(text), json!("utf-8")),
        Some((bytes, Err(_))) => (json!(STANDARD.encode(bytes)), json!("base64")),
    };
    [("output", text), ("output_encoding", encoding)]
}

fn usage(outcome: &Outcome) -> Value {
    let usage = outcome.usage();
    let calls = |usage: &tenzik::outcome::Usage| -> Map<String, Value> {
        let calls = usage.calls();
        calls
            .map(|(name, count)| (name.to_owned(), json!(count)))
            .collect()
    };
    json!({
        "fuel": usage.map(|usage| usage.fuel),
        "host_calls": usage.map(calls),
        "memory_pages_peak": usage.map(|usage| usage.memory_pages_peak),
        "wall_us": u64::try_from(outcome.wall().as_micros()).unwrap_or(u64::MAX),
    })
}
