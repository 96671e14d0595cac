//! Limits: each holds exactly, and none of them shows in the figures of a run that stays within it.

use tenzik::limits::LimitsAsked;
use tenzik::outcome::Ending;

use crate::support::{Story, capsule, claim, import, with};

/// Capsules whose last instructions stand in places where an engine might not look at its counter.
fn workers() -> Vec<Story> {
    let call = import("input_len");
    vec![
        with("", ""),
        with("", "(result i32) (i32.const 0)"),
        with("", "(result i32) (i32.const 9)"),
        with(
            "",
            "(drop (i32.add (i32.const 1) (i32.const 2))) (drop (i32.const 1)) (drop (i32.const 1))",
        ),
        with(
            "",
            "(local i32) (loop (local.set 0 (i32.add (local.get 0) (i32.const 1))) (br_if 0 (i32.lt_u (local.get 0) (i32.const 99))))",
        ),
        with("(func $f)", "(call $f)"),
        with(
            "(func $f (drop (i32.const 1)))",
            "(call $f) (drop (i32.const 1))",
        ),
        with(
            "",
            "(memory.fill (i32.const 0) (i32.const 1) (i32.const 60000))",
        ),
        with(
            "",
            "(if (i32.eqz (i32.load (i32.const 0))) (then (drop (i32.const 1)) (drop (i32.const 2))))",
        ),
        with(&call, "(drop (call $input_len))"),
        with(
            &call,
            "(drop (call $input_len)) (drop (i32.const 1)) (drop (i32.const 1)) (drop (i32.const 1))",
        ),
        with(
            &import("fail"),
            "(call $fail (i32.const 0) (i32.const 100))",
        ),
        with(
            &import("abort"),
            "(call $abort (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))",
        ),
    ]
}

#[test]
fn the_fuel_used_is_enough_and_one_less_is_not() {
    for story in workers() {
        let (used, ending) = (story.fuel_used(), story.ending());
        for limit in [used, used + 1, used + 2, used * 2, 50_000_000, 999_999_999] {
            let run = story.clone().fuel(limit).run();
            assert_eq!(*run.outcome.ending(), ending, "{used} used of {limit}");
            let usage = run.outcome.usage().expect("not aborted");
            assert_eq!(usage.fuel, used, "whatever the limit");
        }
        for limit in [used - 1, used - 2, used / 2, 1] {
            let run = story.clone().fuel(limit).run();
            assert_eq!(
                *run.outcome.ending(),
                Ending::OutOfFuel,
                "{used} needed, {limit} given"
            );
            let usage = run.outcome.usage().expect("not aborted");
            assert_eq!(usage.fuel, limit, "all of it");
        }
    }
}

/// What starting costs by the table, for a capsule that does nothing else: entering its one function costs ten.
fn idle_fuel(story: &Story) -> u64 {
    story.fuel_used() - 10
}

#[test]
fn starting_costs_what_the_table_says() {
    let idle = |fields: &str, pages: u32| {
        capsule(&format!(
            "(module (memory (export \"memory\") {pages}) {fields} (func $f (export \"run\")))"
        ))
    };
    assert_eq!(idle_fuel(&idle("", 0)), 1_000);
    assert_eq!(idle_fuel(&idle("", 1)), 5_000);
    assert_eq!(idle_fuel(&idle("", 512)), 1_000 + 512 * 4_000);
    assert_eq!(idle_fuel(&idle("(table 10 20 funcref)", 0)), 1_040);
    assert_eq!(idle_fuel(&idle("(table 10000 funcref)", 0)), 41_000);
    assert_eq!(idle_fuel(&idle("(data (i32.const 0) \"12345\")", 1)), 5_005);
    assert_eq!(
        idle_fuel(&idle("(data \"12345\")", 1)),
        5_000,
        "a passive segment is not copied"
    );
    let elements =
        "(table 3 funcref) (elem (i32.const 0) $f $f) (elem (i32.const 0) $f) (elem func $f)";
    assert_eq!(idle_fuel(&idle(elements, 0)), 1_000 + 3 * 4 + 3);
    assert_eq!(
        idle_fuel(&idle("", 1).bytes(&[7; 1000])),
        5_000,
        "bytes are not read"
    );
    let json = with(
        &format!("{} (data (i32.const 0) \"0\")", import("output_write")),
        "(call $output_write (i32.const 0) (i32.const 1))",
    );
    let (one, more) = (json.clone().json("1"), json.json(" [1, 2] "));
    assert_eq!(
        more.fuel_used() - one.fuel_used(),
        7 * 8,
        "white space is read too"
    );
}

#[test]
fn a_run_that_cannot_pay_for_its_start_never_starts() {
    let story = with(&import("input_len"), "(drop (call $input_len))");
    let run = story.fuel(4_999).run();
    assert_eq!(*run.outcome.ending(), Ending::OutOfFuel);
    let usage = run.outcome.usage().expect("not aborted");
    assert_eq!((usage.fuel, usage.memory_pages_peak), (4_999, 0));
    assert_eq!(usage.calls().count(), 0);
}

fn asked(limits: LimitsAsked, story: &Story) -> String {
    story.clone().limits(limits).said()
}

#[test]
fn output_is_cut_off_beyond_its_limit_and_not_at_it() {
    let writes = |times: usize| {
        let write = "(call $output_write (i32.const 0) (i32.const 10))";
        with(&import("output_write"), &write.repeat(times))
    };
    let limit = |output_bytes| LimitsAsked {
        output_bytes: Some(output_bytes),
        ..LimitsAsked::default()
    };
    assert_eq!(asked(limit(30), &writes(3)), "ok");
    assert_eq!(asked(limit(29), &writes(3)), "output_too_large");
    assert_eq!(asked(limit(30), &writes(4)), "output_too_large");
    let run = writes(4).limits(limit(30)).run();
    assert_eq!(claim(&run).output, None, "none of it is handed out");
    let calls: Vec<_> = run.outcome.usage().expect("not aborted").calls().collect();
    assert_eq!(calls, [("output_write", 4)]);
}

#[test]
fn host_calls_are_counted_over_all_functions_the_failing_one_included() {
    let before = [import("input_len"), import("time_now_ms")].concat();
    let story = with(
        &before,
        "(drop (call $input_len)) (drop (call $time_now_ms)) (drop (call $input_len)) (drop (call $time_now_ms))",
    );
    let limit = |host_calls| LimitsAsked {
        host_calls: Some(host_calls),
        ..LimitsAsked::default()
    };
    assert_eq!(asked(limit(4), &story), "ok");
    let run = story.limits(limit(3)).run();
    assert_eq!(*run.outcome.ending(), Ending::TooManyCalls);
    let calls: Vec<_> = run.outcome.usage().expect("not aborted").calls().collect();
    assert_eq!(calls, [("input_len", 2), ("time_now_ms", 2)]);
    let trapping = with(&import("output_num"), "(call $output_num (f64.const nan))");
    let run = trapping.run();
    let calls: Vec<_> = run.outcome.usage().expect("not aborted").calls().collect();
    assert_eq!(calls, [("output_num", 1)], "a call that traps is counted");
}

/// Grows by so many pages, and fails with what that gave, in pages.
fn grows(memory: &str, pages: u32) -> Story {
    capsule(&format!(
        "(module (memory (export \"memory\") {memory})
          (func (export \"run\") (result i32) (memory.grow (i32.const {pages}))))"
    ))
}

fn grown(story: &Story, memory_pages: u32) -> (Ending, u32) {
    let run = story
        .clone()
        .limits(LimitsAsked {
            memory_pages: Some(memory_pages),
            ..LimitsAsked::default()
        })
        .run();
    let peak = run.outcome.usage().expect("not aborted").memory_pages_peak;
    (run.outcome.ending().clone(), peak)
}

#[test]
fn memory_grows_up_to_its_limit_and_then_says_so() {
    assert_eq!(grown(&grows("1", 0), 1), (Ending::Exited(1), 1));
    assert_eq!(grown(&grows("1", 9), 10), (Ending::Exited(1), 10));
    assert_eq!(
        grown(&grows("1", 10), 10),
        (Ending::Exited(-1), 1),
        "and the peak is the true one"
    );
    assert_eq!(grown(&grows("1", 65_535), 512), (Ending::Exited(-1), 1));
    assert_eq!(grown(&grows("1", u32::MAX), 512), (Ending::Exited(-1), 1));
    assert_eq!(grown(&grows("1 3", 2), 512), (Ending::Exited(1), 3));
    assert_eq!(
        grown(&grows("1 3", 3), 512),
        (Ending::Exited(-1), 1),
        "the module's own maximum"
    );
    assert_eq!(grown(&grows("1 65536", 511), 512), (Ending::Exited(1), 512));
    assert_eq!(grown(&grows("1 65536", 512), 512), (Ending::Exited(-1), 1));
}

#[test]
fn a_refused_growth_changes_nothing() {
    let story = capsule(
        "(module (memory (export \"memory\") 2 4) (func (export \"run\") (result i32)
          (drop (memory.grow (i32.const 1))) (drop (memory.grow (i32.const 9))) (memory.size)))",
    );
    assert_eq!(grown(&story, 512), (Ending::Exited(3), 3));
    assert_eq!(grown(&story, 2), (Ending::Exited(2), 2));
}

#[test]
fn how_the_engine_copies_segments_is_not_seen_in_the_fuel() {
    for fields in [
        "(table 3 funcref) (elem func $f)",
        "(table 3 funcref) (elem func $f) (data \"passive\")",
        "(data (i32.const 0) \"a\") (data (i32.const 6500000) \"b\") (table 1 funcref) (elem func $f)",
    ] {
        let story = capsule(&format!(
            "(module (memory (export \"memory\") 100) {fields} (func $f (export \"run\")))"
        ));
        let (slots, bytes) = (
            fields.matches("(table 3").count() as u64 * 3,
            fields.matches("(i32").count() as u64,
        );
        let slots = slots + fields.matches("(table 1").count() as u64;
        assert_eq!(idle_fuel(&story), 401_000 + 4 * slots + bytes, "{fields}");
        let used = story.fuel_used();
        assert_eq!(story.clone().fuel(used).said(), "ok");
        assert_eq!(story.fuel(used - 1).said(), "out_of_fuel");
    }
}

/// The check of a JSON output is host work like any other, and is paid for before it is done.
#[test]
fn a_json_output_pays_for_its_check() {
    let output = "(call $output_write (i32.const 0) (i32.const 5))";
    let before = format!("{} (data (i32.const 0) \"[1,2]\")", import("output_write"));
    let json = with(&before, output).json("1");
    let bytes = with(&before, output).bytes(b"1");
    assert_eq!(json.fuel_used(), bytes.fuel_used() + 8 + 5 * 8);
    let used = json.fuel_used();
    assert_eq!(json.clone().fuel(used).said(), "ok");
    assert_eq!(json.fuel(used - 1).said(), "out_of_fuel");
}
