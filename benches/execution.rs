//! A call of a fresh instance with all limits and metering on, against raw wasmtime without any.
//!
//! `cargo bench --bench execution`

mod common;

use std::hint::black_box;

use criterion::Criterion;
use tenzik::config::{Engines, RuntimeConfig, SecurityConfig};
use tenzik::execution::Executor;
use tenzik::outcome::Request;
use tenzik::sandbox::{Sandbox, Terms};
use tenzik::validation::{ValidationConfig, validate};

const ECHO: &[u8] = include_bytes!("../capsules/echo/echo.wasm");
const INPUT: &[u8] = br#"{"sku":"A-1","qty":3}"#;

fn main() {
    let table = common::Table::start();
    let mut criterion = Criterion::default().configure_from_args();
    ours(&mut criterion);
    floor(&mut criterion);
    table.print(&[common::Row {
        what: "fresh instance, all limits and metering, unsigned",
        ours: "execution/ours",
        floor: "execution/floor",
        target: 1.3,
    }]);
    criterion.final_summary();
}

fn ours(criterion: &mut Criterion) {
    let security = SecurityConfig::default();
    let runtime = RuntimeConfig {
        engines: Engines::Wasmtime,
        ..RuntimeConfig::default()
    };
    let executor = Executor::new(&security, &runtime).expect("an engine");
    let capsule = validate(ECHO, &ValidationConfig::default()).expect("valid");
    let sandbox = Sandbox::new(&security, &runtime);
    let bound = sandbox.bind(capsule, &Terms::default()).expect("bound");
    let request = Request::json(INPUT);
    criterion.bench_function("execution/ours", |b| {
        b.iter(|| {
            let outcome = executor
                .execute(&bound, black_box(&request))
                .expect("a run");
            assert_eq!(outcome.output(), Some(INPUT));
        });
    });
}

fn floor(criterion: &mut Criterion) {
    let floor = raw::Floor::new(ECHO);
    criterion.bench_function("execution/floor", |b| {
        b.iter(|| assert_eq!(floor.call(black_box(INPUT)), INPUT));
    });
}

mod raw {
    //! The same job by hand: what wasmtime costs when nobody checks, counts or prices anything beside it.

    use wasmtime::{
        Caller, Config, Engine, InstanceAllocationStrategy, InstancePre, Linker, Memory, Module,
        ModuleExport, PoolingAllocationConfig, Result, Store,
    };

    pub(super) struct Floor {
        engine: Engine,
        instance: InstancePre<State>,
        memory: ModuleExport,
        run: ModuleExport,
    }

    struct State {
        input: Vec<u8>,
        output: Vec<u8>,
        memory: ModuleExport,
    }

    impl Floor {
        pub(super) fn new(module: &[u8]) -> Self {
            let mut pool = PoolingAllocationConfig::new();
            pool.total_core_instances(256)
                .total_memories(256)
                .total_tables(256)
                .max_memory_size(32 << 20)
                .max_unused_warm_slots(256)
                .linear_memory_keep_resident(64 << 10);
            let mut config = Config::new();
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
            let engine = Engine::new(&config).expect("an engine");
            let module = Module::new(&engine, module).expect("a module");
            let linker = linker(&engine).expect("a linker");
            Self {
                memory: module.get_export_index("memory").expect("a memory"),
                run: module.get_export_index("run").expect("a function"),
                instance: linker.instantiate_pre(&module).expect("an instance"),
                engine,
            }
        }

        pub(super) fn call(&self, input: &[u8]) -> Vec<u8> {
            let state = State {
                input: input.to_vec(),
                output: Vec::new(),
                memory: self.memory,
            };
            let mut store = Store::new(&self.engine, state);
            let instance = self.instance.instantiate(&mut store).expect("an instance");
            let run = instance
                .get_module_export(&mut store, &self.run)
                .and_then(wasmtime::Extern::into_func)
                .expect("a function");
            run.typed::<(), ()>(&store)
                .expect("its type")
                .call(&mut store, ())
                .expect("a run");
            store.into_data().output
        }
    }

    fn linker(engine: &Engine) -> Result<Linker<State>> {
        let mut linker = Linker::new(engine);
        linker.func_wrap("tenzik_v1", "input_len", |caller: Caller<'_, State>| {
            caller.data().input.len() as u32
        })?;
        linker.func_wrap(
            "tenzik_v1",
            "input_read",
            |mut caller: Caller<'_, State>, ptr: u32| {
                let memory = memory(&mut caller);
                let (bytes, state) = memory.data_and_store_mut(&mut caller);
                bytes[ptr as usize..][..state.input.len()].copy_from_slice(&state.input);
            },
        )?;
        linker.func_wrap(
            "tenzik_v1",
            "output_write",
            |mut caller: Caller<'_, State>, ptr: u32, len: u32| {
                let memory = memory(&mut caller);
                let (bytes, state) = memory.data_and_store_mut(&mut caller);
                state
                    .output
                    .extend_from_slice(&bytes[ptr as usize..][..len as usize]);
            },
        )?;
        Ok(linker)
    }

    fn memory(caller: &mut Caller<'_, State>) -> Memory {
        let export = caller.data().memory;
        caller
            .get_module_export(&export)
            .and_then(wasmtime::Extern::into_memory)
            .expect("a memory")
    }
}
