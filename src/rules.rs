//! The normative tables of this version: prices, limits on counts, codes.
//!
//! Enters: constants of the modules that use them. Leaves: [`rules`], the digest that a receipt names, of
//! `docs/rules.json`, which is written from the same constants. Refuses nothing.
//!
//! A change of any of them is a change of that file and so of the digest: a receipt made under other rules is
//! told apart, and is never taken for false.

use std::sync::LazyLock;

use tenzik_receipt::{Blake3, InputType};

use crate::json::path::WalkPrice;
use crate::limits::{NATIVE_STACK_BYTES, STACK_UNITS_MAX};
use crate::metering::METERING;
use crate::outcome::Request;
use crate::validation::ValidatedCapsule;

/// The rules as a file: what the digest is over.
pub const RULES_FILE: &[u8] = include_bytes!("../docs/rules.json");

/// The same file as it was while the engine counted the fuel.
const RULES_FILE_ENGINE_FUEL: &[u8] = include_bytes!("../docs/rules-engine-fuel.json");

/// Whose units fuel and stack are in, and under which tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Metering {
    /// wasmtime's own, so a re-run needs this very engine. No new receipt has it.
    EngineFuel,
    /// The module's own, the same in any engine.
    #[default]
    Module,
}

impl Metering {
    /// All that can be run again.
    pub const ALL: [Self; 2] = [Self::Module, Self::EngineFuel];

    /// The name in a claim.
    pub const fn label(self) -> &'static str {
        match self {
            Self::EngineFuel => "engine:wasmtime/48.0.8",
            Self::Module => METERING,
        }
    }

    /// The digest of its tables.
    pub fn rules(self) -> Blake3 {
        static ENGINE_FUEL: LazyLock<Blake3> = LazyLock::new(|| Blake3::of(RULES_FILE_ENGINE_FUEL));
        match self {
            Self::EngineFuel => *ENGINE_FUEL,
            Self::Module => rules(),
        }
    }

    /// The stack that a run has, in its units.
    pub const fn stack(self) -> u32 {
        match self {
            Self::EngineFuel => NATIVE_STACK_BYTES,
            Self::Module => STACK_UNITS_MAX,
        }
    }
}

/// The most bytes of UTF-8 in the result buffer.
pub const RESULT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// The most bytes of UTF-8 in `fail`'s message.
pub const MESSAGE_BYTES_MAX: usize = 65_536;

/// What a byte of a path costs: reading it is the dearest part of a short walk.
pub const PATH_BYTE_FUEL: u64 = 200;
/// A number's text of up to so many characters is read fast, whatever its digits.
pub const SHORT_NUMBER_CHARACTERS: usize = 19;
/// What a longer one costs on top: some are decided only by exact arithmetic.
pub const LONG_NUMBER_FUEL: u64 = 4_000;
/// What a member costs that a name is looked for in.
pub const MEMBER_FUEL: u64 = 4;
/// What the steps of a path's walk cost.
pub const WALK_PRICE: WalkPrice = WalkPrice {
    node: 20,
    member: MEMBER_FUEL,
    child: 20,
    source_byte: 1,
};

/// Each run.
const RUN_FUEL: u64 = 1_000;
/// Each initial memory page.
const PAGE_FUEL: u64 = 4_000;
/// Each initial table slot.
const TABLE_SLOT_FUEL: u64 = 4;
/// Each byte of an active data segment and each entry of an active element segment.
const SEGMENT_FUEL: u64 = 1;
/// Each byte of a JSON input, for reading it.
const INPUT_BYTE_FUEL: u64 = 8;

/// Each byte of a JSON output, for checking it when the run has ended well.
const OUTPUT_BYTE_FUEL: u64 = 8;

/// What a run's output costs at its end.
pub(crate) fn output_fuel(output_bytes: usize, input_type: InputType) -> u64 {
    match input_type {
        InputType::Json => output_bytes as u64 * OUTPUT_BYTE_FUEL,
        InputType::Bytes => 0,
    }
}

/// What a run costs before its first instruction.
pub fn startup_fuel(capsule: &ValidatedCapsule, request: &Request) -> u64 {
    let input = match request.input_type {
        InputType::Json => request.input.len() as u64 * INPUT_BYTE_FUEL,
        InputType::Bytes => 0,
    };
    RUN_FUEL
        + u64::from(capsule.memory_pages_min()) * PAGE_FUEL
        + u64::from(capsule.table_slots()) * TABLE_SLOT_FUEL
        + capsule.segment_units() * SEGMENT_FUEL
        + input
}

/// The digest of the rules of this version.
pub fn rules() -> Blake3 {
    static DIGEST: LazyLock<Blake3> = LazyLock::new(|| Blake3::of(RULES_FILE));
    *DIGEST
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::{ABI, IMPORTS, Import};
    use crate::execution::ENGINE_VERSION;
    use crate::json::path::PATH_BYTES_MAX;
    use crate::json::{DEPTH_MAX, TEXT_BYTES_MAX};
    use crate::outcome::{AbortCode, TrapCode};
    use crate::validation::{
        COMPILE_COST, COMPILE_COST_BYTES_MIN, COMPILE_COST_PER_BYTE, COMPILE_WEIGHTS, COUNT_LIMITS,
    };
    use serde_json::{Value, json};

    fn import(row: &Import) -> Value {
        json!({
            "module": row.module,
            "name": row.name,
            "params": row.params.iter().map(|t| t.name()).collect::<Vec<_>>(),
            "result": row.result.map(|t| t.name()),
            "capability": row.capability.map(|c| c.name()),
            "base": row.price.base,
            "byte": row.price.byte,
        })
    }

    /// The weights that are not the common one, by opcode.
    fn weights() -> serde_json::Map<String, Value> {
        let other = (0_u32..)
            .zip(COMPILE_WEIGHTS)
            .filter(|(_, weight)| *weight != COMPILE_WEIGHTS[0]);
        other
            .map(|(opcode, weight)| (format!("0x{opcode:02x}"), json!(weight)))
            .collect()
    }

    fn compile_cost() -> Value {
        let figures = COMPILE_COST.map(|(name, figure)| (name.to_owned(), json!(figure)));
        let mut table = serde_json::Map::from_iter(figures);
        table.insert("per_byte_max".to_owned(), json!(COMPILE_COST_PER_BYTE));
        table.insert("bytes_min".to_owned(), json!(COMPILE_COST_BYTES_MIN));
        table.insert("opcode".to_owned(), json!(COMPILE_WEIGHTS[0]));
        table.insert("opcodes".to_owned(), Value::Object(weights()));
        Value::Object(table)
    }

    fn metering() -> Value {
        use crate::metering::table::{
            BULK_SHIFT, ENTRY, FRAME, GROW_PAGE, OPERATOR, OPERATORS, OPERATORS_FC,
        };
        let operators = (0_u32..)
            .zip(OPERATORS)
            .filter(|(_, cost)| *cost != OPERATOR)
            .map(|(opcode, cost)| (format!("0x{opcode:02x}"), json!(cost)));
        let prefixed = (0_u32..)
            .zip(OPERATORS_FC)
            .map(|(number, cost)| (number.to_string(), json!(cost)));
        json!({
            "name": METERING,
            "bulk_shift": BULK_SHIFT,
            "entry": ENTRY,
            "frame": FRAME,
            "grow_page": GROW_PAGE,
            "operator": OPERATOR,
            "operators": operators.collect::<serde_json::Map<_, _>>(),
            "operators_fc": prefixed.collect::<serde_json::Map<_, _>>(),
            "stack_max": STACK_UNITS_MAX,
        })
    }

    fn table() -> Value {
        let counts = COUNT_LIMITS
            .iter()
            .map(|c| (c.name.to_owned(), json!(c.limit)));
        json!({
            "type": "tenzik/rules/v1",
            "abi": ABI,
            "imports": IMPORTS.iter().map(import).collect::<Vec<_>>(),
            "json_path": {
                "path_byte": PATH_BYTE_FUEL,
                "node": WALK_PRICE.node,
                "member": WALK_PRICE.member,
                "child": WALK_PRICE.child,
                "source_byte": WALK_PRICE.source_byte,
            },
            "json_get_member": MEMBER_FUEL,
            "metering": metering(),
            "long_number": { "above_characters": SHORT_NUMBER_CHARACTERS, "fuel": LONG_NUMBER_FUEL },
            "json_output_byte": OUTPUT_BYTE_FUEL,
            "startup": {
                "run": RUN_FUEL,
                "page": PAGE_FUEL,
                "table_slot": TABLE_SLOT_FUEL,
                "segment_unit": SEGMENT_FUEL,
                "json_input_byte": INPUT_BYTE_FUEL,
            },
            "limits": {
                "json_depth": DEPTH_MAX,
                "json_text_bytes": TEXT_BYTES_MAX,
                "path_bytes": PATH_BYTES_MAX,
                "result_bytes": RESULT_BYTES_MAX,
                "message_bytes": MESSAGE_BYTES_MAX,
            },
            "counts": counts.collect::<serde_json::Map<_, _>>(),
            "features": [
                "mutable_globals",
                "sign_extension",
                "saturating_float_to_int",
                "multi_value",
                "bulk_memory",
                "call_indirect_overlong",
            ],
            "compile_cost": compile_cost(),
            "trap_codes": TrapCode::ALL.map(TrapCode::name),
            "abort_codes": AbortCode::ALL.map(AbortCode::name),
            "statuses": tenzik_receipt::Status::ALL.iter().map(|s| s.name()).collect::<Vec<_>>(),
        })
    }

    /// `TENZIK_WRITE=1 cargo test -p tenzik rules` writes the file anew.
    #[test]
    fn the_file_says_what_the_constants_say() {
        let mut text = serde_json::to_string_pretty(&table()).expect("a value");
        text.push('\n');
        if std::env::var_os("TENZIK_WRITE").is_some() {
            let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.json");
            std::fs::write(path, &text).expect("the file can be written");
        }
        let file = std::str::from_utf8(RULES_FILE).expect("text");
        assert!(file == text, "docs/rules.json is out of date");
    }

    #[test]
    fn the_metering_names_the_engine_that_is_linked() {
        assert_eq!(
            Metering::EngineFuel.label(),
            format!("engine:wasmtime/{ENGINE_VERSION}")
        );
        let advisory = crate::receipts::ENGINE;
        assert_eq!(advisory.as_str(), format!("wasmtime {ENGINE_VERSION}"));
        let lock = include_str!("../Cargo.lock");
        let entry = format!("name = \"wasmtime\"\nversion = \"{ENGINE_VERSION}\"");
        assert!(lock.contains(&entry), "the lock file has another wasmtime");
    }
}
