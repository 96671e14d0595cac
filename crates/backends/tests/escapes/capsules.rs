//! The same attempts as capsules, on the capsule path.
//!
//! Most of them need a function of the system's. A capsule has none but those of its ABI: one that imports another is refused by
//! validation, before anything of it runs, and that is what is asked for here by name.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tenzik::capability::{Capability, Grants};
use tenzik::pipeline::{Refusal, RunError};
use tenzik::router::{Capsule, Code, ExecuteRequest, Execution, Limit, RouteError};
use tenzik::sandbox::BindError;

use crate::attempts::{Attempt, Became, ask};
use crate::columns::Column;
use crate::common::{limited, tools};

/// A page of memory.
const PAGE_BYTES: i64 = 65_536;
/// So much fuel that a clock is met first.
const FUEL: u64 = 1_000_000_000_000;

const WASI: &str = "wasi_snapshot_preview1";
const IMPORT_TOOLS: &str =
    r#"(import "tenzik_v1" "tool_call" (func $call (param i32 i32 i32 i32) (result i32)))"#;
const CALL: &str = "(drop (call $call (i32.const 0) (i32.const 9) (i32.const 9) (i32.const 2)))";
const OUTPUT_ONE: &str = "(call $output (f64.const 1))";

pub(crate) fn became(attempt: Attempt, column: &Column) -> Became {
    match attempt {
        Attempt::ReadHostFile => without(column, WASI, "path_open"),
        Attempt::WriteHostFile | Attempt::FillDisk | Attempt::ForgeResult => {
            without(column, WASI, "fd_write")
        }
        Attempt::SeeHostProcess => without(column, WASI, "environ_get"),
        Attempt::ReachNetwork => without(column, WASI, "sock_send"),
        Attempt::ExecuteDropped => without(column, "env", "execve"),
        Attempt::Trace => trace(column),
        Attempt::Mount => without(column, "env", "mount"),
        Attempt::ForkBomb | Attempt::LeaveChildren => without(column, "wasi", "thread-spawn"),
        Attempt::FillMemory => fill_memory(column),
        Attempt::BurnProcessor => never_ends(column, Limit::CpuMs),
        Attempt::IgnoreSignals => never_ends(column, Limit::WallMs),
        Attempt::FloodOutput => flood_output(column),
        Attempt::GuessToken => without_grant(column),
        Attempt::FloodGateway | Attempt::ReadNoAnswers => flood_gateway(column),
    }
}

/// That a capsule which ends well is seen to, and one that does not.
pub(crate) fn control(column: &Column) {
    let well = ask(column, &request(column, "", OUTPUT_ONE));
    assert_eq!(well.expect("a result").value(), Some(&b"1"[..]));
    let trapped = ask(column, &request(column, "", "unreachable"));
    assert!(matches!(trapped, Err(RouteError::Failed { .. })));
}

/// A capsule with this import and whose `run` has this body, granted nothing. Its memory has a tool's id and arguments.
fn request(column: &Column, import: &str, body: &str) -> ExecuteRequest {
    let text = format!(
        r#"(module {import}
            (import "tenzik_v1" "output_num" (func $output (param f64)))
            (memory (export "memory") 1)
            (data (i32.const 0) "text:echo{{}}")
            (func (export "run") {body}))"#
    );
    let mut capsule = Capsule::new(wat::parse_str(&text).expect("it is well formed"));
    capsule.fuel = Some(FUEL);
    ExecuteRequest::new(Code::Capsule(capsule), *b"null", column.profile)
}

/// One that imports this function is refused by validation.
fn without(column: &Column, module: &str, name: &str) -> Became {
    let import = format!(r#"(import "{module}" "{name}" (func (param i32 i32) (result i32)))"#);
    let Err(RouteError::Capsule(error)) = ask(column, &request(column, &import, OUTPUT_ONE)) else {
        return Became::Through;
    };
    let refused = matches!(
        &*error,
        RunError::Refused {
            refusal: Refusal::Validation(_),
            ..
        }
    );
    assert!(refused && error.to_string().contains(name), "{error}");
    Became::Nothing
}

/// No such function, and nothing beside its own memory.
fn trace(column: &Column) -> Became {
    let body = "(call $output (f64.convert_i32_u (i32.load (i32.const 65536))))";
    match ask(column, &request(column, "", body)) {
        Err(RouteError::Failed { code, .. }) if code.as_str() == "memory" => {
            without(column, "env", "ptrace")
        }
        Err(error) => panic!("{error}"),
        Ok(_) => Became::Through,
    }
}

/// It grows until it may not, and tells how many pages it has then.
fn fill_memory(column: &Column) -> Became {
    let body = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (call $output (f64.convert_i32_u (memory.size)))";
    let limits = [(Limit::MemoryBytes, 16 * PAGE_BYTES)];
    let execution = ask(column, &limited(request(column, "", body), &limits)).expect("a result");
    enforced(&execution, Limit::MemoryBytes);
    match execution.value() {
        Some(b"16") => Became::Bounded,
        other => panic!("{other:?}"),
    }
}

fn never_ends(column: &Column, limit: Limit) -> Became {
    let request = limited(request(column, "", "(loop $on (br $on))"), &[(limit, 300)]);
    // A capsule has one thread, so its clock is the bound on both.
    let Err(RouteError::Timeout {
        execution,
        allowed_ms: 300,
    }) = ask(column, &request)
    else {
        return Became::Through;
    };
    enforced(&execution, limit);
    Became::Bounded
}

fn flood_output(column: &Column) -> Became {
    let request = request(
        column,
        "",
        "(loop $on (call $output (f64.const 1e20)) (br $on))",
    );
    let request = limited(request, &[(Limit::OutputBytes, 100_000)]);
    let Err(RouteError::ResourceLimit {
        limit: Limit::OutputBytes,
        execution,
    }) = ask(column, &request)
    else {
        return Became::Through;
    };
    enforced(&execution, Limit::OutputBytes);
    Became::Bounded
}

/// A capsule has no token: what it may call it was granted, or it is not begun.
fn without_grant(column: &Column) -> Became {
    let called = Arc::new(AtomicU32::new(0));
    let mut request = request(column, IMPORT_TOOLS, CALL);
    request.gateway = Some(tools(&called));
    let Err(RouteError::Capsule(error)) = ask(column, &request) else {
        return Became::Through;
    };
    let refused = matches!(
        &*error,
        RunError::Refused {
            refusal: Refusal::Binding(BindError::MissingGrant { .. }),
            ..
        }
    );
    assert!(refused, "{error}");
    Became::Nothing
}

/// It calls and reads nothing of what is answered. Each answer takes the place of the one before.
fn flood_gateway(column: &Column) -> Became {
    let called = Arc::new(AtomicU32::new(0));
    let body = format!(
        "(local $i i32)
        (loop $on
            {CALL}
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $on (i32.lt_u (local.get $i) (i32.const 40))))
        {OUTPUT_ONE}"
    );
    let request = request(column, IMPORT_TOOLS, &body);
    let mut request = limited(request, &[(Limit::ToolCalls, 3)]);
    if let Code::Capsule(capsule) = &mut request.code {
        capsule.grants = Grants::from(Capability::Tools);
    }
    request.gateway = Some(tools(&called));
    let execution = ask(column, &request).expect("a result");
    enforced(&execution, Limit::ToolCalls);
    match (called.load(Ordering::SeqCst), execution.tool_calls) {
        (3, 3) => Became::Bounded,
        _ => Became::Through,
    }
}

fn enforced(execution: &Execution, limit: Limit) {
    let held = execution.limits.get(limit);
    assert!(held.enforced, "{}: {held:?}", limit.name());
}
