//! Programs at a node by way of somebody who breaks the connection, lies, floods or says nothing, and at one that begins anew.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use tenzik::router::{Code, CodeTree, ExecuteRequest, File, Limit, Program, RouteError};
use tenzik_receipt::{Label, Profile, PublicKey};

use crate::between::{Between, Deed, Reborn, changing};
use crate::programs::{ANSWER, lines, node, once, router, shell, soon};
use crate::remote::run;

#[test]
fn a_connection_that_breaks_is_made_again_and_nothing_runs_twice() {
    let folder = TempDir::new().expect("a directory");
    let node = node();
    let address = node.address;
    type Deeds = fn(&str, u32) -> Deed;
    let breaks: [(&str, Deeds); 4] = [
        ("lost on its way", |_, before| {
            if before == 0 { Deed::Lose } else { Deed::Pass }
        }),
        ("lost before its answer", |_, before| {
            if before == 0 {
                Deed::Cut(0)
            } else {
                Deed::Pass
            }
        }),
        ("lost within its answer", |_, before| {
            if before < 3 {
                Deed::Cut(220)
            } else {
                Deed::Pass
            }
        }),
        (
            "lost each time it was begun",
            |first, before| match before {
                0..3 => Deed::Cut(if first.starts_with("POST") { 0 } else { 150 }),
                _ => Deed::Pass,
            },
        ),
    ];
    for (index, (what, deeds)) in breaks.into_iter().enumerate() {
        let file = folder.path().join(index.to_string());
        let between = Between::start(move || address, deeds);
        let came = run(&router(between.address, node.key), &once(&file, 0.5));
        let execution = came.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(execution.value(), Some(&b"[1, 2.50]"[..]), "{what}");
        assert_eq!(lines(&file), 1, "{what}");
        assert!(
            between.asked.load(Ordering::SeqCst) > 1,
            "{what}: it did not break"
        );
    }
}

/// A proxy gives up on a request that the node has, and then refuses what comes again: nobody may take it for one that never ran.
#[test]
fn what_a_proxy_says_does_not_mean_that_nothing_ran() {
    let folder = TempDir::new().expect("a directory");
    let node = node();
    let address = node.address;
    for (index, status) in [403, 404, 409, 422].into_iter().enumerate() {
        let file = folder.path().join(index.to_string());
        let between = Between::start(
            move || address,
            move |_, before| Deed::Fail(if before == 0 { 504 } else { status }),
        );
        let came = run(&router(between.address, node.key), &once(&file, 0.1));
        assert!(
            matches!(&came, Err(RouteError::Backend { error, .. }) if !error.retryable),
            "{status}: {came:?}"
        );
        soon(|| lines(&file) == 1);
    }
}

#[test]
fn a_node_that_was_started_anew_does_not_run_it_again() {
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("ran");
    let node = Reborn::start();
    let between = begun_anew(&node, &file, |_, before| match before {
        0 => Deed::Cut(0),
        _ => Deed::Pass,
    });
    let came = run(&router(between.address, node.key), &once(&file, 2.0));
    assert!(
        matches!(&came, Err(RouteError::Backend { error, .. }) if !error.retryable && error.reason.contains("other_boot")),
        "{came:?}"
    );
    assert_eq!(lines(&file), 1);
}

/// The second life is told to cancel what it has never heard of: that does not mean that nothing ran.
#[test]
fn a_node_that_was_started_anew_does_not_say_that_nothing_ran() {
    let folder = TempDir::new().expect("a directory");
    let file = folder.path().join("ran");
    let node = Reborn::start();
    let between = begun_anew(&node, &file, |first, before| match before {
        0 => Deed::Cut(0),
        _ if first.starts_with("POST") => Deed::Lose,
        // Behind the cancellation that was sent with it.
        _ => Deed::Late,
    });
    let mut request = once(&file, 30.0);
    request.limits = request.limits.with(Limit::WallMs, Some(4_000));
    let came = run(&router(between.address, node.key), &request);
    assert!(matches!(came, Err(RouteError::Timeout { .. })), "{came:?}");
    assert_eq!(lines(&file), 1);
}

/// Somebody before a node, which begins anew at the second exchange, once the program has written its line.
fn begun_anew(
    node: &Arc<Reborn>,
    file: &Path,
    deeds: impl Fn(&str, u32) -> Deed + Send + Sync + 'static,
) -> Between {
    let (asked, born, written) = (Arc::clone(node), Arc::clone(node), file.to_owned());
    Between::start(
        move || asked.address(),
        move |first, before| {
            if before == 1 {
                soon(|| lines(&written) == 1);
                born.begin_anew();
            }
            deeds(first, before)
        },
    )
}

#[test]
fn lies_about_a_program_are_no_results() {
    let node = node();
    let address = node.address;
    let old: Arc<Mutex<Option<Value>>> = Arc::default();
    let kept = Arc::clone(&old);
    let forge = |member: &'static str, to: Value| -> Box<dyn Fn(Value) -> Value + Send> {
        Box::new(move |mut line| {
            if line["event"] == "end" {
                line[member] = to.clone();
            }
            line
        })
    };
    let replay: Box<dyn Fn(Value) -> Value + Send> =
        Box::new(move |line| match line["event"] == "end" {
            true => kept.lock().expect("no panic").get_or_insert(line).clone(),
            false => line,
        });
    let replay = Mutex::new(Some(replay));
    let again = {
        let kept = Arc::clone(&old);
        Mutex::new(Some(
            Box::new(move |line: Value| match line["event"] == "end" {
                true => kept.lock().expect("no panic").clone().expect("an old one"),
                false => line,
            }) as Box<dyn Fn(Value) -> Value + Send>,
        ))
    };
    let between = Between::start(
        move || address,
        move |_, before| match before {
            0 => Deed::Change(replay.lock().expect("no panic").take().expect("once")),
            1 => Deed::Change(again.lock().expect("no panic").take().expect("once")),
            2 => Deed::Change(forge("output_base64", json!(STANDARD.encode("[1, 9.99]")))),
            3 => Deed::Change(forge("output_base64", Value::Null)),
            4 => Deed::Change(forge("receipt", Value::Null)),
            5 => Deed::Change(forge("receipt", json!({}))),
            6 => Deed::Say("{\"event\":\"end\"}\n"),
            7 => Deed::Say("{\"event\":\"end\",\"receipt\":\n"),
            _ => Deed::Say("\u{1b}[2J nonsense\n"),
        },
    );
    let router = router(between.address, node.key);
    let request = shell(ANSWER);
    assert!(run(&router, &request).is_ok());
    for what in [
        "audience",
        "output",
        "no output",
        "no receipt",
        "form",
        "no receipt",
        "",
        "",
    ] {
        let came = run(&router, &request);
        let told = matches!(&came, Err(RouteError::Backend { error, .. })
            if !error.retryable && error.reason.contains(what) && !error.reason.contains('\u{1b}'));
        assert!(told, "{what}: {came:?}");
    }
}

/// Of the entrypoint and of what is in the environment a claim says nothing; the receipt names the whole request all the same.
#[test]
fn a_request_that_was_changed_on_its_way_is_no_result() {
    let node = node();
    let changes: [fn(&mut Value); 5] = [
        |body| body["files"]["main.sh"]["base64"] = json!(STANDARD.encode("echo 2 >&3")),
        |body| body["entrypoint"] = json!("other.sh"),
        |body| body["environment"]["V"] = json!("evil"),
        |body| body["arguments"] = json!(["evil"]),
        |body| body["public"] = json!(true),
    ];
    let file = |text: &str| File {
        content: text.as_bytes().into(),
        executable: false,
    };
    let files = [("main.sh", file(ANSWER)), ("other.sh", file(ANSWER))];
    let files = files.map(|(path, file)| (path.to_owned(), file)).into();
    let tree = CodeTree::new(files, "main.sh").expect("a tree");
    let mut program = Program::new(Label::constant("shell"), tree);
    program.environment = [("V".to_owned(), "good".to_owned())].into();
    let request = ExecuteRequest::new(Code::Program(program), *b"[1, 2.50]", Profile::Dev);
    for (index, change) in changes.into_iter().enumerate() {
        let between = changing(node.address, change);
        let came = run(&router(between, node.key), &request);
        assert!(
            matches!(&came, Err(RouteError::Backend { error, .. }) if error.reason.contains("another request")),
            "{index}: {came:?}"
        );
    }
}

/// A line that has no end: as many bytes are taken as the longest answer has, and as the system takes for a reader.
const LINE_BYTES_MAX: usize = (68 << 20) + (32 << 20);
/// The one that is listened to, the one that cancels, and the one that is left or asks who the node is.
const CONNECTIONS_MAX: u32 = 3;

#[test]
fn a_node_that_floods_or_says_nothing_is_left_at_the_limit() {
    let node = node();
    let address = node.address;
    let deeds: [(fn() -> Deed, usize); 5] = [
        // What is read of lines is dropped: there is no bound but the time.
        (|| Deed::Flood(QUEUED), usize::MAX),
        (
            || Deed::Flood("{\"event\":\"from-the-future\"}\n"),
            usize::MAX,
        ),
        (|| Deed::Flood(NO_END), LINE_BYTES_MAX),
        (|| Deed::Lose, 0),
        (|| Deed::Cut(0), 0),
    ];
    // At once: each takes as long as a router waits for an answer beyond a program's time.
    thread::scope(|scope| {
        for (index, (deed, poured_max)) in deeds.into_iter().enumerate() {
            let between = Between::start(move || address, move |_, _| deed());
            let key = node.key;
            scope.spawn(move || is_left(index, &between, key, poured_max));
        }
    });
    // The last one was begun, once, and was not left running; of the others the node has heard nothing.
    let ended = |status| node.figure(&format!("tenzik_executions_total{{status=\"{status}\"}}"));
    soon(|| ended("aborted") + ended("timed_out") == 1.0);
    assert_eq!(node.figure("tenzik_bodies_bytes"), 0.0);
}

fn is_left(index: usize, between: &Between, key: PublicKey, poured_max: usize) {
    let mut request = shell("sleep 30");
    request.limits = request.limits.with(Limit::WallMs, Some(6_000));
    let came = run(&router(between.address, key), &request);
    assert!(
        matches!(came, Err(RouteError::Timeout { .. })),
        "{index}: {came:?}"
    );
    soon(|| between.seen().open == 0);
    let seen = between.seen();
    assert!(
        seen.open_most <= CONNECTIONS_MAX,
        "{index}: {}",
        seen.open_most
    );
    assert!(
        seen.poured_most <= poured_max,
        "{index}: {}",
        seen.poured_most
    );
}

const QUEUED: &str = "{\"event\":\"queued\",\"elapsed_ms\":1}\n";
const NO_END: &str = concat!(
    "{\"event\":\"running\",\"elapsed_ms\":1111111111111111111111111111111111111111111111111111111111111111111",
    "1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111111"
);
