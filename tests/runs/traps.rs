//! Traps of instructions: each code, and what stands right beside it without trapping.

use crate::support::{Story, capsule, claim, import, with};

/// A table of four slots, of which the first two are set, and segments that are copied by hand.
const FURNITURE: &str = r#"
    (type $none (func)) (type $gives (func (result i32)))
    (table 4 funcref)
    (elem (i32.const 0) $none $seven)
    (elem $passive func $none $none)
    (data $passive "data")
    (func $none) (func $seven (result i32) (i32.const 7))"#;

fn run(body: &str) -> Story {
    with(FURNITURE, body)
}

fn each(cases: &[(&str, &str)]) {
    for (body, expected) in cases {
        assert_eq!(run(body).said(), *expected, "{body}");
    }
}

#[test]
fn unreachable_is_what_it_says() {
    each(&[
        ("unreachable", "trapped unreachable"),
        (
            "(if (i32.const 1) (then unreachable))",
            "trapped unreachable",
        ),
        ("(if (i32.const 0) (then unreachable))", "ok"),
    ]);
}

#[test]
fn a_division_by_zero_has_its_own_code() {
    for int in ["i32", "i64"] {
        for op in ["div_s", "div_u", "rem_s", "rem_u"] {
            let body = format!("(drop ({int}.{op} ({int}.const 1) (call $zero_{int})))");
            let zero = format!("(func $zero_{int} (result {int}) ({int}.const 0))");
            assert_eq!(
                with(&zero, &body).said(),
                "trapped divide_by_zero",
                "{body}"
            );
        }
    }
}

#[test]
fn only_a_signed_division_overflows() {
    for (int, least) in [("i32", i64::from(i32::MIN)), ("i64", i64::MIN)] {
        let least_of = format!(
            "(func $least (result {int}) ({int}.const {least})) (func $minus_one (result {int}) ({int}.const -1))"
        );
        let divide = |op: &str| {
            let body = format!("(drop ({int}.{op} (call $least) (call $minus_one)))");
            with(&least_of, &body).said()
        };
        assert_eq!(divide("div_s"), "trapped integer_overflow");
        assert_eq!(divide("div_u"), "ok");
        assert_eq!(divide("rem_s"), "ok", "the remainder is 0");
        assert_eq!(divide("rem_u"), "ok");
    }
}

#[test]
fn memory_ends_where_it_ends() {
    let sizes = [
        ("i32.load8_s", 1),
        ("i32.load16_u", 2),
        ("i32.load", 4),
        ("i64.load32_s", 4),
        ("i64.load", 8),
        ("f32.load", 4),
        ("f64.load", 8),
    ];
    for (load, size) in sizes {
        let at = |ptr: u32| run(&format!("(drop ({load} (i32.const {ptr})))")).said();
        assert_eq!(at(65_536 - size), "ok", "{load}");
        assert_eq!(at(65_536 - size + 1), "trapped memory", "{load}");
        assert_eq!(at(u32::MAX), "trapped memory", "{load}");
    }
    each(&[
        ("(i32.store (i32.const 65532) (i32.const 1))", "ok"),
        (
            "(i32.store (i32.const 65533) (i32.const 1))",
            "trapped memory",
        ),
        (
            "(i64.store8 (i32.const -1) (i64.const 1))",
            "trapped memory",
        ),
        ("(drop (i32.load offset=65532 (i32.const 0)))", "ok"),
        (
            "(drop (i32.load offset=65532 (i32.const 1)))",
            "trapped memory",
        ),
        (
            "(drop (i32.load offset=4294967295 (i32.const 4294967295)))",
            "trapped memory",
        ),
    ]);
}

#[test]
fn bulk_memory_is_checked_before_the_first_byte() {
    each(&[
        (
            "(memory.fill (i32.const 65536) (i32.const 1) (i32.const 0))",
            "ok",
        ),
        (
            "(memory.fill (i32.const 65537) (i32.const 1) (i32.const 0))",
            "trapped memory",
        ),
        (
            "(memory.fill (i32.const 1) (i32.const 1) (i32.const 65535))",
            "ok",
        ),
        (
            "(memory.fill (i32.const 1) (i32.const 1) (i32.const 65536))",
            "trapped memory",
        ),
        (
            "(memory.fill (i32.const -1) (i32.const 1) (i32.const 1))",
            "trapped memory",
        ),
        (
            "(memory.copy (i32.const 0) (i32.const 65536) (i32.const 0))",
            "ok",
        ),
        (
            "(memory.copy (i32.const 0) (i32.const 65537) (i32.const 0))",
            "trapped memory",
        ),
        (
            "(memory.copy (i32.const 65530) (i32.const 0) (i32.const 7))",
            "trapped memory",
        ),
        (
            "(memory.copy (i32.const 0) (i32.const 65530) (i32.const 7))",
            "trapped memory",
        ),
        (
            "(memory.init $passive (i32.const 65532) (i32.const 0) (i32.const 4))",
            "ok",
        ),
        (
            "(memory.init $passive (i32.const 65533) (i32.const 0) (i32.const 4))",
            "trapped memory",
        ),
        (
            "(memory.init $passive (i32.const 0) (i32.const 1) (i32.const 4))",
            "trapped memory",
        ),
        (
            "(memory.init $passive (i32.const 0) (i32.const 4) (i32.const 0))",
            "ok",
        ),
        (
            "(data.drop $passive) (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 0))",
            "ok",
        ),
        (
            "(data.drop $passive) (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 1))",
            "trapped memory",
        ),
        ("(data.drop $passive) (data.drop $passive)", "ok"),
    ]);
}

#[test]
fn tables_end_where_they_end() {
    each(&[
        (
            "(table.init $passive (i32.const 2) (i32.const 0) (i32.const 2))",
            "ok",
        ),
        (
            "(table.init $passive (i32.const 3) (i32.const 0) (i32.const 2))",
            "trapped table",
        ),
        (
            "(table.init $passive (i32.const 0) (i32.const 1) (i32.const 2))",
            "trapped table",
        ),
        (
            "(table.init $passive (i32.const 4) (i32.const 2) (i32.const 0))",
            "ok",
        ),
        (
            "(elem.drop $passive) (table.init $passive (i32.const 0) (i32.const 0) (i32.const 1))",
            "trapped table",
        ),
        (
            "(table.copy (i32.const 2) (i32.const 0) (i32.const 2))",
            "ok",
        ),
        (
            "(table.copy (i32.const 3) (i32.const 0) (i32.const 2))",
            "trapped table",
        ),
        (
            "(table.copy (i32.const 0) (i32.const 3) (i32.const 2))",
            "trapped table",
        ),
        (
            "(call_indirect (type $none) (i32.const 4))",
            "trapped table",
        ),
        (
            "(call_indirect (type $none) (i32.const -1))",
            "trapped table",
        ),
    ]);
}

#[test]
fn an_indirect_call_wants_an_entry_of_its_type() {
    each(&[
        ("(call_indirect (type $none) (i32.const 0))", "ok"),
        (
            "(call_indirect (type $none) (i32.const 1))",
            "trapped indirect_call",
        ),
        (
            "(call_indirect (type $none) (i32.const 2))",
            "trapped indirect_call",
        ),
        ("(drop (call_indirect (type $gives) (i32.const 1)))", "ok"),
        (
            "(drop (call_indirect (type $gives) (i32.const 0)))",
            "trapped indirect_call",
        ),
        // Another name of the same signature is the same type.
        ("(call_indirect (i32.const 0))", "ok"),
    ]);
}

#[test]
fn a_trapped_run_claims_all_its_fuel_and_no_output() {
    let run = with(
        &import("output_write"),
        "(call $output_write (i32.const 0) (i32.const 9)) unreachable",
    )
    .fuel(123_456)
    .run();
    let claim = claim(&run);
    assert_eq!(claim.output, None);
    assert_eq!(run.outcome.output(), None);
    assert_eq!(run.outcome.usage().map(|usage| usage.fuel), Some(123_456));
    let calls: Vec<_> = run.outcome.usage().expect("not aborted").calls().collect();
    assert_eq!(calls, [("output_write", 1)]);
}

#[test]
fn a_trap_is_told_apart_however_deep_it_is() {
    let before = "(func $a (param i32) (call $b (local.get 0)))
        (func $b (param i32) (drop (i32.div_s (i32.const -2147483648) (local.get 0))))";
    assert_eq!(
        with(before, "(call $a (i32.const -1))").said(),
        "trapped integer_overflow"
    );
    assert_eq!(
        with(before, "(call $a (i32.const 0))").said(),
        "trapped divide_by_zero"
    );
    assert_eq!(with(before, "(call $a (i32.const 1))").said(), "ok");
}

/// A module of one call through a table of one empty slot. The index of the table, 0, is written in two bytes.
const INDEX_IN_TWO_BYTES: &str = r#"(module binary "\00asm\01\00\00\00"
    "\01\04\01\60\00\00" "\03\02\01\00" "\04\04\01\70\00\01" "\05\03\01\00\01"
    "\07\10\02\03run\00\00\06memory\02\00" "\0a\0a\01\08\00\41\00\11\00\80\00\0b")"#;

#[test]
fn the_index_of_a_table_may_be_longer_than_it_needs_to_be() {
    assert_eq!(capsule(INDEX_IN_TWO_BYTES).said(), "trapped indirect_call");
}
