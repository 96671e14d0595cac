//! What the last line of an execution says, and whether it is accepted.
//!
//! Enters: a line of a stranger's, and what was asked. Leaves: how the program ended, with the receipt that says so, and what it wrote.
//! Refuses: what [`verified`] refuses; a receipt about another program, input, environment or limits; a result at a profile above
//! `dev` where a limit was not enforced.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use tenzik::backend::{Captured, Ended, Job};
use tenzik::router::{Code, Limit};
use tenzik_receipt::{
    AttestedClaim, AttestedRequest, AttestedStatus, Claim, Expectations, Label, Profile,
    SignedReceipt, Trust,
};

use super::answer::{Unaccepted, verified};
use super::request::ProgramAsked;
use crate::executions::EXECUTION;
use crate::text;

/// What is read of a line; the rest is for people.
#[derive(Deserialize)]
struct End<'a> {
    #[serde(borrow)]
    receipt: Option<&'a RawValue>,
    #[serde(default)]
    error: Option<Told>,
    #[serde(default)]
    output_base64: Option<String>,
    #[serde(default)]
    stdout: Option<Stream>,
    #[serde(default)]
    stderr: Option<Stream>,
}

#[derive(Deserialize)]
struct Told {
    code: String,
}

#[derive(Deserialize)]
struct Stream {
    base64: String,
    dropped_bytes: u64,
}

/// A program that ran at another node, by a receipt that holds.
pub(super) struct ProgramAnswered {
    pub(super) ended: Ended,
    pub(super) receipt: SignedReceipt,
    /// No receipt commits to what was written: it is for people.
    pub(super) stdout: Captured,
    pub(super) stderr: Captured,
}

impl ProgramAnswered {
    pub(super) fn read(
        line: &[u8],
        asked: &ProgramAsked,
        job: &Job<'_>,
        trust: &Trust,
    ) -> Result<Self, Unaccepted> {
        let form = |error: serde_json::Error| Unaccepted::Form(error.to_string());
        let end: End<'_> = serde_json::from_slice(line).map_err(form)?;
        let Some(receipt) = end.receipt else {
            let code = end.error.map_or_else(String::new, |error| error.code);
            return Err(Unaccepted::NoReceipt(text::shown(&code)));
        };
        let output = end.output_base64.as_deref().map(decoded).transpose()?;
        let expected = Expectations {
            audience: Some(asked.audience.as_str()),
            challenge: Some(&asked.challenge),
            output: output.as_deref(),
            ..Expectations::default()
        };
        let receipt = verified(receipt, expected, job, trust)?;
        if receipt.receipt().ext.get(&EXECUTION) != Some(&asked.named) {
            return Err(Unaccepted::Request);
        }
        let ended = match receipt.claim() {
            Claim::Attested(claim) if is_about(&claim.request, job) => ended(claim, output)?,
            Claim::Refused(claim) => return Err(Unaccepted::Refused(claim.code.clone())),
            _ => return Err(Unaccepted::Request),
        };
        if matches!(ended, Ended::Ok(_)) && job.profile > Profile::Dev {
            check_limits(&receipt, job)?;
        }
        let kept_max = job.limits.get(Limit::OutputBytes);
        let kept_max = kept_max.map_or(usize::MAX, |most| {
            usize::try_from(most).unwrap_or(usize::MAX)
        });
        Ok(Self {
            ended,
            receipt,
            stdout: captured(end.stdout, kept_max)?,
            stderr: captured(end.stderr, kept_max)?,
        })
    }
}

/// Whether it was this that ran. Image, root file system, runtime and filter are the other node's to tell, but for an image that was
/// asked for.
fn is_about(claimed: &AttestedRequest, job: &Job<'_>) -> bool {
    let image = match job.code {
        Code::Program(program) => program.image.or(claimed.image),
        Code::Capsule(_) => None,
    };
    let expected = AttestedRequest {
        image,
        root_file_system: claimed.root_file_system,
        runtime: claimed.runtime,
        seccomp: claimed.seccomp,
        ..job.attested_request()
    };
    expected == *claimed
}

/// That each limit in force here was in force there.
fn check_limits(receipt: &SignedReceipt, job: &Job<'_>) -> Result<(), Unaccepted> {
    let entries = &receipt.receipt().backend.enforced;
    let is_held = |limit: &Limit| {
        let Some(asked) = job.claimed.get(*limit) else {
            return true;
        };
        let entry = entries
            .iter()
            .find(|entry| entry.limit.as_str() == limit.name());
        entry.is_some_and(|entry| {
            entry.enforced && entry.applied.is_some_and(|applied| applied.get() <= asked)
        })
    };
    match Limit::ALL.into_iter().find(|limit| !is_held(limit)) {
        Some(limit) => Err(Unaccepted::NotHeld(limit)),
        None => Ok(()),
    }
}

/// How it ended, by its claim.
fn ended(claim: &AttestedClaim, output: Option<Vec<u8>>) -> Result<Ended, Unaccepted> {
    let detail = claim.detail.as_ref().and_then(|detail| detail.open());
    let code = detail.map_or(Label::constant("unknown"), |detail| detail.code.clone());
    Ok(match claim.status {
        AttestedStatus::Ok => match output {
            Some(output) => Ended::Ok(Arc::from(output)),
            None => return Err(Unaccepted::Form("there is no output".to_owned())),
        },
        AttestedStatus::Aborted => Ended::Aborted { code },
        AttestedStatus::TimedOut => Ended::LimitReached(Limit::WallMs),
        AttestedStatus::LimitReached => {
            let limit = Limit::from_name(code.as_str());
            let unknown = || Unaccepted::Form("the limit that was reached is not known".to_owned());
            Ended::LimitReached(limit.ok_or_else(unknown)?)
        }
        AttestedStatus::Failed => match code.as_str().strip_prefix("sandbox_violation:") {
            Some(what) => Ended::SandboxViolation {
                what: Label::new(what.to_owned()).unwrap_or(code),
            },
            None => Ended::Failed {
                code,
                message: None,
            },
        },
    })
}

fn captured(stream: Option<Stream>, kept_max: usize) -> Result<Captured, Unaccepted> {
    let Some(stream) = stream else {
        return Ok(Captured::default());
    };
    let mut bytes = decoded(&stream.base64)?;
    let cut = bytes.len().saturating_sub(kept_max);
    bytes.truncate(kept_max);
    Ok(Captured {
        bytes,
        dropped: stream.dropped_bytes.saturating_add(cut as u64),
    })
}

fn decoded(text: &str) -> Result<Vec<u8>, Unaccepted> {
    STANDARD
        .decode(text)
        .map_err(|error| Unaccepted::Form(error.to_string()))
}
