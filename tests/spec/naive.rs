//! The other way to count: each operator by itself, right before it. What a metered module takes must never be less.
//!
//! Enters: a valid module. Leaves: one with the global `tenzik:fuel`, and nothing else of the metering. The costs come from
//! `docs/rules.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;
use wasm_encoder::{
    CodeSection, ConstExpr, Encode, ExportKind, ExportSection, GlobalSection, GlobalType,
    InstructionSink, Module, RawSection, Section, SectionId, ValType,
};
use wasmparser::{BinaryReader, FunctionBody, Operator, Parser, Payload, TypeRef};

#[derive(Deserialize)]
struct Rules {
    metering: Costs,
}

#[derive(Deserialize)]
struct Costs {
    entry: i64,
    operator: i64,
    operators: BTreeMap<String, i64>,
    operators_fc: BTreeMap<u32, i64>,
}

static COSTS: LazyLock<Costs> = LazyLock::new(|| {
    let rules = include_bytes!("../../docs/rules.json");
    let rules: Rules = serde_json::from_slice(rules).expect("the rules");
    rules.metering
});

const GLOBAL: u8 = SectionId::Global as u8;
const EXPORT: u8 = SectionId::Export as u8;
const START: u8 = SectionId::Start as u8;
const CODE: u8 = SectionId::Code as u8;

/// The sections in their order, without the start section: that function is exported, as in a metered module.
const ORDER: [u8; 11] = [1, 2, 3, 4, 5, GLOBAL, EXPORT, 9, 12, CODE, 11];

/// The module, counting.
pub(crate) fn counting(module: &[u8]) -> Vec<u8> {
    let counter = globals(module);
    let mut code = CodeSection::new();
    let mut sections = BTreeMap::new();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.expect("a valid module");
        if let Payload::CodeSectionEntry(body) = &payload {
            code.raw(&function(module, body, counter));
        }
        if let Some((id, range)) = payload.as_section() {
            sections.insert(id, &module[range]);
        }
    }
    let start = sections.get(&START).copied().map(number);
    let mut out = Module::new();
    for id in ORDER {
        let data = sections.get(&id).copied();
        match (id, data) {
            (GLOBAL, _) => extended(&mut out, id, data, &own_globals()),
            (EXPORT, _) => extended(&mut out, id, data, &own_exports(counter, start)),
            (CODE, Some(_)) => {
                out.section(&code);
            }
            (_, Some(data)) => {
                out.section(&RawSection { id, data });
            }
            (_, None) => {}
        }
    }
    out.finish()
}

fn own_globals() -> GlobalSection {
    let mut globals = GlobalSection::new();
    let ty = GlobalType {
        val_type: ValType::I64,
        mutable: true,
        shared: false,
    };
    globals.global(ty, &ConstExpr::i64_const(0));
    globals
}

fn own_exports(counter: u32, start: Option<u32>) -> ExportSection {
    let mut exports = ExportSection::new();
    exports.export("tenzik:fuel", ExportKind::Global, counter);
    if let Some(start) = start {
        exports.export("tenzik:start", ExportKind::Func, start);
    }
    exports
}

/// A section with more items behind its own.
fn extended(out: &mut Module, id: u8, data: Option<&[u8]>, own: &impl Section) {
    let mut bytes = Vec::new();
    own.append_to(&mut bytes);
    // The section's number, its size, and then what a section holds.
    let mut own = BinaryReader::new(&bytes[1..], 0);
    own.read_var_u32().expect("a size");
    let own = &bytes[1 + own.original_position()..];
    let data = data.unwrap_or(&[0]);
    let (count, items) = (number(data), &data[after_number(data)..]);
    let (count_own, items_own) = (number(own), &own[after_number(own)..]);
    let mut all = Vec::new();
    (count + count_own).encode(&mut all);
    all.extend_from_slice(items);
    all.extend_from_slice(items_own);
    out.section(&RawSection { id, data: &all });
}

fn number(data: &[u8]) -> u32 {
    let number = BinaryReader::new(data, 0).read_var_u32();
    number.expect("a number")
}

fn after_number(data: &[u8]) -> usize {
    let mut reader = BinaryReader::new(data, 0);
    reader.read_var_u32().expect("a number");
    reader.original_position()
}

fn function(module: &[u8], body: &FunctionBody<'_>, counter: u32) -> Vec<u8> {
    let mut operators = body.get_operators_reader().expect("a valid body");
    let mut out = module[body.range().start..operators.original_position()].to_vec();
    charge(&mut out, counter, COSTS.entry);
    while !operators.eof() {
        let (operator, at) = operators.read_with_offset().expect("a valid operator");
        let bytes = &module[at..operators.original_position()];
        let each_round = matches!(operator, Operator::Loop { .. });
        if !each_round {
            charge(&mut out, counter, cost(bytes));
        }
        out.extend_from_slice(bytes);
        if each_round {
            charge(&mut out, counter, cost(bytes));
        }
    }
    out
}

fn cost(operator: &[u8]) -> i64 {
    let found = match operator[0] {
        0xfc => COSTS.operators_fc.get(&number(&operator[1..])),
        opcode => COSTS.operators.get(&format!("0x{opcode:02x}")),
    };
    found.copied().unwrap_or(COSTS.operator)
}

fn charge(out: &mut Vec<u8>, counter: u32, cost: i64) {
    if cost > 0 {
        let mut sink = InstructionSink::new(out);
        sink.global_get(counter).i64_const(cost).i64_sub();
        sink.global_set(counter);
    }
}

/// Every operator that has a cost of its own, or could have.
pub(crate) fn operators() -> impl Iterator<Item = (u8, u32)> {
    // Those of the first version and the sign extensions, without the gaps; then what stands behind the prefix.
    const RANGES: [(u8, u8); 7] = [
        (0x00, 0x05),
        (0x0b, 0x11),
        (0x1a, 0x1b),
        (0x20, 0x24),
        (0x28, 0x40),
        (0x41, 0xbf),
        (0xc0, 0xc4),
    ];
    let plain = RANGES.into_iter().flat_map(|(from, to)| from..=to);
    plain
        .map(|opcode| (opcode, 0))
        .chain((0..=14).map(|sub| (0xfc, sub)))
}

/// The operators of a module.
pub(crate) fn operators_of(module: &[u8]) -> BTreeSet<(u8, u32)> {
    let mut found = BTreeSet::new();
    for payload in Parser::new(0).parse_all(module) {
        let Payload::CodeSectionEntry(body) = payload.expect("a valid module") else {
            continue;
        };
        let operators = body.get_operators_reader().expect("a valid body");
        for at in operators.into_iter_with_offsets() {
            let (_, at) = at.expect("a valid operator");
            found.insert(match module[at] {
                0xfc => (0xfc, number(&module[at + 1..])),
                opcode => (opcode, 0),
            });
        }
    }
    found
}

/// The globals that there are.
fn globals(module: &[u8]) -> u32 {
    let mut count = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload.expect("a valid module") {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let ty = import.expect("a valid import").ty;
                    count += u32::from(matches!(ty, TypeRef::Global(_)));
                }
            }
            Payload::GlobalSection(globals) => count += globals.count(),
            _ => {}
        }
    }
    count
}
