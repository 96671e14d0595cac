//! The stack limit is met before any engine's own stack ends, also by the dearest frames that were found.

use crate::support::{Story, capsule};

/// A capsule of one function that calls itself for ever, with this type and body around the call.
fn descending(signature: &str, before: &str, call: &str, after: &str, args: &str) -> Story {
    capsule(&format!(
        "(module (memory (export \"memory\") 1) (table 1 funcref) (elem (i32.const 0) $down)
          (type $down (func {signature}))
          (func $down (type $down) {before} {call} {after})
          (func (export \"run\") {args} (call $down) {}))",
        "drop ".repeat(signature.matches("result").count()),
    ))
    .fuel(900_000_000)
}

/// Locals that are read from memory before the call and written back after it, so that all live across it.
fn live_locals(count: usize, ty: &str) -> Story {
    let local = |n: usize| format!("(local.set {n} ({ty}.load (i32.const {})))", n * 8);
    let back = |n: usize| format!("({ty}.store (i32.const {}) (local.get {n}))", n * 8);
    let all = |f: &dyn Fn(usize) -> String| (0..count).map(f).collect::<String>();
    let before = format!("(local {}) {}", format!("{ty} ").repeat(count), all(&local));
    descending("", &before, "(call $down)", &all(&back), "")
}

/// Operands below the call.
fn live_operands(count: usize, ty: &str) -> Story {
    let before: String = (0..count)
        .map(|n| format!("({ty}.load (i32.const {})) ", n * 8))
        .collect();
    let after = format!("{} drop", format!("{ty}.add ").repeat(count - 1));
    descending("", &before, "(call $down)", &after, "")
}

fn params(count: usize, ty: &str) -> Story {
    let signature = format!("(param {})", format!("{ty} ").repeat(count));
    let call: String = (0..count)
        .rev()
        .map(|n| format!("(local.get {n}) "))
        .collect();
    let args = format!("({ty}.const 1) ").repeat(count);
    descending(&signature, &call, "(call $down)", "", &args)
}

fn results(count: usize) -> Story {
    let signature = "(result i64)".repeat(count);
    descending(&signature, "", "(call $down)", "", "")
}

/// Groups of values, each live across a call of its own: an allocator of stack slots that does not use them again has one for
/// each.
fn phases(count: usize, live: usize) -> Story {
    let phase = |n: usize| {
        let load: String = (0..live)
            .map(|v| format!("(i64.load (i32.const {})) ", (n * live + v) * 8))
            .collect();
        format!("{load} (call $leaf) {} drop ", "i64.add ".repeat(live - 1))
    };
    let before: String = (0..count).map(phase).collect();
    let story = capsule(&format!(
        "(module (memory (export \"memory\") 4) (func $leaf)
          (func $down {before} (call $down)) (func (export \"run\") (call $down)))"
    ));
    story.fuel(900_000_000)
}

/// Values that are computed before the call and once more after it: a compiler that sees that they are the same keeps them in the
/// frame, where no local and no operand is.
fn computed_twice(count: usize) -> Story {
    let values: String = (0..count)
        .map(|n| {
            format!(
                "(i32.store (i32.const {}) (i32.mul (local.get 0) (i32.const {})))",
                n * 4,
                1_000_003 + 2 * n
            )
        })
        .collect();
    descending(
        "(param i32)",
        &values,
        "(call $down (i32.add (local.get 0) (i32.const 1)))",
        &values,
        "(i32.const 1)",
    )
}

#[test]
fn the_dearest_frames_end_by_the_limit_and_not_by_the_native_stack() {
    let indirect = "(call_indirect (type $down) (i32.const 0))";
    let cases = [
        ("nothing", descending("", "", "(call $down)", "", "")),
        ("indirect", descending("", "", indirect, "", "")),
        ("one live local", live_locals(1, "i32")),
        ("16 live locals", live_locals(16, "i64")),
        ("220 live locals", live_locals(220, "i64")),
        ("220 live floats", live_locals(220, "f32")),
        ("4 live operands", live_operands(4, "i32")),
        ("16 live doubles", live_operands(16, "f64")),
        ("400 live operands", live_operands(400, "i64")),
        ("one parameter", params(1, "i32")),
        ("7 parameters", params(7, "i32")),
        ("60 parameters", params(60, "i64")),
        ("60 float parameters", params(60, "f64")),
        ("2 results", results(2)),
        ("16 results", results(16)),
        ("10 phases of 8", phases(10, 8)),
        ("40 phases of 12", phases(40, 12)),
        ("40 values computed twice", computed_twice(40)),
        ("130 values computed twice", computed_twice(130)),
    ];
    for (name, story) in cases {
        assert_eq!(story.said(), "out_of_stack", "{name}");
    }
}

#[test]
fn the_depth_is_what_the_frames_say() {
    // Frame 8, one parameter, height 2: `run` has 8 + 1, each call of `$down` 11.
    let story = |depth: u32| {
        capsule(&format!(
            "(module (memory (export \"memory\") 1)
              (func $down (param i32)
                (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1))))))
              (func (export \"run\") (call $down (i32.const {depth}))))"
        ))
        .fuel(900_000_000)
    };
    let deepest = (32_768 - 9) / 11 - 1;
    assert_eq!(story(deepest).said(), "ok");
    assert_eq!(story(deepest + 1).said(), "out_of_stack");
}

/// What a function has taken it gives back, however it is left.
#[test]
fn the_stack_is_given_back() {
    let story = capsule(
        "(module (memory (export \"memory\") 1) (func $leaf)
          (func $a (param i32) (call $leaf) (br_if 0 (local.get 0)) (call $leaf))
          (func $b (param i32) (result i32) (call $leaf) (return (i32.const 1)))
          (func $c (param i32) (block (call $leaf) (br_table 0 1 (local.get 0))) (call $leaf))
          (func (export \"run\") (local $n i32)
            (loop (call $a (local.get $n)) (drop (call $b (local.get $n))) (call $c (local.get $n))
              (br_if 0 (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 10000))))))",
    );
    assert_eq!(story.said(), "ok");
}
