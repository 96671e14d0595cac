//! `--debug`, by the command: the receipt is the same with and without, and what is told is true.
//!
//! Enters: the capsules in `debugging/`, of which the lines that fail are known. Leaves: claims, files and lines, held against them.
#![cfg(unix)]

mod machine;

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use machine::{ASK, Machine, capsule, json, mode};

const DEBUGGING: (&str, &str) = ("TENZIK_SECURITY_ENABLE_DEBUGGING", "true");
/// What makes two runs one: a run has them from the system otherwise.
const FIXED: [&str; 8] = [
    "--seed",
    "0000000000000000000000000000000000000000000000000000000000000001",
    "--clock",
    "1700000000000",
    "--receipt",
    "receipt.json",
    "--grant",
    "json",
];

/// A machine that has the capsules in a folder `c`.
fn machine() -> Machine {
    let machine = Machine::new();
    fs::create_dir(machine.path("c")).expect("a directory");
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/debugging");
    for name in [
        "faulty.wasm",
        "faulty.debug.wasm",
        "faulty.debug.wasm.map",
        "lines.wasm",
        "lines.debug.wasm",
        "traced.wasm",
    ] {
        fs::copy(from.join(name), machine.path("c").join(name)).expect("a file");
    }
    machine
}

fn run(machine: &Machine, args: &[&str]) -> Output {
    let args: Vec<_> = ["run"]
        .into_iter()
        .chain(args.iter().copied())
        .chain(FIXED)
        .collect();
    let mut command = machine.command(&args);
    command
        .env(DEBUGGING.0, DEBUGGING.1)
        .output()
        .expect("it starts")
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

fn member<'a>(line: &'a Value, path: &str) -> &'a Value {
    line.pointer(path)
        .unwrap_or_else(|| panic!("{path}: {line}"))
}

#[test]
fn the_claim_is_the_same_with_and_without() {
    let machine = machine();
    let order = capsule("order-total");
    let example = format!("@{}", order.replace("order-total.wasm", "example.json"));
    for (module, input) in [
        ("c/faulty.wasm", "7"),
        ("c/faulty.wasm", "0"),
        ("c/faulty.wasm", "-1"),
        (&order, &example),
        (&order, "{}"),
    ] {
        let input = format!("--input={input}");
        let plain = run(&machine, &["--json", module, &input]);
        let debugged = run(&machine, &["--json", module, &input, "--debug", "seen"]);
        assert_eq!(
            plain.status.code(),
            debugged.status.code(),
            "{}",
            told(&debugged)
        );
        let (plain, mut debugged) = (json(&plain), json(&debugged));
        for path in [
            "/claim_id",
            "/status",
            "/output",
            "/usage/fuel",
            "/usage/host_calls",
        ] {
            assert_eq!(
                member(&plain, path),
                member(&debugged, path),
                "{module} {input}"
            );
        }
        assert!(plain.get("debug").is_none());
        let seen = debugged["debug"].take();
        let folded = fs::read_to_string(machine.path("seen/fuel.folded")).expect("a file");
        let fuel = folded
            .lines()
            .map(|line| line.rsplit_once(' ').expect("a figure").1);
        let fuel: u64 = fuel
            .map(|fuel| fuel.parse::<u64>().expect("a number"))
            .sum();
        assert_eq!(seen["fuel"], fuel);
        if debugged["status"] != "trapped" {
            assert_eq!(member(&debugged, "/usage/fuel"), fuel, "{module} {input}");
        }
        let calls = fs::read_to_string(machine.path("seen/calls.jsonl")).expect("a file");
        let calls: Vec<Value> = calls
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let counted = member(&debugged, "/usage/host_calls")
            .as_object()
            .expect("an object");
        let counted: u64 = counted.values().filter_map(Value::as_u64).sum();
        assert_eq!(calls.len() as u64, counted);
    }
}

#[test]
fn an_error_is_told_with_the_authors_line_and_who_called() {
    let machine = machine();
    for (input, line) in [
        (
            "--input=-1",
            "trapped: unreachable at faulty/index.ts:12:18 in faulty/index/share",
        ),
        (
            "--input=0",
            "trapped: divide_by_zero at faulty/index.ts:13:21 in faulty/index/share",
        ),
    ] {
        let told = told(&run(&machine, &["c/faulty.wasm", input, "--debug", "seen"]));
        let lines: Vec<_> = told.lines().skip_while(|told| *told != line).collect();
        assert!(lines.len() > 1, "{told}");
        assert_eq!(
            lines[1],
            "  called at faulty/index.ts:8:25 in tenzik-run/run"
        );
    }
}

#[test]
fn an_error_in_c_is_told_with_its_line_and_the_call_that_was_inlined() {
    let machine = machine();
    for (input, line) in [
        (
            "--input=-1",
            "trapped: unreachable at lines.c:6:5, inlined at lines.c:11:10 in twice",
        ),
        (
            "--input=0",
            "trapped: divide_by_zero at lines.c:7:14, inlined at lines.c:11:10 in twice",
        ),
    ] {
        let told = told(&run(&machine, &["c/lines.wasm", input, "--debug", "seen"]));
        let lines: Vec<_> = told.lines().skip_while(|told| *told != line).collect();
        assert!(lines.len() > 1, "{told}");
        assert_eq!(lines[1], "  called at lines.c:15:21 in run");
        assert!(!told.contains("note:"), "{told}");
    }
}

#[test]
fn lines_that_are_not_in_order_are_told_and_not_used() {
    let machine = machine();
    let debug = machine.path("c/lines.debug.wasm");
    let mut module = fs::read(&debug).expect("a module");
    let name = b".debug_line";
    let at = module.windows(name.len()).position(|bytes| bytes == name);
    // The length of the first table is four bytes behind the name.
    module[at.expect("it has lines") + name.len() + 1] = 0xff;
    fs::write(&debug, module).expect("a file");
    let output = run(&machine, &["c/lines.wasm", "--input=0", "--debug", "seen"]);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(7), "{told}");
    assert!(
        told.contains("trapped: divide_by_zero at byte 0xed in twice"),
        "{told}"
    );
    assert!(
        told.contains("note: c/lines.debug.wasm: no lines: "),
        "{told}"
    );
}

#[test]
fn without_symbols_there_are_numbers_and_with_those_of_other_code_a_note() {
    let machine = machine();
    fs::copy(capsule("echo"), machine.path("c/faulty.debug.wasm")).expect("a file");
    let other = told(&run(
        &machine,
        &["c/faulty.wasm", "--input=0", "--debug", "seen"],
    ));
    assert!(
        other.contains("trapped: divide_by_zero at byte 0x93 in function 2"),
        "{other}"
    );
    assert!(
        other.contains("note: c/faulty.debug.wasm has other code"),
        "{other}"
    );
    fs::remove_file(machine.path("c/faulty.debug.wasm")).expect("it was there");
    let none = told(&run(
        &machine,
        &["c/faulty.wasm", "--input=0", "--debug", "seen"],
    ));
    assert!(
        none.contains("in function 2") && !none.contains("note:"),
        "{none}"
    );
}

#[test]
fn what_is_seen_is_for_the_owner_and_the_same_each_time() {
    let machine = machine();
    let look = |directory: &str| {
        run(
            &machine,
            &["c/faulty.wasm", "--input=7", "--debug", directory],
        );
        ["fuel.svg", "fuel.folded", "calls.jsonl"].map(|name| {
            let path = machine.path(directory).join(name);
            assert_eq!(mode(&path), 0o600);
            fs::read_to_string(path).expect("text")
        })
    };
    let first = look("a/b");
    assert_eq!(first, look("c/d"));
    let [svg, folded, calls] = first;
    assert!(
        svg.starts_with("<svg xmlns=") && svg.contains("<title>faulty/index/share: "),
        "{svg}"
    );
    assert!(
        folded.contains("tenzik-run/run;faulty/index/share "),
        "{folded}"
    );
    assert!(calls.contains(r#""name":"output_num""#), "{calls}");
}

#[test]
fn a_module_that_is_built_for_debugging_speaks_and_gets_no_receipt() {
    let machine = machine();
    let output = run(
        &machine,
        &["c/traced.wasm", "--input=21", "--debug", "seen"],
    );
    let lines = told(&output);
    assert_eq!(
        (output.status.code(), &output.stdout[..]),
        (Some(0), &b"42"[..]),
        "{lines}"
    );
    assert!(lines.contains("\ntrace      the number is 21\n"), "{lines}");
    assert!(
        lines.contains("no receipt: the module is built for debugging"),
        "{lines}"
    );
    assert!(!machine.path("receipt.json").exists());
    let sealed = run(&machine, &["c/traced.wasm", "--input=21"]);
    assert_eq!(sealed.status.code(), Some(6));
    assert!(
        told(&sealed).contains("the module is built for debugging"),
        "{}",
        told(&sealed)
    );
}

#[test]
fn a_tool_is_called_once_and_answers_again_what_it_answered() {
    let machine = machine();
    let script = machine.file("tool.sh", "echo once >>called\nprintf '\"%s\"' $$\n");
    let tools = format!(r#"{{"tools":[{{"id":"text:echo","command":["/bin/sh","{script}"]}}]}}"#);
    let tools = machine.file("tools.json", tools);
    let module = machine.file("ask.wasm", wat::parse_str(ASK).expect("a module"));
    let asked = [
        "--input=1",
        "--grant",
        "tools",
        "--tools",
        &tools,
        "--debug",
        "seen",
    ];
    let args: Vec<_> = [&module[..]].into_iter().chain(asked).collect();
    let output = run(&machine, &args);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let called = fs::read_to_string(machine.path("called")).expect("it was called");
    assert_eq!(called, "once\n");
    let calls = fs::read_to_string(machine.path("seen/calls.jsonl")).expect("a file");
    assert!(
        calls.contains(r#""begins":"text:echo","bytes":9"#),
        "{calls}"
    );
}

#[test]
fn nothing_is_debugged_where_it_is_not_allowed() {
    let machine = machine();
    let args = ["run", "c/faulty.wasm", "--input=7", "--debug", "seen"];
    for (variable, value, hint) in [
        ("TENZIK_PRESET", "default", "ENABLE_DEBUGGING=true"),
        ("TENZIK_PRESET", "production", "TENZIK_PRESET=development"),
    ] {
        for debugging in ["false", "true"] {
            if (value, debugging) == ("default", "true") {
                continue;
            }
            let mut command = machine.command(&args);
            let output = command.env(variable, value).env(DEBUGGING.0, debugging);
            let output = output.output().expect("it starts");
            assert_eq!(output.status.code(), Some(5), "{value} {debugging}");
            assert!(
                told(&output).starts_with("error[debugging_denied]"),
                "{}",
                told(&output)
            );
            assert!(told(&output).contains(hint), "{}", told(&output));
        }
    }
    assert!(!machine.path("seen").exists() && !machine.path("home/data").exists());
}

#[test]
fn a_map_that_is_hostile_steers_nothing_and_opens_nothing() {
    let machine = machine();
    let map = machine.path("c/faulty.debug.wasm.map");
    let text = fs::read_to_string(&map).expect("a map");
    let named = text.replace("faulty/index.ts", "/etc/passwd\\u001b[2J");
    fs::write(&map, named).expect("a file");
    let lines = told(&run(
        &machine,
        &["c/faulty.wasm", "--input=0", "--debug", "seen"],
    ));
    assert!(
        lines.contains(r"at /etc/passwd\u{1b}[2J:13:21 in"),
        "{lines}"
    );
    assert!(
        !lines.contains('\u{1b}') && !lines.contains("root:"),
        "{lines}"
    );
    for broken in [
        "",
        "{}",
        r#"{"version":3,"sources":[],"mappings":"AAAA"}"#,
        "[[[[",
    ] {
        fs::write(&map, broken).expect("a file");
        let output = run(&machine, &["c/faulty.wasm", "--input=0", "--debug", "seen"]);
        assert_eq!(output.status.code(), Some(7), "{broken}");
        assert!(
            told(&output).contains("faulty.debug.wasm.map is not used:"),
            "{}",
            told(&output)
        );
    }
}
