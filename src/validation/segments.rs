//! Segments: where their offsets are, that they fit, and how many units they write at the start.
//!
//! Enters: items of the element and data sections; memories and tables have been read before.
//! Leaves: counts in [`Facts`]. Refuses: offsets that are not constants, and segments that would
//! trap when the module is instantiated.

use wasmparser::{ConstExpr, Data, DataKind, Element, ElementItems, ElementKind, Operator};

use super::facts::{Constant, Facts};
use super::finding::{FindingCode, Findings};
use super::shape;

/// Reads a constant expression of one operator.
pub(super) fn constant(expr: &ConstExpr<'_>) -> Constant {
    let mut reader = expr.get_operators_reader();
    match (reader.read(), reader.read(), reader.eof()) {
        (Ok(Operator::I32Const { value }), Ok(Operator::End), true) => Constant::I32(value),
        _ => Constant::Other,
    }
}

/// Looks at a data segment.
pub(super) fn data(facts: &mut Facts<'_>, findings: &mut Findings, data: &Data<'_>) {
    let DataKind::Active { offset_expr, .. } = &data.kind else {
        return;
    };
    let length = data.data.len() as u64;
    facts.segment_units = facts.segment_units.saturating_add(length);
    let room = ("memory bytes", facts.memory_bytes());
    fits(findings, offset_expr, length, room, data.range.start);
}

/// Looks at an element segment.
pub(super) fn element(facts: &mut Facts<'_>, findings: &mut Findings, element: &Element<'_>) {
    let at = element.range.start;
    let length = match &element.items {
        ElementItems::Functions(functions) => u64::from(functions.count()),
        ElementItems::Expressions(_, expressions) => {
            let remedy = "list the functions by index; toolchains do, without reference types";
            findings.error(FindingCode::FeatureOff, at, remedy, || {
                (
                    "element segment of expressions".into(),
                    "segments of function indices".into(),
                )
            });
            u64::from(expressions.count())
        }
    };
    facts.element_entries = facts.element_entries.saturating_add(length);
    shape::check(findings, &shape::ELEMENT_ENTRIES, facts.element_entries, at);
    if let ElementKind::Active { offset_expr, .. } = &element.kind {
        facts.segment_units = facts.segment_units.saturating_add(length);
        let room = ("table slots", facts.table_slots());
        fits(findings, offset_expr, length, room, at);
    }
}

fn fits(
    findings: &mut Findings,
    offset: &ConstExpr<'_>,
    length: u64,
    (unit, room): (&str, u64),
    at: usize,
) {
    let Constant::I32(start) = constant(offset) else {
        let remedy = "link with fixed addresses";
        return findings.error(FindingCode::SegmentOffset, at, remedy, || {
            (
                "active segment whose offset is computed".into(),
                "one `i32.const`".into(),
            )
        });
    };
    // Offsets are unsigned, and neither part can pass 32 bits, so the sum cannot wrap.
    let end = u64::from(start as u32) + length;
    if end > room {
        let remedy = "enlarge the initial memory or table, or move the segment";
        findings.error(FindingCode::SegmentRange, at, remedy, || {
            (
                format!("active segment up to {end}"),
                format!("{unit} up to {room}"),
            )
        });
    }
}
