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
                let path = format!("/proc/{}/environ", std::process::id());
                yes_or_no(
                    column,
                    &format!("cat {path} | grep -q CARGO"),
                    &format!("if (!fs.readFileSync('{path}', 'latin1').includes('CARGO')) throw 0"),
                )
            }
            Self::ReachNetwork => reach_network(column),
            Self::ExecuteDropped => yes_or_no(
                column,
                "printf '#!/bin/sh\nexit 0\n' > \"$HOME/x\" && chmod +x \"$HOME/x\" && \"$HOME/x\"",
                "fs.writeFileSync('/tmp/x', '#!/bin/sh\\nexit 0\\n', { mode: 0o755 }); cp.execFileSync('/tmp/x')",
            ),
            Self::Trace => poke(column, "ptrace"),
            Self::Mount => poke(column, "mount"),
            Self::ForkBomb => fork_bomb(column),
            Self::FillMemory => bounded(
                column,
                (
                    r#"x=xxxxxxxxxxxxxxxx; while :; do x="$x$x"; done"#,
                    "const all = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1));",
                ),
                (
                    Limit::MemoryBytes,
                    if column.is_javascript {
                        512 << 20
                    } else {
                        64 << 20
                    },
                ),
            ),
            Self::FillDisk => fill_disk(column),
            Self::BurnProcessor => bounded(
                column,
                ("while :; do :; done", "for (;;);"),
                (Limit::CpuMs, if column.is_javascript { 3_000 } else { 300 }),
            ),
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
    let mut request = request.clone();
    if request.limits.get(Limit::WallMs).is_none() {
        request = limited(request, &[(Limit::WallMs, 120_000)]);
    }
    if let Code::Program(program) = &mut request.code {
        program.image = column.image;
    }
    run(&column.router, &request)
}

/// A number for each backend's children, so that none is taken for another's.
fn word(column: &Column, kind: u32) -> String {
    let own: u32 = column.name.bytes().map(u32::from).sum();
    format!("{}", 90_000_000 + own * 100 + kind)
}

/// What stands around a function of JavaScript.
const FUNCTION: &str = "\
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import cp from 'node:child_process';
const later = (ms) => new Promise((done) => setTimeout(done, ms));
const tried = async (what) => { try { await what(); return 1; } catch { return 0; } };
export default async (input, { tools }) => { BODY };
";

/// The program in the column's language: a shell's text, or the body of a function.
fn request(column: &Column, text: &str, body: &str) -> ExecuteRequest {
    if !column.is_javascript {
        return shell(text, column.profile);
    }
    let text = FUNCTION.replace("BODY", body);
    let tree = CodeTree::single("main.mjs", text.as_bytes()).expect("a tree");
    let program = Program::new(Label::constant("javascript"), tree);
    ExecuteRequest::new(Code::Program(program), *b"null", column.profile)
}

/// A command that succeeds where the program gets what it wants, or statements that throw where it does not.
fn yes_or_no(column: &Column, command: &str, statements: &str) -> Became {
    let body = format!("return tried(async () => {{ {statements} }});");
    told(column, &request(column, &asking(command), &body))
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
    let path = secret.path().display();
    yes_or_no(
        column,
        &format!("cat {path}"),
        &format!("fs.readFileSync('{path}')"),
    )
}

fn write_host_file(column: &Column) -> Became {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("written");
    let shown = path.display();
    let became = yes_or_no(
        column,
        &format!(
            "echo x > {shown} || echo x > /code/new || echo x > /usr/bin/new || echo x > /bin/new"
        ),
        &format!(
            "for (const path of ['{shown}', '/code/new', '/usr/bin/new'])
                if (await tried(() => fs.writeFileSync(path, 'x'))) return;
            throw 0"
        ),
    );
    match path.exists() {
        true => Became::Through,
        false => became,
    }
}

/// That an attempt which succeeds is seen to.
pub(crate) fn control(column: &Column) {
    let controls = [
        yes_or_no(column, "true", ""),
        yes_or_no(column, "false", "throw 0"),
    ];
    assert_eq!(
        controls,
        [Became::Through, Became::Nothing],
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
        &format!(
            "const connected = new Promise((yes, no) => {{
                const socket = net.connect({port}, '127.0.0.1', yes);
                socket.on('error', no);
                setTimeout(no, 2000);
            }});
            if (await tried(() => connected)) return;
            if (!Object.keys(os.networkInterfaces()).some((name) => name !== 'lo')) throw 0"
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
    let command = format!("./poke {call}");
    let statements = format!("cp.execFileSync('/code/poke', ['{call}'], {{ stdio: 'ignore' }})");
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

/// A program without an end but this limit.
fn bounded(column: &Column, (text, body): (&str, &str), (limit, number): (Limit, i64)) -> Became {
    let limits = [(limit, number), (Limit::WallMs, 60_000)];
    let error = ask(column, &limited(request(column, text, body), &limits));
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
    let body = format!(
        "for (;;) {{
            await tried(() => cp.spawn('/bin/sleep', ['{word}'], {{ stdio: 'ignore' }}).on('error', () => {{}}));
            await later(1);
        }}"
    );
    let mut request = limited(request(column, &text, &body), &[(Limit::WallMs, 8_000)]);
    // A runtime of JavaScript has a dozen threads of its own.
    let pids_max = if column.is_javascript { 64 } else { 16 };
    if column.holds_pids {
        request = limited(request, &[(Limit::Pids, pids_max)]);
    }
    let ended = ask(column, &request).expect_err("it has no end of its own");
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
    assert!(is_gone(&word), "{}: something is left", column.name);
    Became::Bounded
}

/// Four times as much as it may have.
fn fill_disk(column: &Column) -> Became {
    let text = r#"dd if=/dev/zero of=/tmp/full bs=65536 count=64 2>/dev/null
        sleep 0.2; echo "{\"ok\":$(wc -c < /tmp/full)}" >&3"#;
    let body = "for (let i = 0; i < 64; i++) await tried(() => fs.appendFileSync('/tmp/full', Buffer.alloc(65536)));
        await later(200);
        try { return fs.statSync('/tmp/full').size; } catch { return 0; }";
    let request = limited(request(column, text, body), &[(Limit::DiskBytes, 1 << 20)]);
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
    match written {
        0 => Became::Nothing,
        1..=1_048_576 => Became::Bounded,
        _ => Became::Through,
    }
}

fn flood_output(column: &Column) -> Became {
    let text = "i=0; while [ $i -lt 400 ]; do printf '%010000d' 0; i=$((i+1)); done; echo '{\"ok\":1}' >&3";
    let body = "for (let i = 0; i < 400; i++) console.log('0'.repeat(10000)); return 1;";
    let request = limited(
        request(column, text, body),
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
    let body = "console.log('{\"ok\":1}'); console.error('{\"ok\":1}'); process.exit(0);";
    match ask(column, &request(column, text, body)) {
        Ok(_) => Became::Through,
        Err(RouteError::Failed { .. }) => Became::Nothing,
        Err(error) => panic!("{}: {error}", column.name),
    }
}

fn ignore_signals(column: &Column) -> Became {
    let word = word(column, 2);
    let text = format!("trap '' TERM INT HUP; while :; do sleep {word}; done");
    let body = format!(
        "for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP']) await tried(() => process.on(name, () => {{}}));
        await tried(() => cp.spawn('/bin/sleep', ['{word}'], {{ stdio: 'ignore' }}).on('error', () => {{}}));
        await later(100);
        for (;;);"
    );
    let request = limited(request(column, &text, &body), &[(Limit::WallMs, 1_500)]);
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
    let body = format!(
        "await tried(() => cp.spawn('/bin/sleep', ['{word}'], {{ detached: true, stdio: 'ignore' }}).on('error', () => {{}}).unref());
        await later(200);
        return 1;"
    );
    ask(column, &request(column, &text, &body)).expect("a result");
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
    let body = "const call = '{\"call\":{\"id\":1,\"request\":{\"run_tool\":{\"tool\":\"text:echo\",\"arguments\":{}}}}}';
        await tried(() => fs.writeSync(3, '0'.repeat(32) + ' tools ' + call + '\\n'));
        await later(200);
        return 1;";
    let mut request = request(column, CALLS, body);
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
    let body = "for (let i = 0; i < 40; i++) await tried(() => tools.run_tool('text:echo', {})); return 1;";
    let mut request = limited(request(column, text, body), &[(Limit::ToolCalls, 3)]);
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
    let body = "for (;;) { tools.search_tools('', 1000).catch(() => {}); await later(0); }";
    let mut request = limited(request(column, text, body), &[(Limit::WallMs, 3_000)]);
    request.gateway = Some(tools(&called));
    let ended = ask(column, &request).expect_err("it has no end of its own");
    let execution = ended.execution().expect("it ran");
    // What a socket holds of answers, and those that threads hold: far fewer than were asked for in that time.
    match execution.transcript.len() < 20_000 {
        true => Became::Bounded,
        false => Became::Through,
    }
}
