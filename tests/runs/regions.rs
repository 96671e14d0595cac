//! Exact fuel, reckoned by hand from `docs/determinism.md`, "Metering", and the costs in `docs/rules.json`.

use crate::support::{Story, with};

/// What starting costs: the run, and its page.
const START: u64 = 1_000 + 4_000;

/// The fuel of `run` with this body, its entry of 10 included.
fn fuel(before: &str, body: &str) -> u64 {
    with(before, body).fuel_used() - START
}

#[track_caller]
fn costs(body: &str, expected: u64) {
    assert_eq!(fuel("", body), expected, "{body}");
}

#[test]
fn a_straight_line_is_the_sum_of_its_operators() {
    costs("", 10);
    costs("(drop (i32.const 1))", 10 + 1);
    costs("nop (block nop)", 10);
    costs("(drop (i64.mul (i64.const 1) (i64.const 2)))", 10 + 2 + 2);
    costs("(drop (f64.sqrt (f64.const 2)))", 10 + 1 + 22);
    costs("(drop (i32.trunc_sat_f32_u (f32.const 2)))", 10 + 1 + 8);
    costs("(drop (i32.load (i32.const 8)))", 10 + 1 + 3);
}

#[test]
fn only_the_arm_that_is_taken_is_paid() {
    let arms = |condition| {
        format!(
            "(if (i32.const {condition}) (then (drop (i32.const 1)))
               (else (drop (i32.const 2)) (drop (i32.const 3))))"
        )
    };
    costs(&arms(1), 10 + 2 + 1);
    costs(&arms(0), 10 + 2 + 2);
    costs("(if (i32.const 0) (then (drop (i32.const 1))))", 10 + 2);
}

/// A region goes on past a `br_if`, and whoever leaves there has paid for all of it.
#[test]
fn a_branch_out_of_a_region_has_paid_for_all_of_it() {
    for condition in [0, 1] {
        let body = format!("(block (br_if 0 (i32.const {condition})) (drop (i32.const 1)))");
        costs(&body, 10 + 2 + 1);
    }
    costs(
        "(block (br_table 0 0 (i32.const 0))) (drop (i32.const 1))",
        10 + 1 + 4 + 1,
    );
}

#[test]
fn each_round_of_a_loop_pays_its_region_again() {
    let rounds = "(local i32) (loop (br_if 0 (i32.lt_u
        (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 3))))";
    costs(rounds, 10 + 3 * 8);
    let behind = format!("{rounds} (drop (i32.const 1))");
    costs(&behind, 10 + 3 * 8 + 1);
}

#[test]
fn dead_code_costs_nothing_and_has_no_height() {
    costs(
        "(return) (drop (i32.div_s (i32.const 1) (i32.const 0)))",
        10,
    );
    costs("(block (br 0) (loop (br 0)) (drop (i32.const 1)))", 10 + 1);
    costs(
        "(if (i32.const 0) (then unreachable (drop (i32.const 1))) (else (drop (i32.const 2))))",
        10 + 2 + 1,
    );
    costs(
        "(block (block (br 1) (block) (if (i32.const 1) (then)))) nop",
        10 + 1,
    );
}

#[test]
fn a_call_is_paid_by_both() {
    assert_eq!(fuel("(func $f)", "(call $f)"), 10 + 2 + 10);
    let table = "(type $v (func)) (table 1 funcref) (elem (i32.const 0) $f) (func $f)";
    // The table's slot and the segment's entry are part of the start.
    let start = 4 + 1;
    assert_eq!(
        fuel(table, "(call_indirect (type $v) (i32.const 0))"),
        start + 10 + 1 + 24 + 10
    );
}

#[test]
fn bulk_operators_pay_by_length() {
    let fill = |bytes| format!("(memory.fill (i32.const 0) (i32.const 1) (i32.const {bytes}))");
    costs(&fill(0), 10 + 3 + 20);
    costs(&fill(7), 10 + 3 + 20);
    costs(&fill(100), 10 + 3 + 20 + 12);
    costs(&fill(65_536), 10 + 3 + 20 + 8_192);
}

#[test]
fn growth_is_paid_by_the_page_and_only_if_it_is_allowed() {
    costs("(drop (memory.grow (i32.const 0)))", 10 + 1 + 200);
    costs(
        "(drop (memory.grow (i32.const 2)))",
        10 + 1 + 200 + 2 * 4_000,
    );
    costs("(drop (memory.grow (i32.const -1)))", 10 + 1 + 200);
}

#[test]
fn a_start_function_pays_like_any_other() {
    assert_eq!(
        fuel("(func $s (drop (i32.const 1))) (start $s)", ""),
        10 + 1 + 10
    );
}

/// A length is taken as unsigned and paid for before the operator looks at it.
#[test]
fn a_length_that_cannot_be_paid_is_not_a_trap() {
    let body = "(memory.fill (i32.const 0) (i32.const 1) (i32.const -1))";
    let story = |fuel| -> Story { with("", body).fuel(fuel) };
    assert_eq!(story(1_000_000).said(), "out_of_fuel");
    assert_eq!(story(900_000_000).said(), "trapped memory");
}
