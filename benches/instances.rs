//! Many live instances: what each takes of resident memory, of page tables and of the mappings that the system allows.
//!
//! `cargo bench --bench instances`, or with a number behind `--` for so many instances. Each row is measured in a process of
//! its own, by `/proc/self`.

use std::fs;
use std::process::Command;

use tenzik::config::{Allocation, Engines, RuntimeConfig, SecurityConfig};
use tenzik::execution::{Executor, Ready};
use tenzik::outcome::Request;
use tenzik::sandbox::{BoundCapsule, Sandbox, Terms};
use tenzik::validation::{ValidationConfig, validate};

const ECHO: &[u8] = include_bytes!("../capsules/echo/echo.wasm");
const INPUT: &[u8] = br#"{"sku":"A-1","qty":3}"#;

/// What is said of an instance at the most, in KiB.
const TARGET_KIB: f64 = 16.0;

/// The same with data so far apart that they are no image to be mapped: they are written into the first page, and into
/// another, before anything runs.
const TOUCHED: &str = r#"(module
  (import "tenzik_v1" "input_len" (func $input_len (result i32)))
  (import "tenzik_v1" "input_read" (func $input_read (param i32)))
  (import "tenzik_v1" "output_write" (func $output_write (param i32 i32)))
  (memory (export "memory") 8)
  (data (i32.const 65536) "x")
  (data (i32.const 458752) "y")
  (func (export "run")
    (call $input_read (i32.const 0))
    (call $output_write (i32.const 0) (call $input_len))))"#;

/// Data in the middle of a memory, mapped as an image, in a memory that grows and is written to.
const GROWN: &str = r#"(module
  (import "tenzik_v1" "input_len" (func $input_len (result i32)))
  (import "tenzik_v1" "input_read" (func $input_read (param i32)))
  (import "tenzik_v1" "output_write" (func $output_write (param i32 i32)))
  (memory (export "memory") 3)
  (table 10 funcref)
  (data (i32.const 70000) "x")
  (func (export "run")
    (i32.store8 (i32.const 70001) (i32.const 1))
    (i32.store8 (i32.const 180000) (i32.const 1))
    (drop (memory.grow (i32.const 4)))
    (i32.store8 (i32.const 200000) (i32.const 1))
    (call $input_read (i32.const 0))
    (call $output_write (i32.const 0) (call $input_len))))"#;

#[derive(Clone, Copy, PartialEq)]
enum Story {
    /// Echo, each in a place that nobody had before.
    New,
    /// Data written into two pages.
    Touched,
    /// Echo, where another was and was dropped.
    AfterDropped,
    /// Echo, where another ran.
    AfterRun,
    /// With data in the middle, where another of its kind ran and grew.
    Grown,
}

const ROWS: [(&str, Allocation, Story); 10] = [
    ("pooled, nothing run", Allocation::Pooled, Story::New),
    (
        "pooled, two pages written",
        Allocation::Pooled,
        Story::Touched,
    ),
    (
        "pooled, after one that was dropped",
        Allocation::Pooled,
        Story::AfterDropped,
    ),
    (
        "pooled, after one that ran",
        Allocation::Pooled,
        Story::AfterRun,
    ),
    (
        "pooled, with data, after one that grew",
        Allocation::Pooled,
        Story::Grown,
    ),
    ("on demand, nothing run", Allocation::OnDemand, Story::New),
    (
        "on demand, two pages written",
        Allocation::OnDemand,
        Story::Touched,
    ),
    (
        "on demand, after one that was dropped",
        Allocation::OnDemand,
        Story::AfterDropped,
    ),
    (
        "on demand, after one that ran",
        Allocation::OnDemand,
        Story::AfterRun,
    ),
    (
        "on demand, with data, after one that grew",
        Allocation::OnDemand,
        Story::Grown,
    ),
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [row, count] = &arguments[..]
        && let Some(row) = row.strip_prefix("row=")
    {
        return measure(
            row.parse().expect("a row"),
            count.parse().expect("a number"),
        );
    }
    // As a test it only has to work.
    let full = if arguments.iter().any(|argument| argument == "--bench") {
        10_000
    } else {
        100
    };
    let asked = arguments.iter().find_map(|argument| argument.parse().ok());
    let count: u32 = asked.unwrap_or(full);
    println!("{count} live instances; vm.max_map_count = {}", limit());
    println!(
        "\n| what | KiB resident each | target | KiB of page tables each | mappings each |\n|---|---|---|---|---|"
    );
    for (number, (what, ..)) in ROWS.iter().enumerate() {
        let program = std::env::current_exe().expect("this program");
        let row = Command::new(program)
            .args([format!("row={number}"), count.to_string()])
            .output()
            .expect("a process");
        let said = String::from_utf8_lossy(&row.stdout);
        if row.status.success() {
            println!("| {what} | {} |", said.trim());
        } else {
            println!(
                "| {what} | {} |",
                String::from_utf8_lossy(&row.stderr).trim()
            );
        }
    }
}

fn limit() -> String {
    let limit = fs::read_to_string("/proc/sys/vm/max_map_count");
    limit.map_or("unknown".to_owned(), |limit| limit.trim().to_owned())
}

fn measure(row: usize, count: u32) {
    let (_, allocation, story) = ROWS[row];
    let security = SecurityConfig::default();
    let runtime = RuntimeConfig {
        allocation,
        engines: Engines::Wasmtime,
        instances_max: count,
        ..RuntimeConfig::default()
    };
    let bytes = match story {
        Story::Touched => wat::parse_str(TOUCHED).expect("well formed"),
        Story::Grown => wat::parse_str(GROWN).expect("well formed"),
        _ => ECHO.to_vec(),
    };
    let capsule = validate(bytes, &ValidationConfig::default()).expect("valid");
    let bound = Sandbox::new(&security, &runtime).bind(capsule, &Terms::default());
    let bound = bound.expect("bound");
    let request = Request::json(INPUT);
    let executor = Executor::new(&security, &runtime).unwrap_or_else(|error| fail(&error));
    executor.execute(&bound, &request).expect("a run");
    let before = Figures::now();
    match story {
        Story::New | Story::Touched => {}
        Story::AfterDropped => drop(live(&executor, &bound, &request, count)),
        Story::AfterRun | Story::Grown => {
            for ready in live(&executor, &bound, &request, count) {
                assert_eq!(ready.run().output(), Some(INPUT));
            }
        }
    }
    eprintln!(
        "after drop: {:.2}",
        (Figures::now().mappings - before.mappings) as f64 / f64::from(count)
    );
    let ready = live(&executor, &bound, &request, count);
    eprintln!(
        "live: {:.2}",
        (Figures::now().mappings - before.mappings) as f64 / f64::from(count)
    );
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux has it");
    for line in maps.lines().take(30) {
        eprintln!("{line}");
    }
    let after = Figures::now();
    let each = |after: u64, before: u64| after.saturating_sub(before) as f64 / f64::from(count);
    println!(
        "{:.1} | {TARGET_KIB} | {:.1} | {:.2}",
        each(after.resident_kib, before.resident_kib),
        each(after.page_tables_kib, before.page_tables_kib),
        each(after.mappings, before.mappings),
    );
    for ready in ready {
        assert_eq!(ready.run().output(), Some(INPUT));
    }
}

fn live<'a>(
    executor: &'a Executor,
    bound: &'a BoundCapsule,
    request: &'a Request,
    count: u32,
) -> Vec<Ready<'a>> {
    let one = |_| {
        executor
            .ready(bound, request)
            .unwrap_or_else(|error| fail(&error))
    };
    (0..count).map(one).collect()
}

fn fail(error: &dyn std::error::Error) -> ! {
    eprintln!("{error}");
    std::process::exit(1)
}

/// What the system says of this process.
struct Figures {
    resident_kib: u64,
    page_tables_kib: u64,
    mappings: u64,
}

impl Figures {
    fn now() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let number =
                line.and_then(|line| line.trim_matches([':', '\t', ' ', 'k', 'B']).parse().ok());
            number.unwrap_or(0)
        };
        let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
        Self {
            resident_kib: kib("VmRSS"),
            page_tables_kib: kib("VmPTE"),
            mappings: maps.lines().count() as u64,
        }
    }
}
