//! What the contract tests share: a router with one backend, shell programs, and what is looked at afterwards.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use tenzik::backend::{Backend, Readiness};
use tenzik::config::{RuntimeConfig, SecurityConfig};
use tenzik::pipeline::Pipeline;
use tenzik::receipts::{Circumstances, Sealer};
use tenzik::router::{
    Code, CodeTree, ExecuteRequest, Execution, Limit, Program, RouteError, Router, RouterConfig,
};
use tenzik_receipt::{
    Epoch, Expectations, KeyUse, Label, Profile, SecretKey, Timestamp, Trust, Verdict, verify,
};

pub(crate) fn now() -> Timestamp {
    "2026-11-28T12:00:00Z".parse().expect("a time")
}

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32], KeyUse::Receipt, now())
}

/// A router with this backend alone.
pub(crate) fn router(backend: impl Backend + 'static) -> Router {
    let sealer = Sealer::new(key(), Epoch::from_bytes([1; 16])).expect("a receipt key");
    let pipeline = Pipeline::new(
        &SecurityConfig::default(),
        &RuntimeConfig::default(),
        sealer,
    );
    let router = Router::new(
        Arc::new(pipeline.expect("an engine")),
        RouterConfig { unsafe_host: true },
    );
    router.register(Arc::new(backend)).expect("a new name");
    router
}

/// A shell program with the input `{"a":1}`.
pub(crate) fn shell(text: &str, profile: Profile) -> ExecuteRequest {
    let tree = CodeTree::single("main.sh", text.as_bytes()).expect("a tree");
    let program = Program::new(Label::constant("shell"), tree);
    ExecuteRequest::new(Code::Program(program), *b"{\"a\":1}", profile)
}

pub(crate) fn limited(mut request: ExecuteRequest, limits: &[(Limit, i64)]) -> ExecuteRequest {
    for (limit, number) in limits {
        request.limits = request.limits.with(*limit, Some(*number));
    }
    request
}

/// Runs it, and holds its receipt against the node's key: whatever came of it, the receipt must verify in form and signature.
pub(crate) fn run(router: &Router, request: &ExecuteRequest) -> Result<Execution, RouteError> {
    let came = router.execute(request, Circumstances::at(now()));
    let receipt = match &came {
        Ok(execution) => Some(&execution.receipt),
        Err(error) => error.receipt(),
    };
    if let Some(receipt) = receipt {
        let trust = Trust::in_receipts_of(key().public()).expect("a key");
        let report = verify(&receipt.to_bytes(), &trust, now(), &Expectations::default());
        assert!(
            report.verdict() == Verdict::Passed || receipt.claim().status() == "aborted",
            "{report:?}"
        );
    }
    came
}

/// The result as text.
pub(crate) fn value(router: &Router, request: &ExecuteRequest) -> String {
    let execution = run(router, request).unwrap_or_else(|error| {
        let stderr = error
            .execution()
            .map(|execution| execution.stderr.bytes.clone());
        panic!(
            "{error}: {}",
            String::from_utf8_lossy(&stderr.unwrap_or_default())
        )
    });
    String::from_utf8(execution.value().expect("a result").to_vec()).expect("text")
}

/// Whether a process with this word among its arguments is there.
pub(crate) fn is_running(word: &str) -> bool {
    let entries = std::fs::read_dir("/proc").expect("processes");
    entries.filter_map(Result::ok).any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).collect();
        words.contains(&word.as_bytes())
    })
}

/// Waits until there is none: the kernel ends what was killed in its own time.
pub(crate) fn is_gone(word: &str) -> bool {
    (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(10));
        !is_running(word)
    })
}

/// Whether a part is missing: told on a user's machine, an error in continuous integration.
pub(crate) fn missing(what: &str) -> bool {
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "in CI nothing may be missing: {what}"
    );
    eprintln!("skipped: {what}");
    true
}

/// Whether a backend cannot run here.
pub(crate) fn cannot_run(backend: &dyn Backend) -> bool {
    match backend.probe() {
        Readiness::Ready { .. } => false,
        Readiness::Unavailable { reason, .. } => missing(&reason),
    }
}

/// A root file system of busybox alone, made once; `None` where there is no static busybox.
pub(crate) fn busybox_root() -> Option<&'static Path> {
    static ROOT: OnceLock<Option<PathBuf>> = OnceLock::new();
    ROOT.get_or_init(make_root).as_deref()
}

fn make_root() -> Option<PathBuf> {
    let busybox = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| Path::new(path).is_file())?;
    let root =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("root-{}", std::process::id()));
    for place in ["bin", "code", "dev", "proc", "tmp"] {
        std::fs::create_dir_all(root.join(place)).ok()?;
    }
    let everybody = std::fs::Permissions::from_mode(0o1777);
    std::fs::set_permissions(root.join("tmp"), everybody).ok()?;
    std::fs::copy(busybox, root.join("bin/busybox")).ok()?;
    let listed = Command::new(busybox).arg("--list").output().ok()?;
    for name in String::from_utf8(listed.stdout).ok()?.lines() {
        // One that is there already is the file itself.
        let _ = std::os::unix::fs::symlink("busybox", root.join("bin").join(name));
    }
    Some(root)
}

pub(crate) fn shell_command() -> BTreeMap<Label, Vec<String>> {
    BTreeMap::from([(Label::constant("shell"), vec!["/bin/sh".to_owned()])])
}
