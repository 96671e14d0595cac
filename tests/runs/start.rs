//! Start functions: metered, with memory and host functions in reach, and able to end a run like any other code.

use crate::support::{capsule, import};

fn starting(start: &str, run: &str) -> crate::support::Story {
    capsule(&format!(
        "(module {} {} {} (memory (export \"memory\") 1) (data (i32.const 0) \"ab\") (global $seen (mut i32) (i32.const 0))
          (start $start) (func $start {start}) (func (export \"run\") {run}))",
        import("output_write"),
        import("hash_commit"),
        import("fail"),
    ))
}

#[test]
fn it_sees_memory_and_host_functions_and_leaves_its_traces() {
    let story = starting(
        "(i32.store8 (i32.const 1) (i32.const 0x63)) (global.set $seen (i32.const 1))
         (call $output_write (i32.const 0) (i32.const 2))",
        "(if (i32.eqz (global.get $seen)) (then unreachable)) (call $output_write (i32.const 0) (i32.const 2))",
    );
    assert_eq!(story.output(), b"acac");
    let run = story.run();
    let calls: Vec<_> = run.outcome.usage().expect("not aborted").calls().collect();
    assert_eq!(calls, [("output_write", 2)]);
}

#[test]
fn it_is_paid_for() {
    let idle = starting("", "").fuel_used();
    let busy = starting("(drop (call $hash_commit (i32.const 0) (i32.const 2)))", "").fuel_used();
    assert!(
        busy - idle > 500 + 8 && busy - idle < 500 + 8 + 10,
        "{idle} {busy}"
    );
    assert_eq!(
        starting("(loop (br 0))", "").fuel(1_000_000).said(),
        "out_of_fuel"
    );
}

#[test]
fn it_can_end_the_run() {
    let never = "(call $output_write (i32.const 0) (i32.const 2)) unreachable";
    for (start, expected) in [
        ("unreachable", "trapped unreachable"),
        ("(drop (i32.load (i32.const 65536)))", "trapped memory"),
        (
            "(drop (i32.div_s (i32.const -2147483648) (i32.const -1)))",
            "trapped integer_overflow",
        ),
        (
            "(drop (i32.trunc_f64_s (f64.const 1e99)))",
            "trapped conversion",
        ),
        (
            "(call $output_write (i32.const -1) (i32.const 1))",
            "trapped pointer",
        ),
        ("(call $fail (i32.const 0) (i32.const 2))", "failed fail"),
        ("(call $start)", "out_of_stack"),
    ] {
        assert_eq!(
            starting(start, never).fuel(900_000_000).said(),
            expected,
            "{start}"
        );
    }
}
