//! Validation from outside: the folder of adversarial modules, compile bombs, and bytes of any kind.
//!
//! Each `.wat` under `tests/adversarial` says in its first line what is expected of it. Modules that
//! are large in one way are built here.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use tenzik::capability::{Capability, Grants, HostFunction};
use tenzik::validation::{
    COUNT_LIMITS, FEATURES, FINDINGS_MAX, FindingCode, Rejection, TextEncoding, ValidatedCapsule,
    ValidationConfig, validate,
};

const LARGE: ValidationConfig = ValidationConfig {
    capsule_bytes_max: 1024 * 1024,
};

fn assembled(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).expect("the test's own text assembles")
}

fn accepted(wat: &str) -> ValidatedCapsule {
    validate(assembled(wat), &LARGE).expect("an honest module")
}

fn rejected(bytes: Vec<u8>) -> Rejection {
    validate(bytes, &LARGE).expect_err("a hostile module")
}

fn codes(rejection: &Rejection) -> BTreeSet<&'static str> {
    rejection
        .findings
        .iter()
        .map(|finding| finding.code.as_str())
        .collect()
}

/// A module with `run` and `memory`, and what else is asked for.
fn with(body: &str) -> String {
    format!("(module (memory (export \"memory\") 1) (func (export \"run\")) {body})")
}

/// What a module exceeds, as `name count`.
fn excess(wat: &str) -> Vec<String> {
    let rejection = rejected(assembled(wat));
    assert_eq!(
        codes(&rejection),
        BTreeSet::from(["limit_exceeded"]),
        "{rejection}"
    );
    rejection
        .findings
        .into_iter()
        .map(|finding| finding.found)
        .collect()
}

fn exceeds(wat: &str, name: &str) {
    let found = excess(wat);
    let named = found
        .iter()
        .any(|count| count.split(' ').next() == Some(name));
    assert!(named, "{name} not in {found:?}");
}

#[test]
fn each_module_of_the_folder_is_judged_as_it_says() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/adversarial");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("a readable folder").path();
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let expected = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix(";; expect: "))
            .expect("the first line says what is expected");
        let name = path.display();
        match (
            expected,
            validate(assembled(&text), &ValidationConfig::default()),
        ) {
            ("accept", Ok(_)) => {}
            ("accept", Err(rejection)) => panic!("{name}: {rejection}"),
            (_, Ok(_)) => panic!("{name}: accepted"),
            (expected, Err(rejection)) => {
                let expected = expected.strip_prefix("reject ").expect("accept or reject");
                let expected = expected.split(',').collect::<BTreeSet<_>>();
                assert_eq!(
                    codes(&rejection),
                    expected,
                    "{name}: {:#?}",
                    rejection.findings
                );
            }
        }
        seen += 1;
    }
    assert!(seen > 50, "{seen} modules");
}

#[test]
fn a_capsule_says_what_it_is() {
    let capsule = accepted(
        r#"(module
        (import "tenzik_v1" "input_len" (func (result i32)))
        (import "tenzik_v1" "hash_commit" (func (param i32 i32) (result i32)))
        (import "tenzik_v1" "input_len" (func (result i32)))
        (memory (export "memory") 2 7)
        (table 3 funcref)
        (elem (i32.const 1) $run $run)
        (data (i32.const 0) "abcde")
        (data "passive")
        (global (export "capsule_text") i32 (i32.const 16))
        (start $start)
        (func $start)
        (func $run (export "run") (result i32) (i32.const 0)))"#,
    );
    assert_eq!(
        capsule.imports(),
        [HostFunction::HashCommit, HostFunction::InputLen]
    );
    assert_eq!(
        capsule.required_grants(),
        Grants::from_iter([Capability::Hash])
    );
    assert_eq!(
        (capsule.memory_pages_min(), capsule.memory_pages_max()),
        (2, Some(7))
    );
    assert_eq!((capsule.table_slots(), capsule.segment_units()), (3, 7));
    assert_eq!(capsule.text(), TextEncoding::Utf16);
    assert!(capsule.has_start() && capsule.run_returns_code());
    assert_eq!(capsule.shape().functions, 2);
    let exports = capsule
        .exports()
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    assert_eq!(
        exports,
        ["memory `memory`", "global `capsule_text`", "function `run`"]
    );
    assert_eq!(
        capsule.id().to_string(),
        format!("blake3:{}", blake3::hash(capsule.bytes()))
    );
    assert!(capsule.warnings().is_empty());
}

#[test]
fn findings_come_by_offset_with_what_is_allowed() {
    let rejection = rejected(assembled(
        r#"(module (import "tenzik_v1" "out_write" (func))
        (memory (export "memory") 1) (func (export "run")))"#,
    ));
    let finding = &rejection.findings[0];
    assert_eq!(finding.code, FindingCode::ImportUnknown);
    assert!(
        finding
            .allowed
            .contains("`tenzik_v1.output_write` (i32, i32)"),
        "{finding}"
    );
    let rejection = rejected(assembled(
        r#"(module (import "tenzik_v1" "hash_commit" (func (param f32)))
        (memory (export "memory") 1) (func (export "run")))"#,
    ));
    let finding = &rejection.findings[0];
    assert_eq!(finding.found, "`tenzik_v1`.`hash_commit` (f32)");
    assert_eq!(finding.allowed, "(i32, i32) -> i32");
    assert!(
        rejection
            .findings
            .is_sorted_by_key(|finding| finding.offset)
    );
}

#[test]
fn the_size_is_warned_of_from_80_percent_and_refused_beyond_the_limit() {
    let bytes = assembled(&with(""));
    let size = bytes.len() as u32;
    let at = |capsule_bytes_max| validate(bytes.clone(), &ValidationConfig { capsule_bytes_max });
    let warnings = |limit| at(limit).expect("it fits").warnings().len();
    assert_eq!(warnings(size), 1);
    assert_eq!(warnings(size * 5 / 4), 1);
    assert_eq!(warnings(size * 5 / 4 + 1), 0);
    let rejection = at(size - 1).expect_err("one byte too many");
    assert_eq!(codes(&rejection), BTreeSet::from(["size_limit"]));
}

#[test]
fn a_module_of_100_mb_is_refused_by_its_size_alone() {
    let mut bytes = assembled(&with(""));
    bytes.resize(100_000_000, 0);
    let start = Instant::now();
    let rejection = rejected(bytes);
    assert_eq!(codes(&rejection), BTreeSet::from(["size_limit"]));
    assert_eq!(rejection.bytes, 100_000_000);
    assert!(start.elapsed() < Duration::from_secs(20)); // hashed without optimisation
}

#[test]
fn a_module_that_is_too_large_is_told_its_other_faults_too() {
    let wat = format!(
        "(module (memory 1) (data (i32.const 0) \"{}\"))",
        "x".repeat(6_000)
    );
    let rejection = validate(assembled(&wat), &ValidationConfig::default());
    let expected = BTreeSet::from(["export_missing", "size_limit"]);
    assert_eq!(codes(&rejection.expect_err("too large")), expected);
}

#[test]
fn every_limit_has_a_name_and_a_reason_and_they_are_sorted() {
    assert!(
        COUNT_LIMITS
            .windows(2)
            .all(|pair| pair[0].name < pair[1].name)
    );
    assert!(
        COUNT_LIMITS
            .iter()
            .all(|limit| limit.limit > 0 && !limit.reason.is_empty())
    );
}

#[test]
fn counts_above_their_limits_are_named() {
    let many = |count: usize, what: &str| with(&what.repeat(count));
    exceeds(&many(1_001, "(global i32 (i32.const 0))"), "globals");
    exceeds(&many(1_001, "(data \"\")"), "data_segments");
    exceeds(&many(1_001, "(elem func)"), "element_segments");
    exceeds(
        &with(&format!("(func (param {}))", "i32 ".repeat(65))),
        "params",
    );
    let results = format!("(func (result {}) unreachable)", "i32 ".repeat(17));
    exceeds(&with(&results), "results");
    exceeds(
        &with(&format!("(func (local {}))", "i32 ".repeat(2_001))),
        "locals",
    );
    let nest = |depth: usize, what: &str| {
        with(&format!(
            "(func {} {})",
            what.repeat(depth),
            "end ".repeat(depth)
        ))
    };
    exceeds(&nest(512, "block "), "block_depth");
    exceeds(&nest(25, "loop "), "loop_depth");
    let stack = |height: usize| {
        with(&format!(
            "(func {} {})",
            "i32.const 0 ".repeat(height),
            "drop ".repeat(height)
        ))
    };
    exceeds(&stack(1_025), "operand_height");
    let switch = format!("(func i32.const 0 br_table {})", "0 ".repeat(4_098));
    exceeds(&with(&switch), "br_table_targets");
    let name = with(&format!("(func (export \"{}\"))", "n".repeat(257)));
    exceeds(&name, "export_name_bytes");
    let types = (0..1_001).fold(String::new(), |mut types, index| {
        let bits = (0..10).map(|bit| {
            if index >> bit & 1 == 1 {
                "i64 "
            } else {
                "i32 "
            }
        });
        let _ = write!(types, "(type (func (param {})))", bits.collect::<String>());
        types
    });
    exceeds(&with(&types), "types");
    assert!(
        excess(&many(1_001, "(func)"))
            .iter()
            .all(|found| !found.starts_with("functions"))
    );
}

#[test]
fn modules_at_the_limits_pass() {
    let nest = |depth: usize, what: &str| {
        with(&format!(
            "(func {} {})",
            what.repeat(depth),
            "end ".repeat(depth)
        ))
    };
    accepted(&nest(511, "block "));
    accepted(&nest(24, "loop "));
    accepted(&with(&format!("(func (param {}))", "i32 ".repeat(64))));
    accepted(&with(&format!("(func (local {}))", "i32 ".repeat(2_000))));
}

/// Text that adds one to each of the locals.
fn touch(locals: usize) -> String {
    (0..locals).fold(String::new(), |mut text, local| {
        let _ = write!(
            text,
            "local.get {local} i32.const 1 i32.add local.set {local} "
        );
        text
    })
}

#[test]
fn compile_bombs_are_refused() {
    let locals = |count: usize| format!("(local {})", "i32 ".repeat(count));
    // Each takes a few kilobytes. The first three are the ones that gave the limits their shape.
    let empty = format!("(func {})", locals(1_000)).repeat(300);
    let loops = |depth: usize, width: usize| {
        let ends = "local.get 0 br_if 0 end ".repeat(depth);
        format!(
            "(func {} {} {} {ends})",
            locals(width),
            "loop ".repeat(depth),
            touch(width)
        )
    };
    let joins = format!(
        "(func {} block {} end)",
        locals(10),
        format!("local.get 0 br_if 0 {}", touch(1))
            .repeat(60)
            .replace("local.set 0", "local.set 1")
            + &touch(10)
            + &"local.get 0 br_if 0 ".repeat(500)
    );
    let wide = "(type $t (func (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32 i32 i32 i32 i32 i32 i32 i32)))";
    let calls = format!(
        "{wide} (func $f (type $t) unreachable) (func {} {} unreachable)",
        "i32.const 0 ".repeat(8),
        "call $f ".repeat(2_000)
    );
    let bombs = [
        ("locals in many functions", empty),
        ("loops around live locals", loops(24, 320)),
        ("many functions", "(func)".repeat(1_000)),
        ("edges to one join", joins),
        ("calls with results in memory", calls),
        (
            "indirect calls",
            format!(
                "(table 1 funcref) (func {})",
                "i32.const 0 call_indirect ".repeat(800)
            ),
        ),
        (
            "growth",
            format!("(func i32.const 0 {} drop)", "memory.grow ".repeat(2_000)),
        ),
        (
            "fills",
            format!(
                "(func {})",
                "i32.const 0 i32.const 0 i32.const 0 memory.fill ".repeat(500)
            ),
        ),
        (
            "roots",
            format!("(func f64.const 2 {} drop)", "f64.sqrt ".repeat(4_500)),
        ),
        (
            "back edges",
            format!("(func {})", "loop i32.const 1 br_if 0 end ".repeat(700)),
        ),
        (
            "branches of a table",
            format!(
                "(func {} block {} i32.const 0 br_table {} end)",
                locals(40),
                touch(40),
                "0 ".repeat(2_000)
            ),
        ),
    ];
    for (name, body) in bombs {
        let bytes = assembled(&with(&body));
        assert!(bytes.len() <= 5_120, "{name} has {} bytes", bytes.len());
        assert!(validate(bytes, &LARGE).is_err(), "{name} is accepted");
        let found = excess(&with(&body));
        assert!(
            found.iter().any(|count| count.starts_with("compile_cost")),
            "{name}: {found:?}"
        );
    }
}

/// 500 functions of 50,000 locals each, in some 4 KB.
fn functions_of_many_locals() -> Vec<u8> {
    use wasm_encoder::{
        CodeSection, ExportKind, ExportSection, Function, FunctionSection, MemorySection,
        MemoryType, Module, TypeSection, ValType,
    };
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let (mut functions, mut code) = (FunctionSection::new(), CodeSection::new());
    let mut body = Function::new([(50_000, ValType::I32)]);
    body.instructions().end();
    for _ in 0..500 {
        functions.function(0);
        code.function(&body);
    }
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut exports = ExportSection::new();
    exports.export("run", ExportKind::Func, 0);
    exports.export("memory", ExportKind::Memory, 0);
    let mut module = Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&memories);
    module.section(&exports).section(&code);
    module.finish()
}

#[test]
fn the_two_bombs_that_are_known_by_name_are_refused() {
    let locals = functions_of_many_locals();
    assert!(locals.len() < 5_120, "{} bytes", locals.len());
    assert!(codes(&rejected(locals)).contains("limit_exceeded"));
    let ends = "local.get 0 br_if 0 end ".repeat(60);
    let loops = format!(
        "(func (local {}) {} {} {ends})",
        "i32 ".repeat(200),
        "loop ".repeat(60),
        touch(200)
    );
    assert!(assembled(&with(&loops)).len() < 2_200);
    exceeds(&with(&loops), "loop_depth");
    exceeds(&with(&loops), "compile_cost");
}

#[test]
fn honest_shapes_stay_far_below_the_bound() {
    // A switch of 100 arms, in a loop, over 40 locals, as Rust and C build it.
    let arms = (0..100).fold(String::new(), |mut text, arm| {
        let local = arm % 40;
        let _ = write!(
            text,
            "end local.get {local} i32.const 3 i32.mul local.set {local} br {} ",
            99 - arm
        );
        text
    });
    let labels = (0..100).fold(String::new(), |mut text, arm| {
        let _ = write!(text, "{arm} ");
        text
    });
    let switch = format!(
        "(func (local {}) loop {} local.get 0 br_table {labels} {arms} end)",
        "i32 ".repeat(40),
        "block ".repeat(100),
    );
    let cost = accepted(&with(&switch)).shape().compile_cost;
    assert!(cost < 5_120 * 6, "{cost}");
}

#[test]
fn names_of_foreign_modules_are_bounded_in_number_and_length() {
    let imports = (0..5_000).fold(String::new(), |mut text, index| {
        let _ = write!(
            text,
            "(import \"\\1b[2J{}\" \"{index}\" (func))",
            "m".repeat(80)
        );
        text
    });
    let rejection = rejected(assembled(&format!("(module {imports})")));
    assert_eq!(rejection.findings.len(), FINDINGS_MAX);
    assert!(rejection.findings_more > 4_900);
    for finding in &rejection.findings {
        let text = finding.to_string();
        assert!(
            text.len() < 500 && !text.chars().any(char::is_control),
            "{text}"
        );
    }
    assert!(rejection.to_string().len() < 700);
    let long = format!("(module (import \"{}\" \"x\" (func)))", "n".repeat(90_000));
    assert!(
        rejected(assembled(&long))
            .findings
            .iter()
            .all(|finding| finding.to_string().len() < 500)
    );
}

fn sample() -> Vec<u8> {
    assembled(
        r#"(module
        (import "tenzik_v1" "output_write" (func $write (param i32 i32)))
        (memory (export "memory") 1) (table 1 funcref) (elem (i32.const 0) $run)
        (global (export "capsule_text") i32 (i32.const 8)) (data (i32.const 8) "null")
        (func $run (export "run") (local i32 f64)
          (loop (br_if 0 (local.tee 0 (i32.eqz (local.get 0)))))
          (block (br_table 0 0 1 (local.get 0)))
          (call $write (i32.const 8) (i32.const 4))))"#,
    )
}

/// Nothing panics, and what is accepted is valid by the parser's own judgement.
fn judged(bytes: &[u8]) -> Result<(), TestCaseError> {
    match validate(bytes.to_vec(), &LARGE) {
        Ok(capsule) => {
            let judged = wasmparser::Validator::new_with_features(FEATURES).validate_all(bytes);
            prop_assert!(judged.is_ok());
            prop_assert_eq!(&capsule.bytes()[..], bytes);
        }
        Err(rejection) => prop_assert!(!rejection.findings.is_empty()),
    }
    Ok(())
}

#[test]
fn every_beginning_of_a_module_is_judged() {
    let whole = sample();
    assert!(validate(whole.clone(), &LARGE).is_ok());
    // A module without its last section may still be one; the parser has to agree.
    let accepted = (0..whole.len()).filter(|length| {
        judged(&whole[..*length]).expect("a judgement that the parser shares");
        validate(&whole[..*length], &LARGE).is_ok()
    });
    assert_eq!(
        accepted.count(),
        2,
        "without its names, and without its data too"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        judged(&bytes)?;
    }

    #[test]
    fn any_bytes_after_a_header_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        judged(&[b"\0asm\x01\0\0\0", &bytes[..]].concat())?;
    }

    #[test]
    fn changed_bytes_are_judged(changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..6)) {
        let mut bytes = sample();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] ^= byte;
        }
        judged(&bytes)?;
    }

    #[test]
    fn generated_modules_are_judged(seed in proptest::collection::vec(any::<u8>(), 64..2_000), all in any::<bool>()) {
        let mut config = wasm_smith::Config::default();
        if !all {
            config.reference_types_enabled = false;
            config.simd_enabled = false;
            config.tail_call_enabled = false;
            config.gc_enabled = false;
            config.exceptions_enabled = false;
            config.memory64_enabled = false;
            config.max_memories = 1;
        }
        let mut seed = arbitrary::Unstructured::new(&seed);
        if let Ok(module) = wasm_smith::Module::new(config, &mut seed) {
            judged(&module.to_bytes())?;
        }
    }
}
