//! Why `exec` has no result, in words, with a remedy and an exit code.
//!
//! Enters: the router's error. Leaves: a [`Failure`]. Refuses nothing. A program's own words are escaped and cut.

use tenzik::backend::Ended;
use tenzik::pipeline::RunError;
use tenzik::router::{Refusal, RouteError};

use crate::error::{Exit, Failure};
use crate::text;

const AGAIN: &str = "nothing of it ran: run it again";
/// For what has no result, and must not be done twice unseen.
const MAY_HAVE_RUN: &str = "it may have run: see what it did before you run it again";

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
        RouteError::Cancelled => (Exit::Other, AGAIN),
        _ if error.is_retryable() => (
            Exit::Other,
            "try again; if it stays so, `tenzik doctor` may say why",
        ),
        _ => (Exit::Other, MAY_HAVE_RUN),
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
        RunError::Cancelled => (Exit::Other, AGAIN.to_owned()),
        _ => (Exit::Other, MAY_HAVE_RUN.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tenzik::backend::{Attempt, Backend, BackendError, Job, Readiness};
    use tenzik::config::{RuntimeConfig, SecurityConfig};
    use tenzik::pipeline::Pipeline;
    use tenzik::receipts::{Circumstances, Sealer};
    use tenzik::router::{Code, CodeTree, ExecuteRequest, Limit, Program, Router, RouterConfig};
    use tenzik_receipt::{Epoch, KeyUse, Label, Profile, SecretKey, Timestamp};

    use super::*;

    /// A backend that fails in one way.
    struct Fails(fn() -> BackendError);

    impl Backend for Fails {
        fn kind(&self) -> Label {
            Label::constant("fails")
        }
        fn profile_max(&self) -> Profile {
            Profile::Standard
        }
        fn languages(&self) -> Vec<Label> {
            vec![Label::constant("shell")]
        }
        fn holds(&self, _: Limit, _: &Label, _: Profile) -> bool {
            true
        }
        fn probe(&self) -> Readiness {
            Readiness::Ready {
                version: Label::constant("fails 1"),
            }
        }
        fn run(&self, _: &Job<'_>) -> Result<Attempt, BackendError> {
            Err(self.0())
        }
    }

    fn hint(failing: fn() -> BackendError) -> String {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().expect("a time");
        let key = SecretKey::from_seed(&[7; 32], KeyUse::Receipt, now);
        let sealer = Sealer::new(key, Epoch::from_bytes([1; 16])).expect("a receipt key");
        let runtime = RuntimeConfig {
            allocation: tenzik::config::Allocation::OnDemand,
            ..RuntimeConfig::default()
        };
        let pipeline = Pipeline::new(&SecurityConfig::default(), &runtime, sealer);
        let router = Router::new(
            Arc::new(pipeline.expect("an engine")),
            RouterConfig::default(),
        );
        router
            .register(Arc::new(Fails(failing)))
            .expect("a new name");
        let tree = CodeTree::single("main", *b"true").expect("a tree");
        let code = Code::Program(Program::new(Label::constant("shell"), tree));
        let request = ExecuteRequest::new(code, *b"1", Profile::Standard);
        let error = router.execute(&request, Circumstances::at(now));
        of(&error.expect_err("it fails")).hint
    }

    /// Whoever is told to try again sends the mail twice.
    #[test]
    fn nobody_is_told_to_try_again_what_may_have_run() {
        assert!(hint(|| BackendError::failed("start", "no room")).starts_with("try again"));
        let lost = hint(|| BackendError::lost("follow", "the node was started anew"));
        assert!(lost.starts_with("it may have run"), "{lost}");
    }
}
