//! The interpreter by itself, with modules written by hand that have what metering adds.
//!
//! That it agrees with the other engine is seen in `tests/`, with modules that were metered.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::*;
use crate::execution::ended::Ended;
use crate::execution::host::Host;
use crate::limits::Limits;
use crate::outcome::{AbortCode, Ending, Request, TrapCode};
use crate::validation::TextEncoding;

/// The start-up price of every run here.
const STARTUP: u64 = 1_000;

/// A module that has the counters, `before`, and a `run` of this body.
fn module(before: &str, run: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
          (import "tenzik_v1" "fail" (func $fail (param i32 i32)))
          (import "tenzik_v1" "output_write" (func $output_write (param i32 i32)))
          (memory (export "memory") 1 4) (table 2 funcref)
          (global $fuel (export "tenzik:fuel") (mut i64) (i64.const 0))
          (global $stack (export "tenzik:stack") (mut i64) (i64.const 0))
          (global $exit (export "tenzik:exit") (mut i32) (i32.const 0))
          (global $pages (export "tenzik:pages") (mut i64) (i64.const 0))
          {before} (func (export "run") {run}))"#
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn prepared(before: &str, run: &str) -> Interpreted {
    let prepared = Interpreter::new().prepare(&module(before, run));
    prepared.unwrap_or_else(|error| panic!("{error}"))
}

fn host(limits: Limits) -> Host {
    let request = Request::bytes(&b""[..]);
    let deadline = Instant::now() + Duration::from_millis(limits.time_ms.into());
    Host::new(&request, None, TextEncoding::Utf8, limits, deadline)
}

/// Runs with time enough for a machine that is busy.
fn run(before: &str, run: &str) -> Ended {
    let limits = Limits {
        time_ms: 600_000,
        ..Limits::DEFAULT
    };
    let go_on = &mut || ControlFlow::Continue(());
    prepared(before, run).run(host(limits), STARTUP, go_on)
}

fn ending(body: &str) -> Ending {
    run("", body).ending
}

#[test]
fn its_name_is_that_of_the_lock_file() {
    let entry = ENGINE.as_str().replace(' ', "\"\nversion = \"");
    let lock = include_str!("../../../Cargo.lock");
    assert!(
        lock.contains(&format!("name = \"{entry}\"")),
        "the lock file has another"
    );
}

#[test]
fn what_the_module_says_of_a_trap_is_its_ending() {
    let said =
        |exit: i32, trap: &str| ending(&format!("(global.set $exit (i32.const {exit})) {trap}"));
    assert_eq!(
        said(0, "unreachable"),
        Ending::Trapped(TrapCode::Unreachable)
    );
    assert_eq!(said(1, "unreachable"), Ending::OutOfFuel);
    assert_eq!(said(2, "unreachable"), Ending::OutOfStack);
    let refused = Ending::Aborted(AbortCode::MemoryRefused);
    assert_eq!(said(3, "unreachable"), refused);
    for truncated in ["nan", "inf", "1e10"] {
        let truncation = format!("(drop (i32.trunc_f64_s (f64.const {truncated})))");
        assert_eq!(said(4, &truncation), Ending::Trapped(TrapCode::Conversion));
    }
    let own = said(4, "(call $fail (i32.const 65536) (i32.const 1))");
    assert_eq!(
        own,
        Ending::Trapped(TrapCode::Pointer),
        "a host function's word counts more"
    );
}

#[test]
fn the_interpreter_has_each_trap_of_the_instructions() {
    for (body, code) in [
        ("(drop (i32.load (i32.const 65533)))", TrapCode::Memory),
        ("(call_indirect (i32.const 2))", TrapCode::Table),
        ("(call_indirect (i32.const 1))", TrapCode::IndirectCall),
        (
            "(drop (i32.div_s (i32.const 1) (i32.const 0)))",
            TrapCode::DivideByZero,
        ),
        (
            "(drop (i64.div_s (i64.const 0x8000000000000000) (i64.const -1)))",
            TrapCode::IntegerOverflow,
        ),
    ] {
        assert_eq!(ending(body), Ending::Trapped(code), "{body}");
    }
}

#[test]
fn fuel_is_what_the_module_leaves_and_what_the_host_takes() {
    let spend = "(global.set $fuel (i64.sub (global.get $fuel) (i64.const 70)))";
    let left = Limits::DEFAULT.fuel - STARTUP;
    assert_eq!(run("", spend).fuel_left, left - 70);
    let failed = run(
        "",
        &format!("{spend} (call $fail (i32.const 0) (i32.const 9))"),
    );
    assert_eq!(failed.ending, Ending::Failed("\0".repeat(9)));
    assert_eq!(failed.fuel_left, left - 70 - 59, "50 and 1 a byte");
    let overdrawn = run(
        "",
        "(global.set $fuel (i64.const -1)) (call $output_write (i32.const 0) (i32.const 0))",
    );
    assert_eq!(
        (overdrawn.ending, overdrawn.host.calls_total),
        (Ending::OutOfFuel, 1)
    );
    assert_eq!(
        run("", "(global.set $fuel (i64.const -1))").ending,
        Ending::OutOfFuel
    );
    assert_eq!(
        run("", "(global.set $fuel (i64.const 0))").ending,
        Ending::Ok(Vec::new())
    );
}

#[test]
fn a_start_that_is_not_paid_for_has_no_memory() {
    let limits = Limits {
        fuel: STARTUP - 1,
        ..Limits::DEFAULT
    };
    let ended = prepared("", "unreachable").run(host(limits), STARTUP, &mut || panic!("no slice"));
    assert_eq!(
        (ended.ending, ended.memory_pages_peak),
        (Ending::OutOfFuel, 0)
    );
}

#[test]
fn the_start_function_runs_first_and_counters_hold_limits() {
    let start = r#"(func (export "tenzik:start") (i64.store (i32.const 0) (global.get $stack))
        (i64.store (i32.const 8) (global.get $pages)) (i64.store (i32.const 16) (global.get $fuel)))"#;
    let ended = run(start, "(call $output_write (i32.const 0) (i32.const 24))");
    let expected = [
        u64::from(STACK_UNITS_MAX),
        4,
        Limits::DEFAULT.fuel - STARTUP,
    ];
    assert_eq!(
        ended.ending,
        Ending::Ok(expected.map(u64::to_le_bytes).concat())
    );
    assert_eq!(ended.memory_pages_peak, 1);
    let grown = run("", "(drop (memory.grow (i32.const 2)))");
    assert_eq!(grown.memory_pages_peak, 3);
}

#[test]
fn a_module_that_does_not_count_is_not_taken() {
    let bytes = wat::parse_str(r#"(module (memory (export "memory") 1) (func (export "run")))"#);
    let refused = Interpreter::new().prepare(&bytes.expect("well formed"));
    assert!(refused.is_err());
}

#[test]
fn a_run_is_stopped_by_the_clock_and_by_its_caller() {
    let endless = prepared("", "(loop (br 0))");
    let limits = Limits {
        time_ms: 50,
        ..Limits::DEFAULT
    };
    let started = Instant::now();
    let ended = endless.run(host(limits), STARTUP, &mut || ControlFlow::Continue(()));
    assert_eq!(ended.ending, Ending::Aborted(AbortCode::TimeLimit));
    assert!(started.elapsed() >= Duration::from_millis(50));
    assert!(
        started.elapsed() < Duration::from_secs(60),
        "{:?}",
        started.elapsed()
    );
    let mut asked = 0;
    let ended = endless.run(host(Limits::DEFAULT), STARTUP, &mut || {
        asked += 1;
        match asked {
            3 => ControlFlow::Break(Exit::HostFailure),
            _ => ControlFlow::Continue(()),
        }
    });
    assert_eq!(ended.ending, Ending::Aborted(AbortCode::HostFailure));
}

/// Calls, jumps, bulk operators and growth, each of which is left and taken up again somewhere in the middle.
const KERNEL: &str = r#"(result i32) (local $i i32) (local $f f64) (local $sum i64)
    (loop $again
      (local.set $f (f64.add (local.get $f) (f64.sqrt (f64.convert_i32_u (local.get $i)))))
      (memory.fill (i32.const 100) (local.get $i) (i32.const 5000))
      (memory.copy (i32.const 3000) (i32.const 100) (i32.const 5000))
      (if (i32.eq (i32.rem_u (local.get $i) (i32.const 30)) (i32.const 15))
        (then (drop (memory.grow (i32.and (local.get $i) (i32.const 1))))))
      (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (call $pick (local.get $i))))
      (local.set $sum (i64.xor (local.get $sum) (i64.load (i32.add (i32.const 7990) (local.get $i)))))
      (br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 90))))
    (i64.store (i32.const 0) (i64.xor (local.get $sum) (i64.reinterpret_f64 (local.get $f))))
    (call $output_write (i32.const 0) (i32.const 8)) (i32.const 0)"#;

const PICK: &str = "(func $pick (param i32) (result i64)
    (block $two (result i64 i64) (block $one (result i64 i64)
      (br_table $one $two $one (i64.const 3) (i64.const 5) (i32.rem_u (local.get 0) (i32.const 3))))
      (i64.const 7) (br $two)) (i64.mul)
    (if (result i64) (i32.lt_u (local.get 0) (i32.const 2)) (then (i64.const 1))
      (else (call $pick (i32.div_u (local.get 0) (i32.const 2))))) (i64.add))";

#[test]
fn where_a_run_is_cut_cannot_be_seen() {
    let cut = |slice_fuel| {
        let mut interpreter = Interpreter::new();
        interpreter.slice_fuel = slice_fuel;
        let prepared = interpreter
            .prepare(&module(PICK, KERNEL))
            .expect("it compiles");
        let mut slices = 0;
        let ended = prepared.run(
            host(Limits {
                time_ms: 600_000,
                ..Limits::DEFAULT
            }),
            STARTUP,
            &mut || {
                slices += 1;
                ControlFlow::Continue(())
            },
        );
        ((ended.ending, ended.memory_pages_peak), slices)
    };
    let (whole, slices) = cut(u64::MAX);
    assert!(matches!(whole, (Ending::Ok(_), 4)), "{whole:?}");
    assert_eq!(slices, 0);
    for slice_fuel in [1, 2, 3, 7, 50, 1_000] {
        let (cut, slices) = cut(slice_fuel);
        assert_eq!(cut, whole, "slices of {slice_fuel}");
        assert!(slices > 5);
    }
}

/// A function that calls itself so often, with so many locals and so many values on its stack at the call.
fn deep(locals: u32, height: u32) -> String {
    let values =
        "(i64.add (local.get $v) (i64.extend_i32_u (local.get $n)))".repeat(height as usize);
    let drops = "(drop)".repeat(height as usize);
    let locals = "i64 ".repeat(locals as usize);
    format!(
        "(func $down (param $n i32) (local $v i64) (local {locals})
          (if (local.get $n) (then {values} (call $down (i32.sub (local.get $n) (i32.const 1))) {drops})))"
    )
}

/// Depth is limited by the module's count alone: no frames that 32,768 units allow meet a limit of the interpreter.
#[test]
fn as_deep_as_the_units_allow_there_is_room() {
    for (locals, height) in [
        (0, 0),
        (0, 6),
        (3, 0),
        (30, 2),
        (300, 300),
        (0, 1_020),
        (1_998, 0),
        (1_998, 1_020),
    ] {
        let units = FRAME + locals + height;
        // The parameter, $v and the operands of the call are not counted, so these are more frames than there can be.
        // The last is that for which there is no stack, and one more is `run`.
        let frames = STACK_UNITS_MAX / units + 1;
        let ended = run(
            &deep(locals, height),
            &format!("(call $down (i32.const {frames}))"),
        );
        assert_eq!(
            ended.ending,
            Ending::Ok(Vec::new()),
            "{locals} locals, {height} values"
        );
    }
}

#[test]
fn depth_that_nobody_counts_is_stopped_all_the_same() {
    for (locals, height) in [(0, 0), (1_998, 1_020)] {
        let ended = run(&deep(locals, height), "(call $down (i32.const 1000000))");
        assert_eq!(ended.ending, Ending::Aborted(AbortCode::NativeStack));
    }
}

/// wasmi 2.0.0 left something on the native stack at each growth.
#[test]
fn growing_often_takes_no_native_stack() {
    let body = "(local i32) (loop (drop (memory.grow (local.get 0)))
        (local.set 0 (i32.const 0)) (global.set $fuel (i64.sub (global.get $fuel) (i64.const 1)))
        (br_if 0 (i64.gt_s (global.get $fuel) (i64.const 49000000))))";
    let mut interpreter = Interpreter::new();
    interpreter.slice_fuel = u64::MAX;
    let prepared = interpreter.prepare(&module("", body)).expect("it compiles");
    let limits = Limits {
        time_ms: 600_000,
        ..Limits::DEFAULT
    };
    let ended = prepared.run(host(limits), STARTUP, &mut || ControlFlow::Continue(()));
    assert_eq!(ended.ending, Ending::Ok(Vec::new()));
}
