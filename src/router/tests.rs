//! The router by itself: what it refuses, whom it chooses, and what it seals, with backends that do as they are told.

use std::sync::Mutex;

use tenzik_receipt::{
    AttestedStatus, Blake3, Claim, Epoch, Expectations, Int, KeyUse, Profile, SecretKey,
    SignedReceipt, Timestamp, Trust, Value, Verdict, verify,
};

use super::*;
use crate::backend::{Attempt, BackendError, Ended, Job};
use crate::config::{RuntimeConfig, SecurityConfig};
use crate::gateway::{Json, Operation, ToolGateway, ToolId, direct};
use crate::limits::label;
use crate::receipts::Sealer;

const NOW: &str = "2026-11-28T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32], KeyUse::Receipt, now())
}

fn router(unsafe_host: bool) -> Router {
    let sealer = Sealer::new(key(), Epoch::from_bytes([1; 16])).expect("a receipt key");
    let pipeline = Pipeline::new(
        &SecurityConfig::default(),
        &RuntimeConfig::default(),
        sealer,
    )
    .expect("an engine");
    Router::new(Arc::new(pipeline), RouterConfig { unsafe_host })
}

type Does = dyn Fn(&Job<'_>) -> Result<Attempt, BackendError> + Send + Sync;

/// A backend that does as it is told, to see what the router makes of it.
struct Told {
    kind: &'static str,
    profile_max: Profile,
    holds: Vec<Limit>,
    ready: bool,
    seen: Mutex<Vec<(Profile, RunLimits)>>,
    does: Box<Does>,
}

impl Told {
    fn new(kind: &'static str, profile_max: Profile) -> Self {
        Self {
            kind,
            profile_max,
            holds: vec![Limit::WallMs, Limit::OutputBytes, Limit::MemoryBytes],
            ready: true,
            seen: Mutex::new(Vec::new()),
            does: Box::new(|job| Ok(ended(Ended::Ok(Arc::clone(job.input))))),
        }
    }

    fn doing(
        mut self,
        does: impl Fn(&Job<'_>) -> Result<Attempt, BackendError> + Send + Sync + 'static,
    ) -> Self {
        self.does = Box::new(does);
        self
    }

    const fn ready() -> Readiness {
        Readiness::Ready {
            version: label("probed 1"),
        }
    }

    fn unavailable(mut self) -> Self {
        self.ready = false;
        self
    }
}

fn ended(ended: Ended) -> Attempt {
    Attempt::new(ended, label("told 1"), Duration::from_millis(3))
}

impl Backend for Told {
    fn kind(&self) -> Label {
        label(self.kind)
    }
    fn profile_max(&self) -> Profile {
        self.profile_max
    }
    fn languages(&self) -> Vec<Label> {
        vec![label("shell")]
    }
    fn holds(&self, limit: Limit, _: &Label, _: Profile) -> bool {
        self.holds.contains(&limit)
    }
    fn probe(&self) -> Readiness {
        match self.ready {
            true => Self::ready(),
            false => Readiness::Unavailable {
                reason: "it is told so".to_owned(),
                remedy: "tell it otherwise".to_owned(),
            },
        }
    }
    fn run(&self, job: &Job<'_>) -> Result<Attempt, BackendError> {
        self.seen
            .lock()
            .expect("no panic")
            .push((job.profile, *job.limits));
        (self.does)(job)
    }
}

fn program(profile: Profile) -> ExecuteRequest {
    let tree = CodeTree::single("main.sh", b"echo".as_slice()).expect("a tree");
    ExecuteRequest::new(
        Code::Program(Program::new(label("shell"), tree)),
        *b"{\"a\":1}",
        profile,
    )
}

fn with(backends: impl IntoIterator<Item = Told>) -> Router {
    let router = router(true);
    for backend in backends {
        router.register(Arc::new(backend)).expect("a new name");
    }
    router
}

fn execute(router: &Router, request: &ExecuteRequest) -> Result<Execution, RouteError> {
    router.execute(request, Circumstances::at(now()))
}

fn verdict(receipt: &SignedReceipt) -> Verdict {
    let trust = Trust::in_receipts_of(key().public()).expect("a key");
    verify(&receipt.to_bytes(), &trust, now(), &Expectations::default()).verdict()
}

fn attested(receipt: &SignedReceipt) -> &tenzik_receipt::AttestedClaim {
    match receipt.claim() {
        Claim::Attested(claim) => claim,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_run_is_attested_with_all_that_was_seen() {
    let backend = Told::new("told", Profile::Standard).doing(|job| {
        let mut attempt = ended(Ended::Ok(Arc::clone(job.input)));
        attempt.isolation.seen = [label("network_none")].into_iter().collect();
        attempt.limits = attempt
            .limits
            .with(Limit::MemoryBytes, Held::enforced(1 << 29, Some(77)));
        Ok(attempt)
    });
    let router = with([backend]);
    let mut request = program(Profile::Standard);
    request
        .metadata
        .insert(label("ticket"), Value::Int(Int::new(4).expect("small")));
    request.limits = request.limits.with(Limit::WallMs, Some(9_000));
    let execution = execute(&router, &request).expect("a result");
    assert_eq!(execution.value(), Some(&b"{\"a\":1}"[..]));
    assert_eq!(execution.asked, request.limits);
    // By the probe, whatever the run itself says.
    assert_eq!(execution.version, label("told 1"));
    assert_eq!(execution.readiness, Told::ready());
    assert_eq!(verdict(&execution.receipt), Verdict::Passed);
    let claim = attested(&execution.receipt);
    assert_eq!(claim.status, AttestedStatus::Ok);
    let Code::Program(code) = &request.code else {
        panic!()
    };
    assert_eq!(claim.request.code, code.tree.digest());
    let receipt = execution.receipt.receipt();
    assert_eq!(receipt.backend.kind, label("told"));
    assert_eq!(receipt.backend.profile, Profile::Standard);
    assert!(
        receipt.ext.contains_key(&label("isolation"))
            && receipt.ext.contains_key(&label("metadata"))
    );
    let entry = |name| {
        receipt
            .backend
            .enforced
            .iter()
            .find(|entry| entry.limit == label(name))
            .expect("it")
    };
    assert_eq!(entry("memory_bytes").observed, Int::new(77).ok());
    // Nobody said that it applied this one.
    assert!(!entry("pids").enforced && entry("pids").applied.is_none());
    assert!(!execution.receipt.claim().is_replayable());
}

#[test]
fn a_missing_backend_is_an_error_and_never_a_weaker_run() {
    let weak = Told::new("weak", Profile::Dev);
    let strong = Told::new("strong", Profile::Standard).unavailable();
    let router = with([weak, strong]);
    match execute(&router, &program(Profile::Standard)) {
        Err(RouteError::Refused {
            refusal: Refusal::RuntimeUnavailable { tried, profile, .. },
            ..
        }) => {
            assert_eq!(profile, Profile::Standard);
            let names: Vec<_> = tried.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["weak", "strong"]);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(
        execute(&router, &program(Profile::Hardened)),
        Err(RouteError::Refused {
            refusal: Refusal::RuntimeUnavailable { .. },
            ..
        } | RouteError::Refused {
            refusal: Refusal::BackendDenied { .. },
            ..
        })
    ));
    assert!(execute(&router, &program(Profile::Dev)).is_ok());
}

/// Whoever asked can show later that it was asked, and that nothing ran.
#[test]
fn every_refusal_has_a_receipt_that_names_the_request() {
    let router = with([Told::new("weak", Profile::Dev)]);
    let asked = |change: fn(&mut ExecuteRequest)| {
        let mut request = program(Profile::Standard);
        change(&mut request);
        request
    };
    for (request, code) in [
        (asked(|_| {}), "backend_denied"),
        (
            asked(|it| it.backend = Some(label("none"))),
            "runtime_unavailable",
        ),
        (
            asked(|it| it.input = b"{".as_slice().into()),
            "invalid_input",
        ),
        (
            asked(|it| it.limits = it.limits.with(Limit::Pids, Some(-1))),
            "invalid_limits",
        ),
        (
            asked(|it| it.limits = it.limits.with(Limit::ToolCalls, Some(1))),
            "missing_gateway",
        ),
        (
            asked(|it| it.code = Code::Capsule(Capsule::new(b"".as_slice()))),
            "missing_code",
        ),
        (asked(|it| it.code = without_code()), "missing_code"),
    ] {
        let error = execute(&router, &request).expect_err("it is refused");
        assert_eq!(error.code(), code);
        let receipt = error.receipt().expect("a receipt");
        let expected = Expectations {
            status: Some("refused"),
            ..Expectations::default()
        };
        let trust = Trust::in_receipts_of(key().public()).expect("a key");
        let report = verify(&receipt.to_bytes(), &trust, now(), &expected);
        assert_eq!(report.verdict(), Verdict::Passed, "{report:?}");
        let Claim::Refused(claim) = receipt.claim() else {
            panic!("a claim of kind {}", receipt.claim().kind());
        };
        assert_eq!(
            (claim.code.as_str(), claim.stage),
            (code, tenzik_receipt::Stage::Routing)
        );
        let input = receipt.claim().input().open();
        assert_eq!(input, Some(&Blake3::of(&request.input)));
    }
}

/// A tree whose entrypoint is there, and empty.
fn without_code() -> Code {
    let file = |content: &[u8]| File {
        content: content.into(),
        executable: false,
    };
    let files = [("lib.sh", file(b"echo")), ("main.sh", file(b""))];
    let files = files.map(|(path, file)| (path.to_owned(), file));
    let tree = CodeTree::new(files.into(), "main.sh").expect("a tree");
    Code::Program(Program::new(label("shell"), tree))
}

#[test]
fn a_refusal_and_a_run_of_one_request_have_the_same_request_id_where_isolation_adds_nothing() {
    let request = program(Profile::Dev);
    let ran = execute(&with([Told::new("told", Profile::Dev)]), &request).expect("it ran");
    let refused = execute(&with([]), &request).expect_err("nobody runs it");
    let refused = refused.receipt().expect("a receipt");
    assert_eq!(
        refused.claim().request_id(),
        ran.receipt.claim().request_id()
    );
}

/// What a requester signs is what the capsule path would claim, also where nothing comes of it.
#[test]
fn a_refused_capsule_has_the_request_that_its_requester_signed() {
    let router = router(false);
    let mut capsule = Capsule::new(*b"\0asm");
    capsule.grants = crate::capability::Capability::Tools.into();
    let request = ExecuteRequest::new(Code::Capsule(capsule), *b"[1]", Profile::Hardened);
    let limits = request.limits.resolve(request.profile).expect("defaults");
    let Code::Capsule(capsule) = &request.code else {
        panic!("another code");
    };
    let order = capsule::order(&request, capsule, &limits);
    let signed = router.pipeline().request(&order, None).id();
    let refused = execute(&router, &request).expect_err("it has no tools");
    assert_eq!(refused.code(), "missing_gateway");
    let receipt = refused.receipt().expect("a receipt");
    assert_eq!(receipt.claim().request_id(), signed);
}

/// By it a caller finds the receipt again, also that of what was refused.
#[test]
fn the_callers_metadata_is_in_every_receipt() {
    let router = with([Told::new("told", Profile::Standard)]);
    let metadata = BTreeMap::from([(label("ticket"), Value::Int(Int::new(4).expect("small")))]);
    let capsule = |bytes: Vec<u8>| {
        let code = Code::Capsule(Capsule::new(bytes));
        ExecuteRequest::new(code, *b"[1]", Profile::Hardened)
    };
    let mut invalid = program(Profile::Standard);
    invalid.input = Arc::from(*b"{");
    let requests = [
        program(Profile::Standard),
        invalid,
        program(Profile::Hardened),
        capsule(echo_capsule()),
        capsule(b"\0asm".to_vec()),
        capsule(Vec::new()),
    ];
    for mut request in requests {
        request.metadata.clone_from(&metadata);
        let mut circumstances = Circumstances::at(now());
        // The request's own counts.
        circumstances.ext.insert(label("metadata"), Value::Null);
        let came = router.execute(&request, circumstances);
        let receipt = match &came {
            Ok(execution) => &execution.receipt,
            Err(error) => error.receipt().expect("a receipt"),
        };
        let told = receipt.receipt().ext.get(&label("metadata"));
        assert_eq!(told, Some(&Value::Object(metadata.clone())), "{came:?}");
    }
}

/// Whoever asks in the router's terms is answered in them, and not in the capsule path's pages.
#[test]
fn what_no_capsule_may_have_is_an_invalid_limit_by_the_routers_name() {
    let router = with([Told::new("told", Profile::Hardened)]);
    let asked = |limits: &[(Limit, i64)]| {
        let code = Code::Capsule(Capsule::new(echo_capsule()));
        let mut request = ExecuteRequest::new(code, *b"[1]", Profile::Hardened);
        for (limit, number) in limits {
            request.limits = request.limits.with(*limit, Some(*number));
        }
        request
    };
    let week = 7 * 24 * 3_600_000;
    for (limit, got) in [
        (Limit::MemoryBytes, 1),
        (Limit::MemoryBytes, 65_535),
        (Limit::MemoryBytes, 1 << 44),
        (Limit::WallMs, week),
        (Limit::CpuMs, week),
        (Limit::OutputBytes, 64 << 20),
    ] {
        let error = execute(&router, &asked(&[(limit, got)])).expect_err("it is refused");
        let RouteError::Refused {
            refusal: Refusal::InvalidLimits(invalid),
            receipt,
        } = error
        else {
            panic!("{error}");
        };
        assert_eq!((invalid.limit, invalid.got), (limit, got));
        assert!(!(invalid.least..=invalid.allowed).contains(&got.unsigned_abs()));
        let Claim::Refused(claim) = receipt.claim() else {
            panic!("another claim");
        };
        assert_eq!(claim.code, label("invalid_limits"));
    }
    for limits in [
        &[(Limit::MemoryBytes, 65_536 * 4)][..],
        &[(Limit::CpuMs, week), (Limit::WallMs, 900)],
    ] {
        assert!(execute(&router, &asked(limits)).is_ok(), "{limits:?}");
    }
    // Another host has other ceilings, but no memory of that size either.
    let mut elsewhere = asked(&[(Limit::MemoryBytes, 1 << 44)]);
    elsewhere.backend = Some(label("told"));
    let code = |request: &ExecuteRequest| execute(&router, request).expect_err("refused").code();
    assert_eq!(code(&elsewhere), "invalid_limits");
    elsewhere.limits = LimitsAsked::default().with(Limit::MemoryBytes, Some(1 << 30));
    assert_eq!(code(&elsewhere), "backend_denied", "it runs no capsules");
}

#[test]
fn what_isolates_nothing_is_denied_unless_the_host_says_so() {
    let router = router(false);
    router
        .register(Arc::new(Told::new("process", Profile::Dev)))
        .expect("a new name");
    let denied = execute(&router, &program(Profile::Dev)).expect_err("denied");
    assert!(
        matches!(
            denied,
            RouteError::Refused {
                refusal: Refusal::BackendDenied { .. },
                ..
            }
        ),
        "{denied}"
    );
    assert!(router.backends()[0].denied);
}

#[test]
fn the_effective_profile_reaches_the_backend() {
    let backend = Arc::new(Told::new("told", Profile::Hardened));
    let router = router(false);
    router
        .register(Arc::clone(&backend) as Arc<dyn Backend>)
        .expect("a new name");
    for profile in [Profile::Dev, Profile::Standard, Profile::Hardened] {
        execute(&router, &program(profile)).expect("a result");
    }
    let seen: Vec<_> = backend
        .seen
        .lock()
        .expect("no panic")
        .iter()
        .map(|seen| seen.0)
        .collect();
    assert_eq!(seen, [Profile::Dev, Profile::Standard, Profile::Hardened]);
}

#[test]
fn a_limit_that_cannot_be_held_is_refused_above_dev_and_told_at_dev() {
    let router = with([Told::new("told", Profile::Hardened)]);
    let mut request = program(Profile::Standard);
    request.limits = request.limits.with(Limit::Pids, Some(4));
    let denied = execute(&router, &request).expect_err("denied");
    assert!(denied.to_string().contains("pids"), "{denied}");
    request.profile = Profile::Dev;
    let execution = execute(&router, &request).expect("a result");
    assert_eq!(execution.limits.get(Limit::Pids), Held::default());
}

/// Its claim said `pids: 128`, and no limit on processes was in force.
#[test]
fn a_default_that_is_not_held_is_not_claimed() {
    let router = with([Told::new("told", Profile::Hardened)]);
    let execution = execute(&router, &program(Profile::Hardened)).expect("a result");
    let claimed = &attested(&execution.receipt).request.limits;
    let names: Vec<_> = claimed.keys().map(Label::as_str).collect();
    let held = [
        "chain_steps",
        "memory_bytes",
        "output_bytes",
        "tool_calls",
        "wall_ms",
    ];
    assert_eq!(names, held);
}

#[test]
fn names_are_registered_once_and_go_when_they_are_told_to() {
    let router = with([Told::new("told", Profile::Standard)]);
    let again = router.register(Arc::new(Told::new("told", Profile::Dev)));
    assert_eq!(again, Err(AlreadyRegistered(label("told"))));
    assert!(
        router
            .register(Arc::new(Told::new("wasm", Profile::Dev)))
            .is_err()
    );
    assert!(router.unregister(&label("told")) && !router.unregister(&label("told")));
    assert!(matches!(
        execute(&router, &program(Profile::Dev)),
        Err(RouteError::Refused { refusal: Refusal::RuntimeUnavailable { tried, .. }, .. }) if tried.is_empty()
    ));
}

#[test]
fn every_end_is_an_error_with_its_receipt() {
    type Expected = (Ended, &'static str, AttestedStatus, &'static str);
    let ends: [Expected; 6] = [
        (
            Ended::Failed {
                code: label("exit:3"),
                message: Some("why".to_owned()),
            },
            "failed",
            AttestedStatus::Failed,
            "exit:3",
        ),
        (
            Ended::LimitReached(Limit::WallMs),
            "timeout",
            AttestedStatus::TimedOut,
            "wall_ms",
        ),
        (
            Ended::LimitReached(Limit::MemoryBytes),
            "resource_limit",
            AttestedStatus::LimitReached,
            "memory_bytes",
        ),
        (
            Ended::SandboxViolation {
                what: label("ptrace"),
            },
            "sandbox_violation",
            AttestedStatus::Failed,
            "sandbox_violation:ptrace",
        ),
        (
            Ended::Aborted {
                code: label("cancelled"),
            },
            "aborted",
            AttestedStatus::Aborted,
            "cancelled",
        ),
        // Not JSON, whatever the backend says.
        (
            Ended::Ok(Arc::from(*b"{a}")),
            "failed",
            AttestedStatus::Failed,
            "invalid_output",
        ),
    ];
    for (end, code, status, detail) in ends {
        let does = end.clone();
        let router =
            with([Told::new("told", Profile::Standard).doing(move |_| Ok(ended(does.clone())))]);
        let error = execute(&router, &program(Profile::Standard)).expect_err("no result");
        assert_eq!(error.code(), code, "{end:?}");
        let receipt = error.receipt().expect("a receipt");
        assert_eq!(
            verdict(receipt) == Verdict::Failed,
            status == AttestedStatus::Aborted,
            "{end:?}"
        );
        let claim = attested(receipt);
        assert_eq!(claim.status, status);
        let told = claim
            .detail
            .as_ref()
            .expect("a detail")
            .open()
            .expect("open");
        assert_eq!(told.code, label_of(detail));
    }
}

fn label_of(text: &'static str) -> Label {
    Label::new(text).expect("a label")
}

#[test]
fn a_result_beyond_its_limit_is_none() {
    let router = with([Told::new("told", Profile::Standard).doing(|_| {
        Ok(ended(Ended::Ok(
            format!("\"{}\"", "x".repeat(50)).into_bytes().into(),
        )))
    })]);
    let mut request = program(Profile::Standard);
    request.limits = request.limits.with(Limit::OutputBytes, Some(51));
    let error = execute(&router, &request).expect_err("too long");
    assert!(
        matches!(
            error,
            RouteError::ResourceLimit {
                limit: Limit::OutputBytes,
                ..
            }
        ),
        "{error}"
    );
    request.limits = request.limits.with(Limit::OutputBytes, Some(52));
    assert!(execute(&router, &request).is_ok());
}

#[test]
fn a_backend_that_fails_or_panics_leaves_an_aborted_receipt() {
    let fails = Told::new("fails", Profile::Standard)
        .doing(|_| Err(BackendError::failed("start", "no room\n")));
    let panics = Told::new("panics", Profile::Standard).doing(|_| panic!("on purpose"));
    let denies = Told::new("denies", Profile::Standard)
        .doing(|_| Err(BackendError::denied("start", "never")));
    let router = with([fails, panics, denies]);
    let mut request = program(Profile::Standard);
    // What panicked may have run the code before.
    for (name, retryable) in [("fails", true), ("panics", false)] {
        request.backend = Some(label_of(name));
        let error = execute(&router, &request).expect_err("it fails");
        assert!(
            matches!(error, RouteError::Backend { .. }) && error.is_retryable() == retryable,
            "{error}"
        );
        assert_eq!(
            attested(error.receipt().expect("a receipt")).status,
            AttestedStatus::Aborted
        );
    }
    request.backend = Some(label_of("denies"));
    let error = execute(&router, &request).expect_err("denied");
    assert!(
        matches!(
            error,
            RouteError::Refused {
                refusal: Refusal::BackendDenied { .. },
                ..
            }
        ) && !error.is_retryable(),
        "{error}"
    );
}

/// Tried again, it would send the mail twice.
#[test]
fn a_failure_after_a_tool_was_called_is_not_to_be_tried_again() {
    let backend = Told::new("told", Profile::Standard).doing(|job| {
        let session = job.gateway.expect("a gateway");
        if job.input.starts_with(b"[") {
            session.call(&echo_call()).expect("it echoes");
        }
        Err(BackendError::failed("end", "the engine went away"))
    });
    let router = with([backend]);
    let mut request = program(Profile::Standard);
    request.gateway = Some(echo());
    let error = execute(&router, &request).expect_err("it fails");
    assert!(error.is_retryable(), "no tool was called: {error}");
    request.input = Arc::from(*b"[1]");
    let error = execute(&router, &request).expect_err("it fails");
    assert_eq!(error.execution().expect("what is known").tool_calls, 1);
    assert!(!error.is_retryable(), "{error}");
}

#[test]
fn a_failure_once_the_code_began_is_neither_a_refusal_nor_to_be_tried_again() {
    for error in [
        BackendError::failed("remove", "busy"),
        BackendError::denied("remove", "never"),
    ] {
        let since = error.clone().since_it_began();
        assert_eq!((since.retryable, since.denied), (false, false));
        assert_eq!(since.to_string(), error.to_string());
    }
}

#[test]
fn what_cannot_be_meant_is_refused_before_anything_runs() {
    let backend = Arc::new(Told::new("told", Profile::Hardened));
    let router = router(false);
    router
        .register(Arc::clone(&backend) as Arc<dyn Backend>)
        .expect("a new name");
    let refused = |change: &dyn Fn(&mut ExecuteRequest)| {
        let mut request = program(Profile::Standard);
        change(&mut request);
        execute(&router, &request).expect_err("refused").code()
    };
    let limit = |limit, number| {
        move |request: &mut ExecuteRequest| {
            request.limits = request.limits.with(limit, Some(number));
        }
    };
    assert_eq!(refused(&limit(Limit::WallMs, -1)), "invalid_limits");
    assert_eq!(refused(&limit(Limit::WallMs, 0)), "invalid_limits");
    assert_eq!(
        refused(&limit(Limit::MemoryBytes, i64::MAX)),
        "invalid_limits"
    );
    assert_eq!(refused(&limit(Limit::ToolCalls, 3)), "missing_gateway");
    assert_eq!(
        refused(&|request| request.input = Arc::from(*b"{")),
        "invalid_input"
    );
    assert_eq!(
        refused(&|request| request.code = Code::Capsule(Capsule::new(Vec::new()))),
        "missing_code"
    );
    assert_eq!(
        refused(&|request| request.code = without_code()),
        "missing_code"
    );
    assert_eq!(
        refused(&|request| {
            let tree = CodeTree::single("main.sh", *b"").expect("a tree of nothing");
            request.code = Code::Program(Program::new(label("shell"), tree));
        }),
        "missing_code"
    );
    assert_eq!(
        refused(&|request| {
            let Code::Program(program) = &mut request.code else {
                panic!()
            };
            program.environment.insert("A=B".to_owned(), String::new());
        }),
        "invalid_request"
    );
    assert!(backend.seen.lock().expect("no panic").is_empty());
}

/// A gateway to one tool, which echoes.
fn echo() -> Arc<dyn ToolGateway> {
    let echo = direct::Tool::new(
        ToolId::new("echo").expect("an id"),
        "Echoes",
        |arguments, _| Ok(arguments.clone()),
    );
    Arc::new(direct::Direct::new([echo]).expect("a tool"))
}

fn echo_call() -> Operation {
    Operation::RunTool {
        tool: ToolId::new("echo").expect("an id"),
        arguments: Json::new("[1]").expect("JSON"),
    }
}

#[test]
fn tool_calls_are_counted_and_in_the_receipt() {
    let backend = Told::new("told", Profile::Standard).doing(|job| {
        let call = echo_call();
        let session = job.gateway.expect("a gateway");
        let made: Vec<bool> = (0..3).map(|_| session.call(&call).is_ok()).collect();
        Ok(ended(Ended::Ok(format!("{made:?}").into_bytes().into())))
    });
    let router = with([backend]);
    let mut request = program(Profile::Standard);
    request.gateway = Some(echo());
    request.limits = request.limits.with(Limit::ToolCalls, Some(2));
    let execution = execute(&router, &request).expect("a result");
    assert_eq!(execution.value(), Some(&b"[true, true, false]"[..]));
    assert_eq!((execution.tool_calls, execution.transcript.len()), (2, 3));
    let root = execution.transcript.root();
    let claim = attested(&execution.receipt);
    assert_eq!(
        claim
            .transcript
            .as_ref()
            .and_then(|root| root.open())
            .copied(),
        root
    );
    assert_eq!(
        execution.limits.get(Limit::ToolCalls),
        Held::enforced(2, Some(2))
    );
}

fn echo_capsule() -> Vec<u8> {
    std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/capsules/echo/echo.wasm"
    ))
    .expect("a file")
}

#[test]
fn a_capsule_goes_to_the_pipeline_and_can_be_run_again() {
    let router = router(false);
    let code = Code::Capsule(Capsule::new(echo_capsule()));
    let request = ExecuteRequest::new(code, *b"[1]", Profile::Dev);
    let execution = execute(&router, &request).expect("a result");
    assert_eq!(execution.value(), Some(&b"[1]"[..]));
    assert!(execution.receipt.claim().is_replayable());
    assert!(matches!(execution.readiness, Readiness::Ready { .. }));
    assert_eq!(
        (execution.profile, execution.backend),
        (Profile::Hardened, WASM.clone())
    );
    assert_eq!(
        execution.receipt.claim().input().open(),
        Some(&Blake3::of(b"[1]"))
    );
}

#[test]
fn a_cancelled_request_never_begins() {
    let router = with([Told::new("told", Profile::Standard)]);
    let control = Control::default();
    control.cancel();
    let circumstances = Circumstances::at(now());
    let never = router.execute_controlled(&program(Profile::Dev), circumstances, &control);
    assert!(matches!(never, Err(RouteError::Cancelled)));
}
