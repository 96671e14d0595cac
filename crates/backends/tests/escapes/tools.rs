//! Attempts at the gateway: to call with a guessed token, to call too often, to have answers pile up.
//!
//! Each is made once as it is allowed, so that what holds the attempt is the gateway and no mistake of the program's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tenzik::gateway::{ToolGateway, ToolId, direct};
use tenzik::router::{Code, ExecuteRequest, Execution, Limit};

use crate::attempts::{Became, ask, request};
use crate::columns::Column;
use crate::common::{CALLS, limited, tools};

/// A shell that has said `hello`.
const HELLO: &str = r#"
read -r greeting <&4
token=$(printf '%s' "$greeting" | sed 's/.*"token":"\([0-9a-f]*\)".*/\1/')
printf '{"hello":{"version":1,"token":"%s"}}\n' "$token" >&4
"#;
/// A function that has `say`, which writes where the worker does, and `line`, a call of a tool as the worker wrote it, with the
/// token of this run: the worker's lines go by `subarray` of their bytes.
const OVERHEARD: &str = r#"
let line;
const before = Uint8Array.prototype.subarray;
Uint8Array.prototype.subarray = function (...given) {
    const text = new TextDecoder().decode(this);
    if (/^[0-9a-f]{32} tools /.test(text)) line = text;
    return before.apply(this, given);
};
await tools.search_tools('', 1000);
Uint8Array.prototype.subarray = before;
const way = globalThis.Deno ? Deno.openSync('/dev/fd/3', { write: true, read: false }) : undefined;
const encoder = new TextEncoder();
const say = (text) => way ? way.writeSync(encoder.encode(text)) : fs.writeSync(3, text);
"#;
/// Bytes of one answer to [`read_no_answers`].
const ANSWER_BYTES: usize = 16 << 10;
/// More answers than everything between a gateway and a program holds together, which is some 2 MiB.
const ANSWERS_MAX: usize = 300;

pub(crate) fn guess_token(column: &Column) -> Became {
    let own = [300, 3_000, 12_000]
        .into_iter()
        .any(|pause_ms| called_with(column, None, pause_ms) == 1);
    assert!(own, "{}: its own token is of no use", column.name);
    match called_with(column, Some("0"), 300) {
        0 => Became::Nothing,
        _ => Became::Through,
    }
}

/// How often a tool was called by a program with the token of its run, or with one of this digit alone.
fn called_with(column: &Column, digit: Option<&str>, pause_ms: u32) -> u32 {
    let called = Arc::new(AtomicU32::new(0));
    let token = match digit {
        None => "line.slice(0, 32)".to_owned(),
        Some(digit) => format!("'{digit}'.repeat(32)"),
    };
    let body = format!(
        r#"{OVERHEARD}
        say(`${{{token}}} tools {{"call":{{"id":999,"request":{{"run_tool":{{"tool":"text:echo","arguments":{{}}}}}}}}}}\n`);
        await later({pause_ms});
        return 1;"#
    );
    let mut request = request(column, CALLS, &body);
    request.gateway = Some(tools(&called));
    if let (Code::Program(program), Some(digit)) = (&mut request.code, digit) {
        let guess = digit.repeat(64);
        program.environment.insert("GUESS".to_owned(), guess);
    }
    // Whatever it makes of the refusal.
    drop(ask(column, &request));
    called.load(Ordering::SeqCst)
}

/// A chain that is too long, one that is not, and more calls than it has.
pub(crate) fn flood_gateway(column: &Column) -> Became {
    let called = Arc::new(AtomicU32::new(0));
    let text = format!(
        r#"{HELLO}
step='{{"tool":"text:echo","arguments":{{}}}}'
printf '{{"call":{{"id":100,"request":{{"run_chain":{{"steps":[%s,%s,%s]}}}}}}}}\n' $step $step $step >&4
read -r answer <&4
printf '{{"call":{{"id":101,"request":{{"run_chain":{{"steps":[%s,%s]}}}}}}}}\n' $step $step >&4
read -r answer <&4
i=0; while [ $i -lt 40 ]; do
  printf '{{"call":{{"id":%s,"request":{{"run_tool":{{"tool":"text:echo","arguments":{{}}}}}}}}}}\n' $i >&4
  read -r answer <&4; i=$((i+1))
done
echo '{{"ok":1}}' >&3
"#
    );
    let body = "
        const step = { tool: 'text:echo', arguments: {} };
        await tried(() => tools.run_chain([step, step, step]));
        await tried(() => tools.run_chain([step, step]));
        for (let i = 0; i < 40; i++) await tried(() => tools.run_tool('text:echo', {}));
        return 1;";
    let limits = [(Limit::ChainSteps, 2), (Limit::ToolCalls, 3)];
    let mut request = limited(request(column, &text, body), &limits);
    request.gateway = Some(tools(&called));
    let execution = ask(column, &request).expect("a result");
    let name = column.name;
    for (limit, _) in limits {
        assert!(execution.limits.get(limit).enforced, "{name}: {limit:?}");
    }
    let told = execution.transcript.as_str();
    assert!(
        told.contains("the limit chain_steps is 2"),
        "{name}: {told}"
    );
    assert_eq!(execution.tool_calls, 3, "{name}");
    assert_eq!(execution.transcript.len(), 42, "{name}");
    match called.load(Ordering::SeqCst) {
        3 => Became::Bounded,
        _ => Became::Through,
    }
}

/// Discovery is not counted, so nothing holds it but the bound on answers under way. A program that reads each answer shows how
/// long so many take with a process for each. One that reads none has as long, without any.
pub(crate) fn read_no_answers(column: &Column) -> Became {
    let call =
        r#"printf '{"call":{"id":%s,"request":{"search_tools":{"query":"","limit":1}}}}\n' $i >&4"#;
    let reads = (
        format!(
            "{HELLO} i=0; while [ $i -lt {ANSWERS_MAX} ]; do {call}; head -n 1 <&4 >/dev/null; i=$((i+1)); done
            echo '{{\"ok\":1}}' >&3"
        ),
        format!("for (let i = 0; i < {ANSWERS_MAX}; i++) await tools.search_tools('', 1); return 1;"),
    );
    let reader = with_long_answers(request(column, &reads.0, &reads.1), 100_000);
    let read = ask(column, &reader).expect("a result");
    assert!(read.transcript.len() >= ANSWERS_MAX, "{}", column.name);

    // It does not wait for anything, so the worker's own script never gets to read.
    let floods = (
        format!("{HELLO} trap '' PIPE; i=0; while :; do {call}; i=$((i+1)); done 2>/dev/null"),
        format!(
            "{OVERHEARD}
            for (let id = 1000; ; id++) {{ try {{ say(line.replace(/\"id\":\\d+/, `\"id\":${{id}}`)); }} catch {{}} }}"
        ),
    );
    let wall_ms = i64::try_from(read.wall.as_millis()).expect("some seconds");
    let flood = with_long_answers(request(column, &floods.0, &floods.1), wall_ms.max(3_000));
    let ended = ask(column, &flood).expect_err("it has no end of its own");
    let execution: &Execution = ended.execution().expect("it ran");
    let answers = execution.transcript.len();
    assert!(
        answers > 0,
        "{}: it asked for nothing: {ended}",
        column.name
    );
    match answers < ANSWERS_MAX {
        true => Became::Bounded,
        false => Became::Through,
    }
}

fn with_long_answers(request: ExecuteRequest, wall_ms: i64) -> ExecuteRequest {
    let id = ToolId::new("text:long").expect("an id");
    let tool = direct::Tool::new(id, "x".repeat(ANSWER_BYTES), |given, _| Ok(given.clone()));
    let gateway: Arc<dyn ToolGateway> = Arc::new(direct::Direct::new([tool]).expect("a tool"));
    let limits = [(Limit::WallMs, wall_ms), (Limit::CpuMs, 200_000)];
    let mut request = limited(request, &limits);
    request.gateway = Some(gateway);
    request
}
