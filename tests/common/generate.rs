//! Generated capsules: modules that wasm-smith makes of any bytes, shaped so that most of them are valid capsules.
//!
//! Enters: bytes, from a fuzzer or from a numbered stream. Leaves: a module, an input, and terms to run them under.

use arbitrary::{Arbitrary, Result, Unstructured};
use std::sync::Arc;
use tenzik::capability::{ABI, Capability, Grants, IMPORTS};
use tenzik::limits::LimitsAsked;
use tenzik::outcome::Request;
use tenzik::pipeline::Order;
use tenzik::sandbox::Terms;
use tenzik_receipt::{InputType, Int, Seed};

/// Fuel of a generated run: enough to do something, little enough to try many.
const FUEL: u64 = 200_000;

/// Makes an order of any bytes.
pub(crate) fn order(bytes: &[u8]) -> Result<Order> {
    let mut source = Unstructured::new(bytes);
    let request = request(&mut source)?;
    let capsule = module(&mut source)?;
    Ok(Order {
        capsule: Arc::from(capsule),
        terms: Terms {
            grants: Grants::all().difference(&Capability::Tools.into()),
            limits: LimitsAsked {
                fuel: Some(FUEL),
                host_calls: Some(2_000),
                memory_pages: Some(16),
                output_bytes: Some(65_536),
                time_ms: Some(10_000),
            },
            policy: None,
            tools: None,
        },
        request,
    })
}

/// The bytes of one numbered order: the same on every machine.
#[allow(dead_code, reason = "a fuzzer brings its own bytes")]
pub(crate) fn stream(number: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    let mut hasher = blake3::Hasher::new_derive_key("tenzik generated capsules v1");
    hasher.update(&number.to_le_bytes());
    hasher.finalize_xof().fill(&mut bytes);
    bytes
}

fn request(source: &mut Unstructured<'_>) -> Result<Request> {
    const JSON: [&str; 4] = [
        "null",
        r#"{"a":[1,2.5e3,"x\u00e9"],"b":{"c":true}}"#,
        "[[],{},[0,-0,1e400]]",
        "\"\\ud83d\\ude00\"",
    ];
    let json = source.choose(&JSON)?.as_bytes().to_vec();
    let raw = <[u8; 16]>::arbitrary(source)?;
    let (input, input_type) = if source.ratio(1, 4)? {
        (raw.to_vec(), InputType::Bytes)
    } else {
        (json, InputType::Json)
    };
    Ok(Request {
        input: Arc::from(input),
        input_type,
        clock_ms: Int::from(source.arbitrary::<u32>()?),
        seed: Seed::from_bytes(source.arbitrary()?),
    })
}

fn module(source: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let run = if source.arbitrary()? {
        "(result i32) i32.const 0"
    } else {
        ""
    };
    let exports = format!("(module (func (export \"run\") {run}) (memory (export \"memory\") 1))");
    let mut config = features();
    config.available_imports = Some(imports());
    config.exports = Some(wat::parse_str(exports).expect("the exports are well formed"));
    let module = wasm_smith::Module::new(config, source)?;
    Ok(module.to_bytes())
}

/// Every import that a capsule may have, but tools.
fn imports() -> Vec<u8> {
    let mut text = String::from("(module\n");
    for row in IMPORTS
        .iter()
        .filter(|row| row.capability != Some(Capability::Tools))
    {
        let params: Vec<_> = row.params.iter().map(|t| t.name()).collect();
        let result = row
            .result
            .map_or(String::new(), |t| format!("(result {})", t.name()));
        text += &format!(
            "(import \"{}\" \"{}\" (func (param {}) {result}))\n",
            row.module,
            row.name,
            params.join(" ")
        );
    }
    text += ")";
    assert!(text.contains(ABI));
    wat::parse_str(text).expect("the imports are well formed")
}

/// What `docs/abi.md` has on, and sizes that fit a capsule.
fn features() -> wasm_smith::Config {
    wasm_smith::Config {
        allow_start_export: false,
        bulk_memory_enabled: true,
        exceptions_enabled: false,
        gc_enabled: false,
        generate_custom_sections: false,
        max_data_segments: 8,
        max_element_segments: 4,
        max_funcs: 24,
        max_globals: 8,
        max_imports: 12,
        max_instructions: 300,
        // The one that is exported comes on top.
        max_memories: 0,
        max_memory32_bytes: 4 * 65_536,
        max_table_elements: 64,
        max_tables: 1,
        max_type_size: 64,
        memory64_enabled: false,
        min_imports: 2,
        min_funcs: 2,
        multi_value_enabled: true,
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        saturating_float_to_int_enabled: true,
        sign_extension_ops_enabled: true,
        simd_enabled: false,
        tail_call_enabled: false,
        threads_enabled: false,
        custom_page_sizes_enabled: false,
        wide_arithmetic_enabled: false,
        extended_const_enabled: false,
        ..wasm_smith::Config::default()
    }
}
