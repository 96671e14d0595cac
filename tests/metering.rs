//! The metering pass by itself: what it makes is valid, and does what the module did before.

mod common;

#[path = "common/generate.rs"]
mod generate;

use tenzik::metering::meter;
use tenzik::validation::{FEATURES, ValidationConfig, validate};
use wasmtime::{
    Config, Engine, Instance, Linker, Module, Store, StoreLimits, StoreLimitsBuilder, Trap, Val,
};

/// How many generated capsules, unless `TENZIK_GENERATED` says otherwise.
const GENERATED: u64 = 600;
/// Memory that a run may have, in pages.
const PAGES: usize = 20;
/// Enough for most of what is generated.
const FUEL: u64 = 300_000;

fn generated() -> impl Iterator<Item = (u64, Vec<u8>)> {
    let count = std::env::var("TENZIK_GENERATED").ok();
    let count = count.map_or(GENERATED, |count| count.parse().expect("a number"));
    (0..count).filter_map(|number| {
        let order = generate::order(&generate::stream(number, 4_096)).ok()?;
        Some((number, order.capsule.to_vec()))
    })
}

/// The metered module, if it was a capsule.
fn metered(capsule: &[u8]) -> Option<Vec<u8>> {
    let config = ValidationConfig {
        capsule_bytes_max: 1024 * 1024,
    };
    let capsule = validate(capsule.to_vec(), &config).ok()?;
    let metered = meter(&capsule).expect("a valid capsule can be metered");
    Some(metered.bytes().to_vec())
}

fn assert_valid(module: &[u8]) {
    let mut validator = wasmparser::Validator::new_with_features(FEATURES);
    if let Err(error) = validator.validate_all(module) {
        panic!("{error}");
    }
}

#[test]
fn every_committed_capsule_is_valid_when_metered() {
    let mut seen = 0;
    for entry in std::fs::read_dir(common::path("capsules")).expect("the folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("a name");
        let Ok(bytes) = std::fs::read(entry.path().join(format!("{name}.wasm"))) else {
            continue;
        };
        assert_valid(&metered(&bytes).expect("a capsule"));
        seen += 1;
    }
    assert!(seen >= 8);
}

/// What can be seen of a run.
#[derive(Debug, PartialEq)]
struct Seen {
    /// What it returned, or how it trapped.
    ending: Result<Option<i32>, String>,
    memory: Vec<u8>,
    globals: Vec<String>,
}

/// Who counts.
#[derive(Clone, Copy, PartialEq)]
enum Counting {
    Engine,
    Module,
}

fn engine(counting: Counting) -> Engine {
    let mut config = Config::new();
    config
        .consume_fuel(counting == Counting::Engine)
        .cranelift_nan_canonicalization(counting == Counting::Engine);
    Engine::new(&config).expect("an engine")
}

/// Runs a module in which every import gives zero. `None` where a limit ended it.
fn run(engine: &Engine, bytes: &[u8], counting: Counting) -> Option<Seen> {
    let module = Module::new(engine, bytes).expect("it compiles");
    let limits = StoreLimitsBuilder::new().memory_size(PAGES << 16).build();
    let mut store: Store<StoreLimits> = Store::new(engine, limits);
    store.limiter(|limits| limits);
    if counting == Counting::Engine {
        store.set_fuel(FUEL).expect("fuel is on");
    }
    let mut linker = Linker::new(engine);
    linker
        .define_unknown_imports_as_default_values(&mut store, &module)
        .expect("imports");
    let instance = linker.instantiate(&mut store, &module).expect("it starts");
    for (name, value) in [("tenzik:fuel", FUEL as i64), ("tenzik:pages", PAGES as i64)] {
        if let Some(global) = instance.get_global(&mut store, name) {
            global.set(&mut store, Val::I64(value)).expect("set");
        }
    }
    let ended = call(&mut store, &instance);
    let exit = instance
        .get_global(&mut store, "tenzik:exit")
        .and_then(|global| global.get(&mut store).i32());
    let ending = match (ended, exit) {
        (Ok(code), _) => Ok(code),
        (Err(_), Some(1..=3)) => return None,
        (Err(error), _) => match error.downcast_ref::<Trap>() {
            Some(Trap::OutOfFuel | Trap::StackOverflow) => return None,
            trap => Err(format!("{trap:?}")),
        },
    };
    Some(seen(&mut store, &instance, ending))
}

fn call(
    store: &mut Store<StoreLimits>,
    instance: &Instance,
) -> Result<Option<i32>, wasmtime::Error> {
    let run = instance.get_func(&mut *store, "run").expect("exported");
    if let Ok(run) = run.typed::<(), i32>(&*store) {
        return run.call(store, ()).map(Some);
    }
    run.typed::<(), ()>(&*store)
        .expect("its type")
        .call(store, ())
        .map(|()| None)
}

fn seen(
    store: &mut Store<StoreLimits>,
    instance: &Instance,
    ending: Result<Option<i32>, String>,
) -> Seen {
    let memory = instance
        .get_memory(&mut *store, "memory")
        .expect("a memory");
    let names: Vec<String> = instance
        .exports(&mut *store)
        .filter(|export| !export.name().starts_with("tenzik:"))
        .map(|export| export.name().to_owned())
        .collect();
    let globals = names.iter().filter_map(|name| {
        let global = instance.get_global(&mut *store, name)?;
        Some(format!("{name} {:?}", global.get(&mut *store)))
    });
    let globals = globals.collect();
    Seen {
        ending,
        globals,
        memory: memory.data(&*store).to_vec(),
    }
}

/// Against the engine's own counting and canonical NaNs: the same endings, memories and globals, bit for bit.
#[test]
fn a_rewritten_module_does_what_it_did() {
    let (unmetered, counting) = (engine(Counting::Engine), engine(Counting::Module));
    let (mut compared, mut limited) = (0, 0);
    for (number, capsule) in generated() {
        let Some(rewritten) = metered(&capsule) else {
            continue;
        };
        assert_valid(&rewritten);
        let before = run(&unmetered, &capsule, Counting::Engine);
        let after = run(&counting, &rewritten, Counting::Module);
        let (Some(before), Some(after)) = (before, after) else {
            limited += 1;
            continue;
        };
        assert!(
            before == after,
            "{number}: {:?} {:?}",
            before.ending,
            after.ending
        );
        compared += 1;
    }
    println!("{compared} compared, {limited} ended by a limit");
    assert!(
        compared > limited,
        "{compared} compared, {limited} ended by a limit"
    );
}

/// Each function and each operator adds a bounded number of bytes.
#[test]
fn the_growth_is_bounded() {
    for (number, capsule) in generated() {
        let Some(rewritten) = metered(&capsule) else {
            continue;
        };
        let bound = 200 + 40 * capsule.len();
        assert!(
            rewritten.len() < bound,
            "{number}: {} of {}",
            rewritten.len(),
            capsule.len()
        );
    }
}
