//! Why `exec` has no result, in words, with a remedy and an exit code.
//!
//! Enters: the router's error. Leaves: a [`Failure`]. Refuses nothing. A program's own words are escaped and cut.

use tenzik::backend::Ended;
use tenzik::pipeline::RunError;
use tenzik::router::{Refusal, RouteError};

use crate::error::{Exit, Failure};
use crate::text;

pub(super) fn of(error: &RouteError) -> Failure {
    let (exit, hint) = explained(error);
    let mut message = error.to_string();
    if let Some(Ended::Failed {
        message: Some(words),
        ..
    }) = error.execution().map(|run| &run.ended)
    {
        message = format!("{message}: {words}");
    }
    Failure::new(
        exit,
        error.code(),
        text::shown(&message, text::MESSAGE_CHARS_MAX),
        hint,
    )
}

fn explained(error: &RouteError) -> (Exit, String) {
    let (exit, hint) = match error {
        RouteError::Capsule(error) => return of_capsule(error),
        RouteError::Failed { .. } => (
            Exit::CapsuleFailed,
            "a program writes {\"ok\":VALUE} in one line to descriptor 3; what it said for people stands above",
        ),
        RouteError::Refused { refusal, .. } => of_refusal(refusal),
        RouteError::ResourceLimit { .. } | RouteError::Timeout { .. } => (
            Exit::LimitHit,
            "raise it with --limit NAME=N, or let the code do less",
        ),
        RouteError::SandboxViolation { .. } => (
            Exit::CapsuleFailed,
            "the code tried to get out, or needs a call that no sandbox allows",
        ),
        _ => (
            Exit::Other,
            "try again; if it stays so, `tenzik doctor` may say why",
        ),
    };
    (exit, hint.to_owned())
}

const fn of_refusal(refusal: &Refusal) -> (Exit, &'static str) {
    match refusal {
        Refusal::BackendDenied { .. } => (
            Exit::Denied,
            "--unsafe-host allows what isolates nothing, for dev; what is stricter needs bubblewrap, or --root DIR for containers",
        ),
        Refusal::InvalidInput { .. } => {
            (Exit::Usage, "give strict JSON, or use --input-type bytes")
        }
        Refusal::InvalidLimits(_) => (Exit::Usage, "0, no limit, is for --profile dev"),
        Refusal::MissingGateway => (
            Exit::Denied,
            "give it tools with --tools FILE, or leave the limit or grant out",
        ),
        Refusal::RuntimeUnavailable { .. } => (
            Exit::Other,
            "`tenzik doctor` says what each backend needs; containers need --root DIR too",
        ),
        _ => (Exit::Usage, "correct the request"),
    }
}

fn of_capsule(error: &RunError) -> (Exit, String) {
    match error {
        RunError::Refused { refusal, .. } => {
            let exit = match refusal {
                tenzik::pipeline::Refusal::Validation(_) => Exit::InvalidCapsule,
                tenzik::pipeline::Refusal::Binding(_) => Exit::Denied,
                _ => Exit::Usage,
            };
            (exit, refusal.remedy().to_owned())
        }
        _ => (Exit::Other, "try again".to_owned()),
    }
}
