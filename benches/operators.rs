//! What a unit of fuel takes, by class of operator: each in a long chain in which one waits for the one before.
//!
//! `cargo bench --bench operators`
//!
//! The working set is in the cache. What a unit takes outside of it is the last line: loads that miss, from all over 32 MiB.

use std::time::{Duration, Instant};

use tenzik::metering::meter;
use tenzik::validation::{ValidationConfig, validate};
use wasmtime::{Config, Engine, Instance, Module, Store, Val};

/// The constants come out of memory, where the compiler does not see them. How often each chain's step stands in the loop, and how often the loop goes round.
const STEPS: usize = 100;
const ROUNDS: usize = 2_000;
const REPEATS: usize = 9;

/// A class, and a step of its chain. `$x $y` are `i32`, `$l $m` `i64`, `$f $g` `f32`, `$d $e` `f64`.
const CLASSES: [(&str, &str); 43] = [
    (
        "i32.add",
        "(local.set $x (i32.add (local.get $x) (local.get $y)))",
    ),
    (
        "i64.xor",
        "(local.set $l (i64.xor (i64.add (local.get $l) (local.get $m)) (local.get $m)))",
    ),
    (
        "i32.rotl",
        "(local.set $x (i32.rotl (i32.add (local.get $x) (local.get $y)) (local.get $x)))",
    ),
    (
        "i32.lt_s",
        "(local.set $x (i32.lt_s (local.get $x) (local.get $y)))",
    ),
    (
        "i64.eqz",
        "(local.set $l (i64.add (local.get $m) (i64.extend_i32_u (i64.eqz (local.get $l)))))",
    ),
    (
        "select",
        "(local.set $x (select (local.get $y) (i32.const 7) (local.get $x)))",
    ),
    (
        "i32.mul",
        "(local.set $x (i32.mul (local.get $x) (local.get $y)))",
    ),
    (
        "i64.mul",
        "(local.set $l (i64.mul (local.get $l) (local.get $m)))",
    ),
    ("i32.clz", "(local.set $x (i32.clz (local.get $x)))"),
    ("i32.ctz", "(local.set $x (i32.ctz (local.get $x)))"),
    ("i32.popcnt", "(local.set $x (i32.popcnt (local.get $x)))"),
    ("i64.popcnt", "(local.set $l (i64.popcnt (local.get $l)))"),
    (
        "i32.div_s",
        "(local.set $x (i32.or (i32.div_s (local.get $x) (local.get $y)) (i32.const 0x7ffffff)))",
    ),
    (
        "i32.div_u",
        "(local.set $x (i32.or (i32.div_u (local.get $x) (local.get $y)) (i32.const 0x7fffffff)))",
    ),
    (
        "i64.div_s",
        "(local.set $l (i64.or (i64.div_s (local.get $l) (local.get $m)) (i64.const 0x7fffffffffffffff)))",
    ),
    (
        "i64.rem_u",
        "(local.set $l (i64.or (i64.rem_u (local.get $l) (local.get $m)) (i64.const 0x7fffffffffffffff)))",
    ),
    (
        "f32.add",
        "(local.set $f (f32.add (local.get $f) (local.get $g)))",
    ),
    (
        "f64.mul",
        "(local.set $d (f64.mul (local.get $d) (local.get $e)))",
    ),
    (
        "f64.mul, seen",
        "(local.set $d (f64.reinterpret_i64 (i64.reinterpret_f64 (f64.mul (local.get $d) (local.get $e)))))",
    ),
    (
        "f64.div",
        "(local.set $d (f64.div (local.get $d) (local.get $e)))",
    ),
    ("f64.sqrt", "(local.set $d (f64.sqrt (local.get $d)))"),
    (
        "f64.min",
        "(local.set $d (f64.add (f64.min (local.get $d) (local.get $e)) (local.get $e)))",
    ),
    (
        "f32.max",
        "(local.set $f (f32.add (f32.max (local.get $f) (local.get $g)) (local.get $g)))",
    ),
    ("f64.floor", "(local.set $d (f64.floor (local.get $d)))"),
    ("f32.nearest", "(local.set $f (f32.nearest (local.get $f)))"),
    (
        "f64.neg",
        "(local.set $d (f64.add (f64.neg (local.get $d)) (local.get $e)))",
    ),
    (
        "f64.copysign",
        "(local.set $d (f64.copysign (local.get $d) (local.get $e)))",
    ),
    (
        "f64.lt",
        "(local.set $d (f64.convert_i32_s (f64.lt (local.get $d) (local.get $e))))",
    ),
    (
        "i32.trunc_f64_s",
        "(local.set $x (i32.trunc_f64_s (f64.convert_i32_s (local.get $x))))",
    ),
    (
        "i64.trunc_f64_u",
        "(local.set $l (i64.trunc_f64_u (f64.convert_i64_u (i64.and (local.get $l) (i64.const 0xffff)))))",
    ),
    (
        "i32.trunc_sat_f64_s",
        "(local.set $x (i32.trunc_sat_f64_s (f64.convert_i32_s (local.get $x))))",
    ),
    (
        "f64.promote",
        "(local.set $f (f32.demote_f64 (f64.promote_f32 (local.get $f))))",
    ),
    (
        "reinterpret",
        "(local.set $l (i64.reinterpret_f64 (f64.reinterpret_i64 (local.get $l))))",
    ),
    (
        "i32.load",
        "(local.set $x (i32.load (i32.and (local.get $x) (i32.const 0xfff))))",
    ),
    (
        "i32.store, load",
        "(i32.store (local.get $y) (local.get $x)) (local.set $x (i32.load (i32.wrap_i64 (local.get $m))))",
    ),
    (
        "if",
        "(if (i32.and (local.get $x) (i32.const 1)) (then (local.set $x (i32.add (local.get $x) (local.get $y)))) (else (local.set $x (i32.mul (local.get $x) (local.get $y)))))",
    ),
    (
        "br_table",
        "(block (block (block (br_table 0 1 2 (i32.and (local.get $x) (i32.const 3)))) (local.set $x (i32.add (local.get $x) (i32.const 1))) (br 1)) (local.set $x (i32.add (local.get $x) (i32.const 5))))",
    ),
    ("call", "(local.set $x (call $one (local.get $x)))"),
    (
        "call_indirect",
        "(local.set $x (call_indirect (type $one) (local.get $x) (i32.const 0)))",
    ),
    (
        "loop",
        "(local.set $x (i32.const 20)) (loop (br_if 0 (local.tee $x (i32.sub (local.get $x) (i32.const 1)))))",
    ),
    (
        "memory.size",
        "(local.set $x (i32.add (memory.size) (local.get $x)))",
    ),
    (
        "memory.fill of 8",
        "(memory.fill (i32.const 64) (i32.const 1) (i32.const 8))",
    ),
    (
        "memory.copy of 16 KiB",
        "(memory.copy (i32.const 65536) (i32.const 0) (i32.const 16384))",
    ),
];

/// Loads from places that no cache has.
const MISSES: &str = "(local.set $x (i32.load (i32.and (i32.mul (i32.add (local.get $x) (local.get $y)) (i32.const 0x9e3779b1)) (i32.const 0x1fffffc)))) (local.set $y (i32.add (local.get $y) (i32.const 12345)))";

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        println!("{:?} for a unit of {}", unit(CLASSES[0].1), CLASSES[0].0);
        return;
    }
    let mut rows: Vec<_> = CLASSES
        .iter()
        .map(|(name, step)| (*name, unit(step)))
        .collect();
    rows.sort_by(|a, b| a.1.total_cmp(&b.1));
    println!("| class | picoseconds a unit | of the cheapest |\n|---|---|---|");
    let cheapest = rows[0].1;
    for (name, picoseconds) in &rows {
        println!(
            "| {name} | {picoseconds:.0} | {:.1} |",
            picoseconds / cheapest
        );
    }
    let misses = unit(MISSES);
    println!(
        "| loads that miss | {misses:.0} | {:.1} |",
        misses / cheapest
    );
}

/// What a unit takes in a loop of such steps, in picoseconds: the least of several runs.
fn unit(step: &str) -> f64 {
    let text = format!(
        "(module (memory (export \"memory\") 512) (table 1 funcref) (elem (i32.const 0) $one)
          (type $one (func (param i32) (result i32)))
          (func $one (type $one) (i32.add (local.get 0) (i32.const 1)))
          (func (export \"run\") (local $n i32) (local $x i32) (local $y i32) (local $l i64) (local $m i64)
            (local $f f32) (local $g f32) (local $d f64) (local $e f64)
            (i32.store (i32.const 16) (i32.const 3)) (i64.store (i32.const 24) (i64.const 3))
            (f32.store (i32.const 32) (f32.const 1.0000001)) (f64.store (i32.const 40) (f64.const 1.0000001))
            (local.set $y (i32.load (i32.const 16))) (local.set $m (i64.load (i32.const 24)))
            (local.set $g (f32.load (i32.const 32))) (local.set $e (f64.load (i32.const 40)))
            (local.set $x (i32.const 0x7fffffff)) (local.set $l (i64.const 0x7fffffffffffffff))
            (local.set $f (f32.const 1.5)) (local.set $d (f64.const 1.5)) (f64.store (i32.const 8) (f64.const 1.5))
            (loop $round {}
              (br_if $round (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const {ROUNDS}))))
            (i32.store (i32.const 0) (local.get $x)) (i64.store (i32.const 0) (local.get $l))
            (f32.store (i32.const 0) (local.get $f)) (f64.store (i32.const 0) (local.get $d))))",
        step.repeat(STEPS)
    );
    let bytes = wat::parse_str(text).expect("well formed");
    let config = ValidationConfig {
        capsule_bytes_max: 1024 * 1024,
    };
    let capsule = validate(bytes, &config).expect("valid");
    let mut config = Config::new();
    config.epoch_interruption(true);
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    config.target("x86_64-unknown-linux-gnu").expect("a target");
    let engine = Engine::new(&config).expect("an engine");
    let metered = meter(&capsule).expect("metered");
    let module = Module::new(&engine, metered.bytes()).expect("it compiles");
    let runs = (0..REPEATS).map(|_| run(&engine, &module));
    let (time, fuel) = runs.min().expect("some");
    time.as_secs_f64() * 1e12 / fuel as f64
}

/// The time and fuel of one run.
fn run(engine: &Engine, module: &Module) -> (Duration, i64) {
    let mut store = Store::new(engine, ());
    store.set_epoch_deadline(1 << 40);
    let instance = Instance::new(&mut store, module, &[]).expect("an instance");
    let fuel = instance
        .get_global(&mut store, "tenzik:fuel")
        .expect("a counter");
    let limit = 1 << 50;
    fuel.set(&mut store, Val::I64(limit)).expect("set");
    let run = instance
        .get_typed_func::<(), ()>(&mut store, "run")
        .expect("a function");
    let started = Instant::now();
    run.call(&mut store, ()).expect("a run");
    let time = started.elapsed();
    (time, limit - fuel.get(&mut store).i64().expect("a counter"))
}
