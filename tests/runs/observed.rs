//! Runs that are looked at: the same run, and every unit of its fuel is somewhere.
//!
//! Enters: capsules as WebAssembly text. Leaves: observations, held against the outcome of the run on the shared pipeline.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tenzik::config::{RuntimeConfig, SecurityConfig};
use tenzik::execution::{ObserveError, Observer, is_built_for_debugging};
use tenzik::observation::{CALLS_MAX, DEPTH_MAX, NODES_MAX, Observation, Place, TRACES_MAX};
use tenzik::outcome::{Ending, Outcome};
use tenzik::validation::{ValidationConfig, validate};

use crate::common::path;
use crate::support::{Story, capsule, import, lenient, with};

static OBSERVER: LazyLock<Observer> = LazyLock::new(|| {
    let security = SecurityConfig {
        enable_debugging: true,
        ..lenient()
    };
    Observer::new(&security, &RuntimeConfig::development()).expect("an engine")
});

/// Runs, then looks. The fuel is all there, each part once.
fn observed(story: &Story) -> (Outcome, Observation) {
    let outcome = story.run().outcome;
    let seen = OBSERVER.observe(&story.0, &outcome);
    let seen = seen.unwrap_or_else(|error| panic!("{error}"));
    let is_exact = matches!(outcome.status().name(), "ok" | "failed");
    if is_exact {
        let fuel = outcome.usage().expect("it is no abort").fuel;
        assert_eq!(seen.fuel(), fuel, "{:?}", seen.nodes);
    }
    let parents = seen.nodes.iter().enumerate();
    assert!(parents.clone().all(|(at, node)| node.parent < Some(at)));
    (outcome, seen)
}

/// The fuel of all nodes of a place.
fn fuel_of(seen: &Observation, place: Place) -> u64 {
    let of = seen.nodes.iter().filter(|node| node.place == place);
    of.map(|node| node.fuel).sum()
}

fn functions(seen: &Observation) -> Vec<u32> {
    seen.frames.iter().map(|frame| frame.function).collect()
}

/// The byte of a capsule at which a frame was.
fn byte(story: &Story, seen: &Observation, frame: usize) -> u8 {
    story.0.capsule[seen.frames[frame].offset.expect("a place")]
}

const UNREACHABLE: u8 = 0x00;
const CALL: u8 = 0x10;
const CALL_INDIRECT: u8 = 0x11;
const DIV_S: u8 = 0x6d;

#[test]
fn each_function_has_its_fuel_and_the_host_its_own() {
    let before = format!(
        "{} (func $cheap (nop)) (func $dear (local i32)
          (loop (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 100)))))",
        import("output_write")
    );
    let body = "(call $cheap) (call $dear) (call $cheap) (call $output_write (i32.const 0) (i32.const 10))";
    let (_, seen) = observed(&with(&before, body));
    let [cheap, dear, run] = [1, 2, 3].map(|index| fuel_of(&seen, Place::Function(index)));
    assert!(
        dear > 500 && cheap > 0 && run > 0 && cheap < dear,
        "{seen:?}"
    );
    let calls: Vec<_> = seen.calls.iter().collect();
    let [call] = &calls[..] else {
        panic!("{calls:?}");
    };
    assert_eq!(call.function.import().name, "output_write");
    assert_eq!(call.caller, Some(3));
    assert_eq!(call.fuel, fuel_of(&seen, Place::Host(call.function)));
    assert_eq!(call.arguments, [("ptr", 0.0), ("len", 10.0)]);
    assert_eq!((call.memory[0].bytes, call.ended_run), (10, false));
    assert!(fuel_of(&seen, Place::Start) > 0 && fuel_of(&seen, Place::More) == 0);
    // Called twice from one place, it is one chain.
    let chains = seen
        .nodes
        .iter()
        .filter(|node| node.place == Place::Function(1));
    assert_eq!(chains.count(), 1);
}

#[test]
fn the_check_of_the_output_is_a_place_of_its_own() {
    let (name, text) = (import("output_write"), "[1]");
    let story = with(
        &format!("{name} (data (i32.const 0) \"{text}\")"),
        "(call $output_write (i32.const 0) (i32.const 3))",
    );
    let (_, seen) = observed(&story.json("null"));
    assert!(fuel_of(&seen, Place::Check) > 0, "{seen:?}");
}

#[test]
fn the_capsules_of_this_repository_are_seen_whole() {
    for (name, grants) in [
        ("order-total", "json"),
        ("csv-to-json", "json"),
        ("echo", ""),
    ] {
        let folder = path("capsules").join(name);
        let read = |file: &str| std::fs::read(folder.join(file)).expect("a file");
        let mut story = capsule("(module (memory (export \"memory\") 1) (func (export \"run\")))");
        story.0.capsule = read(&format!("{name}.wasm")).into();
        let input = if name == "csv-to-json" {
            "example.csv"
        } else {
            "example.json"
        };
        let input = read(input);
        let story = match name {
            "csv-to-json" => story.bytes(&input),
            _ => story.json(std::str::from_utf8(&input).expect("text")),
        };
        let (outcome, seen) = observed(&story);
        let usage = outcome.usage().expect("not aborted");
        let calls: u32 = usage.calls().map(|(_, count)| count).sum();
        assert_eq!(seen.calls.len(), calls as usize, "{name} {grants}");
        assert_eq!(outcome.status().name(), "ok", "{name}");
    }
}

#[test]
fn recursion_is_told_apart_to_a_depth_and_counted_beyond_it() {
    let down = "(func $down (param i32) (if (local.get 0)
        (then (call $down (i32.sub (local.get 0) (i32.const 1))))))";
    let deep = |depth: usize| observed(&with(down, &format!("(call $down (i32.const {depth}))"))).1;
    let shallow = deep(10);
    assert_eq!(
        shallow.nodes.len(),
        1 + 1 + 11,
        "the start, `run`, and each call"
    );
    let deeper = deep(2_000);
    assert_eq!(deeper.nodes.len(), 1 + DEPTH_MAX + 1);
    assert!(fuel_of(&deeper, Place::More) > fuel_of(&deeper, Place::Function(0)));
}

#[test]
fn a_stack_as_deep_as_the_units_allow_is_seen_too() {
    let endless =
        "(func $down (param i32) (call $down (i32.add (local.get 0) (i32.const 1))) (nop))";
    let story = with(endless, "(call $down (i32.const 0))");
    let (outcome, seen) = observed(&story);
    assert_eq!(*outcome.ending(), Ending::OutOfStack);
    assert!(seen.frames.iter().take(10).all(|frame| frame.function == 0));
    assert_eq!(seen.frames[0].offset, None, "it had only begun");
    assert_eq!(byte(&story, &seen, 1), CALL);
    // The frames that nothing but locals fills are the largest.
    let large = format!("(func $down (local {}) (call $down))", "i64 ".repeat(1_000));
    let (outcome, _) = observed(&with(&large, "(call $down)"));
    assert_eq!(*outcome.ending(), Ending::OutOfStack);
}

#[test]
fn a_trap_is_where_the_instruction_is_with_the_calls_around_it() {
    let furniture = "(type $t (func (param i32))) (table 2 funcref) (elem (i32.const 1) $divides)
        (func $divides (param i32) (drop (i32.div_s (i32.const 1) (local.get 0))))
        (func $between (param i32) (local i32)
          (loop (br_if 0 (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 9))))
          (call_indirect (type $t) (local.get 0) (i32.const 1)))";
    let story = with(
        furniture,
        "(call $between (i32.const 1)) (call $between (i32.const 0))",
    );
    let (outcome, seen) = observed(&story);
    assert_eq!(outcome.status().name(), "trapped");
    assert_eq!(functions(&seen), [0, 1, 2]);
    let bytes = [0, 1, 2].map(|frame| byte(&story, &seen, frame));
    assert_eq!(bytes, [DIV_S, CALL_INDIRECT, CALL]);
    let limit = outcome.usage().expect("not aborted").fuel;
    assert!(
        seen.fuel() > 0 && seen.fuel() < limit,
        "the claim has the limit"
    );
}

#[test]
fn unreachable_is_told_apart_from_another_in_the_same_function() {
    for choice in [0, 1] {
        let fails =
            "(func $fails (param i32) (if (local.get 0) (then (nop) unreachable)) unreachable)";
        let story = with(fails, &format!("(call $fails (i32.const {choice}))"));
        let (_, seen) = observed(&story);
        assert_eq!(functions(&seen), [0, 1]);
        assert_eq!(byte(&story, &seen, 0), UNREACHABLE);
        let offset = seen.frames[0].offset.expect("a place");
        let before = story.0.capsule[offset - 1];
        // A nop stands before the one, the end of the `if` before the other.
        assert_eq!(before, [0x0b, 0x01][choice]);
    }
}

#[test]
fn a_trap_in_a_host_function_is_at_its_call() {
    let before = format!(
        "{} (func $writes (param i32) (call $output_write (local.get 0) (i32.const 8)))",
        import("output_write")
    );
    let story = with(&before, "(call $writes (i32.const 65535))");
    let (outcome, seen) = observed(&story);
    assert_eq!(outcome.status().name(), "trapped");
    assert_eq!(functions(&seen), [1, 2]);
    assert_eq!(byte(&story, &seen, 0), CALL);
    assert!(seen.calls[0].ended_run && seen.calls[0].memory.is_empty());
}

#[test]
fn failing_and_aborting_have_a_place_too() {
    let story = with(
        &import("fail"),
        "(call $fail (i32.const 0) (i32.const 0)) unreachable",
    );
    let (outcome, seen) = observed(&story);
    assert_eq!(outcome.status().name(), "failed");
    assert_eq!((functions(&seen), byte(&story, &seen, 0)), (vec![1], CALL));
    let zero = "(i32.const 0)";
    let story = with(
        &import("abort"),
        &format!("(call $abort {zero} {zero} (i32.const 7) {zero})"),
    );
    let (_, seen) = observed(&story);
    assert!(seen.abort.is_some_and(|words| words.contains(":7:")));
}

#[test]
fn a_run_out_of_fuel_in_a_loop_has_used_it_all() {
    let story = with("", "(loop (br 0))").fuel(10_000);
    let (outcome, seen) = observed(&story);
    assert_eq!(*outcome.ending(), Ending::OutOfFuel);
    assert_eq!(seen.fuel(), 10_000);
    assert_eq!(functions(&seen), [0]);
}

#[test]
fn the_start_function_and_growth_are_seen() {
    let before = "(func $begin (drop (memory.grow (i32.const 1)))) (start $begin)";
    let text =
        format!("(module {before} (memory (export \"memory\") 1 4) (func (export \"run\")))");
    let (_, seen) = observed(&capsule(&text));
    assert!(fuel_of(&seen, Place::Function(0)) > fuel_of(&seen, Place::Function(1)));
    // The price of the page is that of the function that grows.
    assert_eq!(seen.nodes.len(), 3);
}

#[test]
fn what_is_added_to_a_module_is_no_function_of_the_author() {
    let grows = "(func $grows (loop (drop (memory.grow (i32.const 0))) (drop (memory.grow (i32.const 1))) (br 0)))";
    let text = format!(
        "(module {grows} (memory (export \"memory\") 1) (func (export \"run\") (call $grows)))"
    );
    let story = capsule(&text).fuel(60_000);
    let (outcome, seen) = observed(&story);
    assert_eq!(*outcome.ending(), Ending::OutOfFuel);
    assert_eq!(functions(&seen), [0, 1]);
    assert!(
        seen.nodes
            .iter()
            .all(|node| node.place != Place::Function(2))
    );
}

#[test]
fn what_is_recorded_has_bounds() {
    let clock = import("time_now_ms");
    let many = CALLS_MAX + 5;
    let body = format!(
        "(local i32) (loop (drop (call $time_now_ms))
          (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const {many}))))"
    );
    let (_, seen) = observed(&with(&clock, &body));
    assert_eq!((seen.calls.len(), seen.calls_more), (CALLS_MAX, 5));
    // Each number is a path through a tree of calls: 2^15 chains.
    let tree = "(func $left (param i32) (call $both (local.get 0))) (func $right (param i32) (call $both (local.get 0)))
        (func $both (param i32) (if (local.get 0) (then
          (call $left (i32.sub (local.get 0) (i32.const 1))) (call $right (i32.sub (local.get 0) (i32.const 1))))))";
    let (_, seen) = observed(&with(tree, "(call $both (i32.const 15))"));
    assert!(seen.nodes.len() >= NODES_MAX && seen.nodes.len() < NODES_MAX * 2);
    assert!(fuel_of(&seen, Place::More) > 0);
}

#[test]
fn two_looks_see_the_same() {
    let story = with(
        &import("random_bytes"),
        "(call $random_bytes (i32.const 0) (i32.const 40))",
    );
    let (outcome, first) = observed(&story);
    assert_eq!(
        OBSERVER.observe(&story.0, &outcome).expect("it runs"),
        first
    );
    assert_eq!(first.calls[0].memory[0].bytes, 40);
}

#[test]
fn figures_of_another_run_are_not_shown() {
    let read = format!("{} {}", import("input_len"), import("output_write"));
    let story = with(
        &read,
        "(call $output_write (i32.const 0) (call $input_len))",
    );
    let outcome = story.clone().bytes(b"ab").run().outcome;
    let error = OBSERVER.observe(&story.bytes(b"abc").0, &outcome);
    assert!(
        matches!(
            error,
            Err(ObserveError::Differs {
                member: "ending",
                ..
            })
        ),
        "{error:?}"
    );
}

#[test]
fn a_run_that_takes_too_long_to_look_at_is_no_longer_the_same() {
    // Enough of the host's work that it looks at the clock itself.
    let story = with(
        &import("output_write"),
        "(local i32) (loop (call $output_write (i32.const 0) (i32.const 60000))
           (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 2))))",
    );
    let outcome = story.run().outcome;
    assert_eq!(outcome.status().name(), "ok");
    let security = SecurityConfig {
        enable_debugging: true,
        ..lenient()
    };
    let observer = Observer::new(&security, &RuntimeConfig::development()).expect("an engine");
    let error = observer
        .with_time_max(Duration::ZERO)
        .observe(&story.0, &outcome);
    let Err(ObserveError::Differs {
        member, observed, ..
    }) = error
    else {
        panic!("{error:?}");
    };
    assert_eq!((member, &observed[..]), ("ending", "aborted"));
}

#[test]
fn a_host_without_debugging_looks_at_nothing() {
    for security in [SecurityConfig::default(), SecurityConfig::production()] {
        let refused = Observer::new(&security, &RuntimeConfig::default());
        assert!(matches!(refused.err(), Some(ObserveError::NotEnabled)));
    }
}

/// A module with a call of `trace`, whose message is an AssemblyScript string.
fn tracing(message: &str) -> Story {
    let units: Vec<u8> = message.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let hex =
        |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("\\{byte:02x}")).collect() };
    let before = format!(
        "(import \"env\" \"trace\" (func $trace (param i32 i32 f64 f64 f64 f64 f64)))
         (data (i32.const 4) \"{}{}\")",
        hex(&(units.len() as u32).to_le_bytes()),
        hex(&units)
    );
    let number = |number: &str| format!("(f64.const {number})");
    let numbers = ["1.5", "-2", "0", "0", "0"].map(number).join(" ");
    with(
        &before,
        &format!("(call $trace (i32.const 8) (i32.const 2) {numbers})"),
    )
}

#[test]
fn what_is_built_for_debugging_speaks_to_its_author_and_gets_no_receipt() {
    let story = tracing("here\u{1b}[2J");
    assert!(is_built_for_debugging(&story.0.capsule));
    let (seen, ending) = OBSERVER.observe_unsealed(&story.0).expect("it runs");
    assert_eq!(ending, Ending::Ok(Vec::new()));
    assert_eq!(
        (seen.traces, seen.traces_more),
        (vec!["here[2J 1.5 -2".to_owned()], 0)
    );
    assert!(
        !seen
            .nodes
            .iter()
            .any(|node| matches!(node.place, Place::Host(_))),
        "it costs nothing"
    );
    let config = ValidationConfig {
        capsule_bytes_max: 5_000,
    };
    let rejection = validate(Arc::clone(&story.0.capsule), &config).expect_err("no capsule");
    let [finding] = &rejection.findings[..] else {
        panic!("{rejection:?}");
    };
    assert!(finding.found.contains("built for debugging"), "{finding:?}");
    assert!(finding.remedy.contains("--debug"), "{finding:?}");
}

#[test]
fn a_trace_of_anything_else_is_harmless_and_their_number_bounded() {
    let mut story = tracing("");
    let import = "(import \"env\" \"trace\" (func $trace (param i32 i32 f64 f64 f64 f64 f64)))";
    let zeros = "(f64.const nan) ".repeat(5);
    let many = TRACES_MAX + 2;
    let body = format!("(local i32) (loop (call $trace (i32.const -1) (i32.const -1) {zeros})
        (br_if 0 (i32.lt_u (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const {many}))))");
    story.0.capsule = with(import, &body).0.capsule;
    let (seen, _) = OBSERVER.observe_unsealed(&story.0).expect("it runs");
    assert_eq!((seen.traces.len(), seen.traces_more), (TRACES_MAX, 2));
    assert_eq!(seen.traces[0], " NaN NaN NaN NaN NaN");
    let other = "(import \"env\" \"trace\" (func $trace (param i32)))";
    let refused = OBSERVER.observe_unsealed(&with(other, "").0);
    assert!(
        matches!(refused, Err(ObserveError::Rejected(_))),
        "of another type it is nothing"
    );
}
