//! Floats to integers: every trapping truncation at both of its edges, every saturating one at its limits.

use crate::support::with;

/// An integer type's range, for a float type: the nearest floats inside, and the nearest outside.
struct Edge {
    op: &'static str,
    float: &'static str,
    int: &'static str,
    /// The least and the greatest float that are taken, with what they give.
    inside: [(&'static str, i64); 2],
    /// The floats next to them, which are not.
    outside: [&'static str; 2],
}

const I32_MIN: i64 = i32::MIN as i64;
const I32_MAX: i64 = i32::MAX as i64;

#[rustfmt::skip]
const EDGES: [Edge; 8] = [
    Edge { op: "i32.trunc_f32_s", float: "f32", int: "i32", inside: [("-2147483648", I32_MIN), ("2147483520", 2_147_483_520)], outside: ["-2147483904", "2147483648"] },
    Edge { op: "i32.trunc_f32_u", float: "f32", int: "i32", inside: [("-0x1.fffffep-1", 0), ("4294967040", -256)], outside: ["-1", "4294967296"] },
    Edge { op: "i32.trunc_f64_s", float: "f64", int: "i32", inside: [("-2147483648.9999995", I32_MIN), ("2147483647.9999998", I32_MAX)], outside: ["-2147483649", "2147483648"] },
    Edge { op: "i32.trunc_f64_u", float: "f64", int: "i32", inside: [("-0x1.fffffffffffffp-1", 0), ("4294967295.9999995", -1)], outside: ["-1", "4294967296"] },
    Edge { op: "i64.trunc_f32_s", float: "f32", int: "i64", inside: [("-0x1p63", i64::MIN), ("0x1.fffffep62", 0x7fff_ff80_0000_0000)], outside: ["-0x1.000002p63", "0x1p63"] },
    Edge { op: "i64.trunc_f32_u", float: "f32", int: "i64", inside: [("-0x1.fffffep-1", 0), ("0x1.fffffep63", -0x100_0000_0000)], outside: ["-1", "0x1p64"] },
    Edge { op: "i64.trunc_f64_s", float: "f64", int: "i64", inside: [("-0x1p63", i64::MIN), ("0x1.fffffffffffffp62", 0x7fff_ffff_ffff_fc00)], outside: ["-0x1.0000000000001p63", "0x1p63"] },
    Edge { op: "i64.trunc_f64_u", float: "f64", int: "i64", inside: [("-0x1.fffffffffffffp-1", 0), ("0x1.fffffffffffffp63", -0x800)], outside: ["-1", "0x1p64"] },
];

impl Edge {
    /// Truncates a number that the compiler does not know; `unreachable` if the result is another than expected.
    fn said(&self, op: &str, number: &str, expected: i64) -> String {
        let (float, int) = (self.float, self.int);
        let number = format!("(func $number (result {float}) ({float}.const {number}))");
        let body = format!(
            "(if ({int}.ne ({op} (call $number)) ({int}.const {expected})) (then unreachable))"
        );
        with(&number, &body).said()
    }

    fn saturating(&self) -> String {
        self.op.replace("trunc", "trunc_sat")
    }

    /// The least and the greatest integer of the type.
    fn limits(&self) -> [i64; 2] {
        match (self.int, self.op.ends_with("_s")) {
            ("i32", true) => [I32_MIN, I32_MAX],
            ("i64", true) => [i64::MIN, i64::MAX],
            _ => [0, -1],
        }
    }
}

#[test]
fn inside_the_range_both_kinds_give_the_integer() {
    for edge in &EDGES {
        for (number, expected) in edge.inside {
            assert_eq!(
                edge.said(edge.op, number, expected),
                "ok",
                "{} {number}",
                edge.op
            );
            assert_eq!(
                edge.said(&edge.saturating(), number, expected),
                "ok",
                "{} {number}",
                edge.op
            );
        }
    }
}

#[test]
fn outside_it_the_trapping_kind_says_conversion_and_never_overflow() {
    for edge in &EDGES {
        let nans = ["nan", "-nan", "nan:0x200000"];
        let numbers = edge.outside.into_iter().chain(["inf", "-inf"]).chain(nans);
        for number in numbers {
            assert_eq!(
                edge.said(edge.op, number, 0),
                "trapped conversion",
                "{} {number}",
                edge.op
            );
        }
    }
}

#[test]
fn outside_it_the_saturating_kind_gives_the_nearest_limit_and_nan_gives_zero() {
    for edge in &EDGES {
        let op = edge.saturating();
        let [least, greatest] = edge.limits();
        let [below, above] = edge.outside;
        for (number, expected) in [
            (below, least),
            ("-inf", least),
            (above, greatest),
            ("inf", greatest),
            ("nan", 0),
            ("-nan", 0),
        ] {
            assert_eq!(edge.said(&op, number, expected), "ok", "{op} {number}");
        }
    }
}
