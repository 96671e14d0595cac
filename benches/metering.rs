//! What metering costs on kernels that do nothing but compute, against the engine's own fuel and NaN setting.
//!
//! Metered code is stopped by its fuel and does not look at the clock, as under default limits. The engine's own looks at it, as it
//! did when receipts were made so.
//!
//! `cargo bench --bench metering`

mod common;

use criterion::Criterion;
use tenzik::metering::meter;
use tenzik::validation::{ValidationConfig, validate};
use wasmtime::{Config, Engine, Instance, Module, Store, Val};

/// Built from the sources beside them by `benches/kernels/build.sh`.
const KERNELS: [(&str, &[u8]); 5] = [
    ("fib", include_bytes!("kernels/fib.wasm")),
    ("matmul", include_bytes!("kernels/matmul.wasm")),
    ("sieve", include_bytes!("kernels/sieve.wasm")),
    ("sha256", include_bytes!("kernels/sha256.wasm")),
    ("json-scan", include_bytes!("kernels/json-scan.wasm")),
];

/// Who counts.
#[derive(Clone, Copy, PartialEq)]
enum Counting {
    Nobody,
    Engine,
    Module,
}

fn main() {
    let table = common::Table::start();
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    for (name, capsule) in KERNELS {
        bench(&mut criterion, name, "bare", capsule, Counting::Nobody);
        bench(&mut criterion, name, "engine", capsule, Counting::Engine);
        bench(&mut criterion, name, "metered", capsule, Counting::Module);
    }
    print(&table);
    criterion.final_summary();
}

fn print(table: &common::Table) {
    println!(
        "\n| kernel | bare | metered / bare | engine's own / bare | metered / engine's own (at most 1.1) |"
    );
    println!("|---|---|---|---|---|");
    let mut product = 1.0_f64;
    for (name, _) in KERNELS {
        let median = |who: &str| table.median_ns(&format!("{name}/{who}"));
        let (Some(bare), Some(engine), Some(metered)) =
            (median("bare"), median("engine"), median("metered"))
        else {
            println!("| {name} | not measured | | | |");
            return;
        };
        product *= metered / engine;
        println!(
            "| {name} | {:.2} ms | {:.2} | {:.2} | {:.2} |",
            bare / 1e6,
            metered / bare,
            engine / bare,
            metered / engine
        );
    }
    let mean = product.powf(1.0 / KERNELS.len() as f64);
    println!("| geometric mean (at most 0.9) | | | | {mean:.2} |");
}

fn bench(criterion: &mut Criterion, name: &str, who: &str, capsule: &[u8], counting: Counting) {
    let mut config = Config::new();
    config
        .consume_fuel(counting == Counting::Engine)
        .cranelift_nan_canonicalization(counting == Counting::Engine)
        .epoch_interruption(counting == Counting::Engine)
        .target("x86_64-unknown-linux-gnu")
        .expect("a target");
    let engine = Engine::new(&config).expect("an engine");
    let module = if counting == Counting::Module {
        let capsule = validate(capsule, &ValidationConfig::default()).expect("valid");
        Module::new(&engine, meter(&capsule).expect("metered").bytes())
    } else {
        Module::new(&engine, capsule)
    };
    let module = module.expect("a module");
    criterion.bench_function(&format!("{name}/{who}"), |b| {
        b.iter(|| run(&engine, &module, counting));
    });
}

fn run(engine: &Engine, module: &Module, counting: Counting) {
    let mut store = Store::new(engine, ());
    if counting == Counting::Engine {
        store.set_fuel(u64::MAX).expect("fuel");
    }
    if counting == Counting::Engine {
        store.set_epoch_deadline(1 << 40);
    }
    let instance = Instance::new(&mut store, module, &[]).expect("an instance");
    if counting == Counting::Module {
        for (name, value) in [("tenzik:fuel", i64::MAX), ("tenzik:pages", 1_000)] {
            // One that does not grow its memory has no limit on it.
            if let Some(global) = instance.get_global(&mut store, name) {
                global.set(&mut store, Val::I64(value)).expect("set");
            }
        }
    }
    let run = instance
        .get_typed_func::<(), ()>(&mut store, "run")
        .expect("a function");
    run.call(&mut store, ()).expect("a run");
}
