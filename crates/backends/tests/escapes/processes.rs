//! Attempts with processes: to make them without end, to outlive a run, to reach the kernel past the runtime.
//!
//! What is gone at the end was seen before: a bomb that did not go off, or a child that was never there, is no attempt.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::OnceLock;

use tenzik::router::{Code, CodeTree, ExecuteRequest, File, Limit, RouteError};

use crate::attempts::{Became, ask, asking, request, told};
use crate::columns::Column;
use crate::common::hostile::BOMB;
use crate::common::limited;
use crate::common::watch::{Found, argued, bombed, marked, watched};

/// Pauses of a program in milliseconds. On a machine that has much to do a short one may be over before anybody looked.
const PAUSES: [i64; 3] = [300, 3_000, 12_000];

/// A number for each backend's children, so that none is taken for another's.
fn word(column: &Column, kind: u32) -> String {
    let own: u32 = column.name.bytes().map(u32::from).sum();
    format!("{}", 90_000_000 + own * 100 + kind)
}

/// A program of one system call, built once.
pub(crate) fn poke(column: &Column, call: &str) -> Became {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    let binary = BUILT.get_or_init(|| {
        let directory = tempfile::tempdir().expect("a directory");
        let output = directory.path().join("poke");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/escapes/poke.c");
        let flags = [
            "-static",
            "-nostdlib",
            "-ffreestanding",
            "-O1",
            "-fno-stack-protector",
        ];
        let built = Command::new("cc")
            .args(flags)
            .arg(source)
            .arg("-o")
            .arg(&output)
            .status();
        assert!(built.expect("a C compiler").success());
        std::fs::read(output).expect("a program")
    });
    let command = format!("./poke {call}");
    let statements = format!("finish('/code/poke', '{call}')");
    let body = format!("return tried(async () => {{ {statements} }});");
    let mut request = request(column, &asking(&command), &body);
    let Code::Program(program) = &mut request.code else {
        panic!("another code");
    };
    let entrypoint = program.tree.entrypoint().to_owned();
    let own = program.tree.files()[&entrypoint].clone();
    let poke = File {
        content: binary.as_slice().into(),
        executable: true,
    };
    let files = BTreeMap::from([(entrypoint.clone(), own), ("poke".to_owned(), poke)]);
    program.tree = CodeTree::new(files, entrypoint).expect("a tree");
    told(column, &request)
}

pub(crate) fn fork_bomb(column: &Column) -> Became {
    let word = word(column, 1);
    let body =
        format!("for (;;) {{ await tried(() => begin('/bin/sleep', '{word}')); await later(1); }}");
    let mut request = limited(request(column, BOMB, &body), &[(Limit::WallMs, 8_000)]);
    if !column.is_javascript() {
        request = argued(request, &word);
    }
    // A runtime of JavaScript has a dozen threads of its own.
    let pids_max = if column.is_javascript() { 64 } else { 16 };
    if column.holds_pids {
        request = limited(request, &[(Limit::Pids, pids_max)]);
    }
    // One that was over before it went off, or was never seen at work, shows nothing, and is tried again.
    let mut shown = Vec::new();
    let came = (0..3).find_map(|_| {
        let (ended, found) = watched(&[&word], || ask(column, &request));
        let ended = ended.expect_err("it has no end of its own");
        let went_off = column.is_javascript() || ended.execution().is_some_and(bombed);
        if went_off && found.is_whole() {
            return Some((ended, found));
        }
        assert!(found.is_gone(), "{}: something is left", column.name);
        shown.push(format!("{ended}, went off: {went_off}, {found:?}"));
        None
    });
    let (ended, found) =
        came.unwrap_or_else(|| panic!("{}: it never went off: {shown:?}", column.name));
    let execution = ended.execution().expect("it ran");
    let held = execution.limits.get(Limit::Pids);
    if column.holds_pids {
        assert!(held.enforced, "{}: {held:?}", column.name);
        assert!(
            held.observed
                .is_some_and(|peak| peak <= pids_max.unsigned_abs()),
            "{held:?}"
        );
    }
    assert!(found.is_gone(), "{}: something is left", column.name);
    Became::Bounded
}

pub(crate) fn ignore_signals(column: &Column) -> Became {
    let word = word(column, 2);
    let text = format!("trap '' TERM INT HUP; echo began; while :; do sleep {word}; done");
    let body = format!(
        "for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) await tried(() => process.on(name, () => {{}}));
        begin('/bin/sleep', '{word}');
        console.log('began');
        await later(100);
        for (;;);"
    );
    let request = marked(request(column, &text, &body), &[&word]);
    // One that was over before all of it began shows nothing, and is given more time.
    let mut shown = Vec::new();
    let came = [1_500, 6_000, 24_000].into_iter().find_map(|wall_ms| {
        let limits = [(Limit::WallMs, wall_ms), (Limit::CpuMs, 60_000)];
        let request = limited(request.clone(), &limits);
        let (ended, found) = watched(&[&word], || ask(column, &request));
        let Err(RouteError::Timeout { execution, .. }) = ended else {
            panic!("{}: {ended:?}", column.name)
        };
        let began = execution.stdout.bytes == b"began\n" && found.is_whole();
        shown.push((execution.stdout, found.is_whole()));
        let became = of_what_is_left(&found, Became::Bounded);
        (began || became == Became::Through).then_some(became)
    });
    came.unwrap_or_else(|| panic!("{}: it never began: {shown:?}", column.name))
}

pub(crate) fn leave_children(column: &Column) -> Became {
    let word = word(column, 3);
    let came = PAUSES.into_iter().find_map(|pause| {
        let request = marked(leaving(column, &word, pause), &[&word]);
        let (came, found) = watched(&[&word], || ask(column, &request));
        let execution = came.expect("a result");
        let left = execution.value() == Some(b"1") && found.is_whole();
        let became = of_what_is_left(&found, Became::Nothing);
        (left || became == Became::Through).then_some(became)
    });
    came.unwrap_or_else(|| panic!("{}: nothing was ever left", column.name))
}

/// A program that says whether its child was begun, or in a shell is there, before it leaves it.
fn leaving(column: &Column, word: &str, pause_ms: i64) -> ExecuteRequest {
    let text = format!(
        r#"setsid sleep {word} <&- >&- 2>&- 3>&- & sleep {}.{:03}
        grep -q {word} /proc/$!/cmdline && r=1 || r=0; echo "{{\"ok\":$r}}" >&3"#,
        pause_ms / 1_000,
        pause_ms % 1_000
    );
    let body = format!(
        "const child = begin('/bin/sleep', '{word}');
        child.unref();
        await later({pause_ms});
        return child.pid > 0 ? 1 : 0;"
    );
    request(column, &text, &body)
}

fn of_what_is_left(found: &Found, held: Became) -> Became {
    if found.is_gone() {
        return held;
    }
    found.end();
    Became::Through
}
