//! Any sequence of host calls with any arguments over any memory.
//!
//! One capsule for each kind of text reads its calls from its own input, so that nothing is compiled anew for an input. The
//! input is also the memory that the calls' pointers lead to, and the document that handles and paths go into.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};

use arbitrary::{Arbitrary, Unstructured};
use tenzik::capability::{Grants, IMPORTS, Import, NumberType};
use tenzik::control::Control;
use tenzik::gateway::direct::{Direct, Tool};
use tenzik::gateway::{
    GatewayError, GatewayErrorCode, Json, SessionLimits, ToolGateway, ToolId, Tools,
};
use tenzik::limits::LimitsAsked;
use tenzik::outcome::Request;
use tenzik::pipeline::Order;
use tenzik::sandbox::Terms;
use tenzik_receipt::{InputType, Int, Seed};

use crate::same_claim;

#[derive(Arbitrary, Debug)]
struct Script {
    utf16: bool,
    raw: bool,
    fuel: u32,
    output_bytes: u16,
    clock: u32,
    seed: [u8; 32],
    calls: Vec<u8>,
    document: Vec<u8>,
}

/// No sequence makes the host panic, and each gives the same claim again.
pub fn host_calls(bytes: &[u8]) {
    let Ok(script) = Unstructured::new(bytes).arbitrary::<Script>() else {
        return;
    };
    same_claim(&order(&script));
}

fn order(script: &Script) -> Order {
    static UTF8: LazyLock<Vec<u8>> = LazyLock::new(|| capsule(1));
    static UTF16: LazyLock<Vec<u8>> = LazyLock::new(|| capsule(2));
    let capsule = if script.utf16 { &UTF16 } else { &UTF8 };
    Order {
        capsule: Arc::from(&capsule[..]),
        terms: Terms {
            grants: Grants::all(),
            limits: LimitsAsked {
                fuel: Some(u64::from(script.fuel).clamp(1, 20_000_000)),
                output_bytes: Some(u32::from(script.output_bytes).max(1)),
                time_ms: Some(10_000),
                ..LimitsAsked::default()
            },
            policy: None,
            tools: Some(Tools::new(Arc::clone(&TOOLS), TOOL_LIMITS)),
        },
        request: Request {
            input: Arc::from(input(script)),
            input_type: if script.raw { InputType::Bytes } else { InputType::Json },
            clock_ms: Int::from(script.clock),
            seed: Seed::from_bytes(script.seed),
        },
    }
}

/// `["calls",document]`
fn input(script: &Script) -> Vec<u8> {
    let plain = |byte: &u8| matches!(byte, 0x20..=0x7e) && *byte != b'"' && *byte != b'\\';
    let mut input = b"[\"".to_vec();
    input.extend(script.calls.iter().copied().filter(plain));
    input.extend_from_slice(b"\",");
    if script.raw || tenzik::json::check(&script.document).is_ok() {
        input.extend_from_slice(&script.document);
    } else {
        let text = String::from_utf8_lossy(&script.document);
        tenzik::json::text::write_string(&mut input, &text);
    }
    input.push(b']');
    input
}

/// So few that a script comes to their end.
const TOOL_LIMITS: SessionLimits = SessionLimits {
    tool_calls: 8,
    chain_steps: 1,
};

/// A tool of every name: what it does is in its arguments and its name alone, so that each run is told the same.
static TOOLS: LazyLock<Arc<dyn ToolGateway>> = LazyLock::new(|| {
    let names = (b'0'..=b'z').filter_map(|byte| ToolId::new(char::from(byte).to_string()).ok());
    let tool = |id: ToolId| {
        let fails = id.as_str().as_bytes()[0] % 4 == 0;
        Tool::new(id, "Gives back", move |arguments: &Json, _: &Control| match fails {
            true => Err(GatewayError::new(GatewayErrorCode::ToolFailed, arguments.as_str())),
            false => Ok(arguments.clone()),
        })
    };
    Arc::new(Direct::new(names.map(tool)).expect("each name once"))
});

/// A capsule whose text has units of so many bytes.
fn capsule(unit_bytes: u32) -> Vec<u8> {
    let mut text = String::from("(module\n");
    for row in IMPORTS.iter() {
        writeln!(text, "(import \"{}\" \"{}\" {})", row.module, row.name, signature(row)).expect("a string");
    }
    if unit_bytes == 2 {
        text += "(global (export \"capsule_text\") i32 (i32.const 16))\n";
    }
    text += READER;
    text += &RUN.replace("UNIT", &unit_bytes.to_string());
    let count = IMPORTS.iter().count();
    for (index, row) in IMPORTS.iter().enumerate() {
        let test = format!("(i32.eq (i32.rem_u (local.get $op) (i32.const {count})) (i32.const {index}))");
        writeln!(text, "(if {test} (then {} (br $next)))", call(row)).expect("a string");
    }
    text += "))\n)";
    wat::parse_str(text).expect("the capsule is well formed")
}

fn signature(row: &Import) -> String {
    let params: Vec<_> = row.params.iter().map(|param| param.name()).collect();
    let result = row.result.map_or(String::new(), |result| format!("(result {})", result.name()));
    format!("(func ${} (param {}) {result})", row.name, params.join(" "))
}

/// A call with arguments from the script. Its result is kept for the arguments of later ones.
fn call(row: &Import) -> String {
    let argument = |param: &NumberType| match param {
        NumberType::F64 => "(call $float)",
        NumberType::I32 | NumberType::I64 => "(call $integer)",
    };
    let arguments: String = row.params.iter().map(argument).collect();
    let call = format!("(call ${} {arguments})", row.name);
    match row.result {
        Some(NumberType::I32) => format!("(global.set $last {call})"),
        Some(_) => format!("(drop {call})"),
        None => call,
    }
}

/// Reads the script: a unit, and arguments of three units each, whose first says how the other two are meant.
const READER: &str = r#"
(memory (export "memory") 2)
(global $at (mut i32) (i32.const 0))
(global $step (mut i32) (i32.const 1))
(global $last (mut i32) (i32.const 0))
(func $unit (result i32) (local $value i32)
  (local.set $value (i32.load8_u (global.get $at)))
  (global.set $at (i32.add (global.get $at) (global.get $step)))
  (local.get $value))
(func $two (result i32)
  (i32.or
    (i32.shl (i32.and (call $unit) (i32.const 63)) (i32.const 6))
    (i32.and (call $unit) (i32.const 63))))
(func $integer (result i32) (local $kind i32) (local $value i32)
  (local.set $kind (i32.and (call $unit) (i32.const 3)))
  (local.set $value (call $two))
  (if (i32.eq (local.get $kind) (i32.const 1)) (then (return (global.get $last))))
  (if (i32.eq (local.get $kind) (i32.const 2)) (then (return (i32.shl (local.get $value) (i32.const 20)))))
  (if (i32.eq (local.get $kind) (i32.const 3)) (then (return (i32.sub (i32.const 0) (local.get $value)))))
  (local.get $value))
(func $float (result f64) (local $kind i32) (local $value i32)
  (local.set $kind (i32.and (call $unit) (i32.const 3)))
  (local.set $value (call $two))
  (if (i32.eq (local.get $kind) (i32.const 1)) (then (return (f64.convert_i32_s (global.get $last)))))
  (if (i32.eq (local.get $kind) (i32.const 2))
    (then (return (f64.reinterpret_i64 (i64.shl (i64.extend_i32_u (local.get $value)) (i64.const 52))))))
  (f64.div (f64.convert_i32_s (local.get $value)) (f64.const 8)))
"#;

/// Runs the script up to its closing quote.
const RUN: &str = r#"
(func (export "run") (local $op i32)
  (if (i32.gt_u (call $input_len) (i32.const 60000)) (then (return)))
  (if (i32.ge_s (call $json_root) (i32.const 0)) (then (global.set $step (i32.const UNIT))))
  (call $input_read (i32.const 0))
  (global.set $at (i32.shl (global.get $step) (i32.const 1)))
  (loop $next
    (local.set $op (call $unit))
    (if (i32.eq (local.get $op) (i32.const 34)) (then (return)))
    (if (i32.gt_u (global.get $at) (i32.const 120000)) (then (return)))
"#;
