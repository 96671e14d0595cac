//! What a program tries, and what became of it.

use std::net::TcpListener;

use tenzik::router::{Code, CodeTree, ExecuteRequest, Execution, Held, Limit, Program, RouteError};
use tenzik_receipt::{Label, Profile};

use crate::capsules;
use crate::columns::{Column, Guest};
use crate::common::hostile::PAUSES;
use crate::common::{limited, run, shell};
use crate::processes::{fork_bomb, ignore_signals, leave_children, poke};
use crate::tools::{flood_gateway, guess_token, read_no_answers};

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
        if column.guest == Guest::Capsule {
            return capsules::became(self, column);
        }
        match self {
            Self::ReadHostFile => read_host_file(column),
            Self::WriteHostFile => write_host_file(column),
            Self::SeeHostProcess => {
                let path = format!("/proc/{}/environ", std::process::id());
                yes_or_no(
                    column,
                    &format!("cat {path} | grep -q PATH="),
                    &format!("if (!fs.readFileSync('{path}', 'latin1').includes('PATH=')) throw 0"),
                )
            }
            Self::ReachNetwork => reach_network(column),
            Self::ExecuteDropped => yes_or_no(
                column,
                "printf '#!/bin/sh\nexit 0\n' > \"$HOME/x\" && chmod +x \"$HOME/x\" || r=unprepared; \"$HOME/x\"",
                "prepare(() => fs.writeFileSync('/tmp/x', '#!/bin/sh\\nexit 0\\n', { mode: 0o755 })); finish('/tmp/x')",
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
                    if column.is_javascript() {
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
                (
                    Limit::CpuMs,
                    if column.is_javascript() { 3_000 } else { 300 },
                ),
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

pub(crate) fn ask(column: &Column, request: &ExecuteRequest) -> Result<Execution, RouteError> {
    let mut request = request.clone();
    if request.limits.get(Limit::WallMs).is_none() {
        request = limited(request, &[(Limit::WallMs, 120_000)]);
    }
    if let Code::Program(program) = &mut request.code {
        program.image = column.image;
    }
    run(&column.router, &request)
}

/// What stands around a function of JavaScript.
const FUNCTION: &str = "\
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import cp from 'node:child_process';
const later = (ms) => new Promise((done) => setTimeout(done, ms));
const tried = async (what) => { try { await what(); return 1; } catch { return 0; } };
// What is no attempt itself, and must succeed for there to be one.
let unprepared;
const prepare = (what) => { try { what(); } catch (error) { unprepared = String(error); throw error; } };
// Deno's own way to start a program: Node's would want to read all variables, too.
const deno = globalThis.Deno;
const quiet = { stdin: 'null', stdout: 'null', stderr: 'null', detached: true };
const begin = (path, ...args) => deno
    ? new deno.Command(path, { args, ...quiet }).spawn()
    : cp.spawn(path, args, { detached: true, stdio: 'ignore' }).on('error', () => {});
const finish = (path, ...args) => {
    if (!deno) cp.execFileSync(path, args, { stdio: 'ignore' });
    else if (!new deno.Command(path, { args }).outputSync().success) throw 0;
};
export default async (input, { tools }) => { BODY };
";

/// The program in the column's language: a shell's text, or the body of a function.
pub(crate) fn request(column: &Column, text: &str, body: &str) -> ExecuteRequest {
    if !column.is_javascript() {
        return shell(text, column.profile);
    }
    let text = FUNCTION.replace("BODY", body);
    let tree = CodeTree::single("main.mjs", text.as_bytes()).expect("a tree");
    let program = Program::new(Label::constant("javascript"), tree);
    ExecuteRequest::new(Code::Program(program), *b"null", column.profile)
}

/// A command that succeeds where the program gets what it wants, or statements that throw where it does not.
fn yes_or_no(column: &Column, command: &str, statements: &str) -> Became {
    let body =
        format!("const r = await tried(async () => {{ {statements} }}); return unprepared ?? r;");
    told(column, &request(column, &asking(command), &body))
}

pub(crate) fn asking(command: &str) -> String {
    format!(
        "if {command}; then a=1; else a=0; fi 2>/dev/null; echo \"{{\\\"ok\\\":${{r:-$a}}}}\" >&3"
    )
}

pub(crate) fn told(column: &Column, request: &ExecuteRequest) -> Became {
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
    if column.guest == Guest::Capsule {
        return capsules::control(column);
    }
    let controls = [
        yes_or_no(column, "true", ""),
        yes_or_no(column, "/bin/true", "finish('/bin/true')"),
        yes_or_no(column, "false", "throw 0"),
    ];
    assert_eq!(
        controls,
        [Became::Through, Became::Through, Became::Nothing],
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

/// One that was over before its bound was seen is tried again, and stays longer.
fn fill_disk(column: &Column) -> Became {
    let mut shown = Vec::new();
    let came = PAUSES.into_iter().find_map(|pause| {
        let (became, held) = filled_disk(column, pause);
        let is_as_told = held.enforced == column.sees_disk;
        shown.push(held);
        (is_as_told || became == Became::Through).then_some(became)
    });
    came.unwrap_or_else(|| panic!("{}: {shown:?}", column.name))
}

/// Four times as much as it may have, and what was told of the bound. What was written is by the program's own count.
fn filled_disk(column: &Column, pause: &str) -> (Became, Held) {
    // Deno keeps some of its own there.
    const ALLOWED: i64 = 4 << 20;
    let text = format!(
        r#"dd if=/dev/zero of=/tmp/full bs=65536 count=256 2>/dev/null
        sleep {pause}; echo "{{\"ok\":$(wc -c < /tmp/full)}}" >&3"#
    );
    let body = format!(
        "let written = 0, failed;
        const more = (bytes) => {{ fs.appendFileSync('/tmp/full', bytes); written += bytes.length; }};
        for (let i = 0; i < 256; i++) try {{ more(new Uint8Array(65536)); }} catch (error) {{ failed = error; }}
        await later({pause} * 1000);
        if (written === 0) console.error(String(failed));
        return written;"
    );
    let request = limited(
        request(column, &text, &body),
        &[(Limit::DiskBytes, ALLOWED)],
    );
    let (execution, met) = match ask(column, &request) {
        Ok(execution) => (execution, false),
        Err(RouteError::ResourceLimit {
            limit: Limit::DiskBytes,
            execution,
        }) => (*execution, true),
        Err(error) => panic!("{}: {error}", column.name),
    };
    let held = execution.limits.get(Limit::DiskBytes);
    if met {
        return (Became::Bounded, held);
    }
    let written = String::from_utf8_lossy(execution.value().unwrap_or_default()).into_owned();
    let written: u64 = written.parse().expect("a number");
    assert!(written > 0, "{}: {:?}", column.name, execution.stderr);
    let became = match written <= ALLOWED.unsigned_abs() {
        true => Became::Bounded,
        false => Became::Through,
    };
    (became, held)
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
