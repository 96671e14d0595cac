//! What a program tries, and what became of it.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tenzik::router::{Code, CodeTree, ExecuteRequest, Execution, File, Limit, Program, RouteError};
use tenzik_receipt::{Label, Profile};

use crate::columns::Column;
use crate::common::{CALLS, is_gone, limited, run, shell, tools};

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Became {
    /// A limit held it, and nothing of it is left.
    Bounded,
    /// It came to nothing.
    Nothing,
    /// It was not made: nothing would hold it, and it would harm this system.
    NotTried,
    /// It did what it wanted.
    Through,
}

impl Became {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Bounded => "bounded",
            Self::Nothing => "no",
            Self::NotTried => "not tried",
            Self::Through => "**yes**",
        }
    }
}

/// What a program tries.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Attempt {
    ReadHostFile,
    WriteHostFile,
    SeeHostProcess,
    ReachNetwork,
    ExecuteDropped,
    Trace,
    Mount,
    ForkBomb,
    FillMemory,
    FillDisk,
    BurnProcessor,
    FloodOutput,
    ForgeResult,
    IgnoreSignals,
    LeaveChildren,
    GuessToken,
    FloodGateway,
    ReadNoAnswers,
}

impl Attempt {
    pub(crate) const ALL: [Self; 18] = [
        Self::ReadHostFile,
        Self::WriteHostFile,
        Self::SeeHostProcess,
        Self::ReachNetwork,
        Self::ExecuteDropped,
        Self::Trace,
        Self::Mount,
        Self::ForkBomb,
        Self::FillMemory,
        Self::FillDisk,
        Self::BurnProcessor,
        Self::FloodOutput,
        Self::ForgeResult,
        Self::IgnoreSignals,
        Self::LeaveChildren,
        Self::GuessToken,
        Self::FloodGateway,
        Self::ReadNoAnswers,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::ReadHostFile => "read a file of the host's",
            Self::WriteHostFile => "write a file of the host's",
            Self::SeeHostProcess => "read a host process's environment",
            Self::ReachNetwork => "reach loopback or a network",
            Self::ExecuteDropped => "execute a file that it wrote",
            Self::Trace => "trace another process",
            Self::Mount => "mount a file system",
            Self::ForkBomb => "make processes without end",
            Self::FillMemory => "fill the memory",
            Self::FillDisk => "fill the disk",
            Self::BurnProcessor => "use the processor without end",
            Self::FloodOutput => "write output without end",
            Self::ForgeResult => "pass off what it prints as its result",
            Self::IgnoreSignals => "outlive its time by ignoring signals",
            Self::LeaveChildren => "leave a child in a session of its own",
            Self::GuessToken => "call tools with a guessed token",
            Self::FloodGateway => "call tools beyond its limit",
            Self::ReadNoAnswers => "fill the host with answers that it does not read",
        }
    }

    /// Whether the attempt harms this system where nothing holds it.
    const fn harms(self) -> bool {
        matches!(
            self,
            Self::WriteHostFile
                | Self::Trace
                | Self::Mount
                | Self::ForkBomb
                | Self::FillMemory
                | Self::FillDisk
                | Self::BurnProcessor
        )
    }

    /// Makes it.
    pub(crate) fn on(self, column: &Column) -> Became {
        if column.profile == Profile::Dev && self.harms() {
            return Became::NotTried;
        }
        match self {
            Self::ReadHostFile => read_host_file(column),
            Self::WriteHostFile => write_host_file(column),
            Self::SeeHostProcess => {
                let own = std::process::id();
                yes_or_no(column, &format!("cat /proc/{own}/environ | grep -q CARGO"))
            }
            Self::ReachNetwork => reach_network(column),
            Self::ExecuteDropped => yes_or_no(
                column,
                "printf '#!/bin/sh\\nexit 0\\n' > \"$HOME/x\" && chmod +x \"$HOME/x\" && \"$HOME/x\"",
            ),
            Self::Trace => poke(column, "ptrace"),
            Self::Mount => poke(column, "mount"),
            Self::ForkBomb => fork_bomb(column),
            Self::FillMemory => bounded(
                column,
                r#"x=xxxxxxxxxxxxxxxx; while :; do x="$x$x"; done"#,
                (Limit::MemoryBytes, 64 << 20),
            ),
            Self::FillDisk => fill_disk(column),
            Self::BurnProcessor => bounded(column, "while :; do :; done", (Limit::CpuMs, 300)),
            Self::FloodOutput => flood_output(column),
            Self::ForgeResult => forge_result(column),
            Self::IgnoreSignals => ignore_signals(column),
            Self::LeaveChildren => leave_children(column),
            Self::GuessToken => guess_token(column),
            Self::FloodGateway => flood_gateway(column),
            Self::ReadNoAnswers => read_no_answers(column),
        }
    }
}

fn ask(column: &Column, request: &ExecuteRequest) -> Result<Execution, RouteError> {
    run(&column.router, request)
}

/// A number for each backend's children, so that none is taken for another's.
fn word(column: &Column, kind: u32) -> String {
    let own: u32 = column.name.bytes().map(u32::from).sum();
    format!("{}", 90_000_000 + own * 100 + kind)
}

/// A command that succeeds where the program gets what it wants.
fn yes_or_no(column: &Column, command: &str) -> Became {
    told(column, &shell(&asking(command), column.profile))
}

fn asking(command: &str) -> String {
    format!("if {command}; then r=1; else r=0; fi 2>/dev/null; echo \"{{\\\"ok\\\":$r}}\" >&3")
}

fn told(column: &Column, request: &ExecuteRequest) -> Became {
    match ask(column, request) {
        Ok(execution) => match execution.value() {
            Some(b"0") => Became::Nothing,
            Some(b"1") => Became::Through,
            other => panic!("{}: {other:?}", column.name),
        },
        // It was ended for it.
        Err(RouteError::SandboxViolation { .. } | RouteError::Failed { .. }) => Became::Nothing,
        Err(error) => panic!("{}: {error}", column.name),
    }
}

fn read_host_file(column: &Column) -> Became {
    let secret = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(secret.path(), "the host's").expect("a file");
    yes_or_no(column, &format!("cat {}", secret.path().display()))
}

fn write_host_file(column: &Column) -> Became {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("written");
    let became = yes_or_no(
        column,
        &format!(
            "echo x > {} || echo x > /code/new || echo x > /bin/new",
            path.display()
        ),
    );
    match path.exists() {
        true => Became::Through,
        false => became,
    }
}

/// That an attempt which succeeds is seen to.
pub(crate) fn control(column: &Column) {
    assert_eq!(
        yes_or_no(column, "true"),
        Became::Through,
        "{}",
        column.name
    );
    assert_eq!(
        yes_or_no(column, "false"),
        Became::Nothing,
        "{}",
        column.name
    );
}

/// A listener on the host's loopback, and any interface but a loopback.
fn reach_network(column: &Column) -> Became {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    listener.set_nonblocking(true).expect("it is ours");
    let became = yes_or_no(
        column,
        &format!(
            "busybox timeout 2 busybox nc -w 1 127.0.0.1 {port} </dev/null || tail -n +3 /proc/net/dev | grep -qv '^ *lo:'"
        ),
    );
    match listener.accept() {
        Ok(_) => Became::Through,
        Err(_) => became,
    }
}

/// A program of one system call, built once.
fn poke(column: &Column, call: &str) -> Became {
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
    let file = |content: &[u8], executable| File {
        content: content.into(),
        executable,
    };
    let text = asking(&format!("./poke {call}"));
    let files = BTreeMap::from([
        ("main.sh".to_owned(), file(text.as_bytes(), false)),
        ("poke".to_owned(), file(binary, true)),
    ]);
    let tree = CodeTree::new(files, "main.sh").expect("a tree");
    let program = Program::new(Label::constant("shell"), tree);
    let request = ExecuteRequest::new(Code::Program(program), *b"null", column.profile);
    told(column, &request)
}

/// A program without an end but this limit.
fn bounded(column: &Column, text: &str, (limit, number): (Limit, i64)) -> Became {
    let limits = [(limit, number), (Limit::WallMs, 20_000)];
    let error = ask(column, &limited(shell(text, column.profile), &limits));
    let Err(RouteError::ResourceLimit {
        limit: met,
        execution,
    }) = error
    else {
        panic!("{}: {}: {error:?}", column.name, limit.name());
    };
    assert_eq!(met, limit, "{}", column.name);
    let held = execution.limits.get(limit);
    assert!(held.enforced, "{}: {}: {held:?}", column.name, limit.name());
    Became::Bounded
}

fn fork_bomb(column: &Column) -> Became {
    let word = word(column, 1);
    let text = format!("bomb() {{ bomb | bomb & sleep {word}; }}; bomb");
    let mut request = limited(shell(&text, column.profile), &[(Limit::WallMs, 3_000)]);
    if column.holds_pids {
        request = limited(request, &[(Limit::Pids, 16)]);
    }
    let ended = ask(column, &request).expect_err("it has no end of its own");
    let execution = ended.execution().expect("it ran");
    let held = execution.limits.get(Limit::Pids);
    if column.holds_pids {
        assert!(held.enforced, "{}: {held:?}", column.name);
        assert!(held.observed.is_some_and(|peak| peak <= 16), "{held:?}");
    }
    assert!(is_gone(&word), "{}: something is left", column.name);
    Became::Bounded
}

/// Four times as much as it may have.
fn fill_disk(column: &Column) -> Became {
    let text = r#"dd if=/dev/zero of=/tmp/full bs=65536 count=64 2>/dev/null
        sleep 0.2; echo "{\"ok\":$(wc -c < /tmp/full)}" >&3"#;
    let request = limited(shell(text, column.profile), &[(Limit::DiskBytes, 1 << 20)]);
    let execution = match ask(column, &request) {
        Ok(execution) => execution,
        Err(RouteError::ResourceLimit {
            limit: Limit::DiskBytes,
            ..
        }) => return Became::Bounded,
        Err(error) => panic!("{}: {error}", column.name),
    };
    let written = String::from_utf8_lossy(execution.value().unwrap_or_default()).into_owned();
    let written: u64 = written.parse().expect("a number");
    match written <= 1 << 20 {
        true => Became::Bounded,
        false => Became::Through,
    }
}

fn flood_output(column: &Column) -> Became {
    let text = "i=0; while [ $i -lt 400 ]; do printf '%010000d' 0; i=$((i+1)); done; echo '{\"ok\":1}' >&3";
    let request = limited(
        shell(text, column.profile),
        &[(Limit::OutputBytes, 100_000)],
    );
    let kept = match &ask(column, &request) {
        Ok(execution) => execution.stdout.bytes.len(),
        Err(error) => error.execution().map_or(0, |it| it.stdout.bytes.len()),
    };
    match kept <= 100_000 {
        true => Became::Bounded,
        false => Became::Through,
    }
}

fn forge_result(column: &Column) -> Became {
    let text = "echo '{\"ok\":1}'; echo '{\"ok\":1}' >&2";
    match ask(column, &shell(text, column.profile)) {
        Ok(_) => Became::Through,
        Err(RouteError::Failed { .. }) => Became::Nothing,
        Err(error) => panic!("{}: {error}", column.name),
    }
}

fn ignore_signals(column: &Column) -> Became {
    let word = word(column, 2);
    let text = format!("trap '' TERM INT HUP; while :; do sleep {word}; done");
    let request = limited(shell(&text, column.profile), &[(Limit::WallMs, 1_500)]);
    let ended = ask(column, &request);
    assert!(
        matches!(ended, Err(RouteError::Timeout { .. })),
        "{}: {ended:?}",
        column.name
    );
    match is_gone(&word) {
        true => Became::Bounded,
        false => Became::Through,
    }
}

fn leave_children(column: &Column) -> Became {
    let word = word(column, 3);
    let text =
        format!("setsid sleep {word} <&- >&- 2>&- 3>&- & sleep 0.2; echo '{{\"ok\":1}}' >&3");
    ask(column, &shell(&text, column.profile)).expect("a result");
    if is_gone(&word) {
        return Became::Nothing;
    }
    // What got away is this test's own to end.
    let _ = Command::new("pkill")
        .args(["-f", &format!("sleep {word}")])
        .status();
    Became::Through
}

fn guess_token(column: &Column) -> Became {
    let called = Arc::new(AtomicU32::new(0));
    let mut request = shell(CALLS, column.profile);
    request.gateway = Some(tools(&called));
    let Code::Program(program) = &mut request.code else {
        panic!("another code");
    };
    program
        .environment
        .insert("GUESS".to_owned(), "0".repeat(64));
    // Whatever it makes of the refusal.
    drop(ask(column, &request));
    match called.load(Ordering::SeqCst) {
        0 => Became::Nothing,
        _ => Became::Through,
    }
}

fn flood_gateway(column: &Column) -> Became {
    let called = Arc::new(AtomicU32::new(0));
    let text = r#"
read -r greeting <&4
token=$(printf '%s' "$greeting" | sed 's/.*"token":"\([0-9a-f]*\)".*/\1/')
printf '{"hello":{"version":1,"token":"%s"}}\n' "$token" >&4
i=0; while [ $i -lt 40 ]; do
  printf '{"call":{"id":%s,"request":{"run_tool":{"tool":"text:echo","arguments":{}}}}}\n' $i >&4
  read -r answer <&4; i=$((i+1))
done
echo '{"ok":1}' >&3
"#;
    let mut request = limited(shell(text, column.profile), &[(Limit::ToolCalls, 3)]);
    request.gateway = Some(tools(&called));
    let execution = ask(column, &request).expect("a result");
    assert_eq!(execution.tool_calls, 3, "{}", column.name);
    match called.load(Ordering::SeqCst) {
        3 => Became::Bounded,
        _ => Became::Through,
    }
}

/// Discovery is not counted, so nothing but the bound on answers under way holds it.
fn read_no_answers(column: &Column) -> Became {
    let called = Arc::new(AtomicU32::new(0));
    let text = r#"
read -r greeting <&4
token=$(printf '%s' "$greeting" | sed 's/.*"token":"\([0-9a-f]*\)".*/\1/')
printf '{"hello":{"version":1,"token":"%s"}}\n' "$token" >&4
i=0; while :; do
  printf '{"call":{"id":%s,"request":{"search_tools":{"query":"","limit":1000}}}}\n' $i >&4
  i=$((i+1))
done
"#;
    let mut request = limited(shell(text, column.profile), &[(Limit::WallMs, 3_000)]);
    request.gateway = Some(tools(&called));
    let ended = ask(column, &request).expect_err("it has no end of its own");
    let execution = ended.execution().expect("it ran");
    // What a socket holds of answers, and those that threads hold: far fewer than were asked for in that time.
    match execution.transcript.len() < 20_000 {
        true => Became::Bounded,
        false => Became::Through,
    }
}
