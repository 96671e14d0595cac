//! Extism: a fresh plug-in for each call, of one that is compiled ahead.
//!
//! `CompiledPlugin` with `Plugin::new_from_compiled` is what its documentation has for this; `Plugin::new` would compile for
//! each call. No WASI, no host functions: the cheapest plug-in that echoes.

use std::hint::black_box;

use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, Wasm};
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::{INPUT, Peer, here};

/// What most users have: no limit but that on memory which the module has itself.
pub(crate) fn plain() -> Peer<'static> {
    let plugin = PluginBuilder::new(Manifest::new([echo()]));
    peer("extism 1.30.0, fresh plug-in", Some(40.0), plugin)
}

/// With the limits that it has: memory, time and fuel. It has none on output and calls.
pub(crate) fn limited() -> Peer<'static> {
    let manifest = Manifest::new([echo()])
        .with_memory_max(512)
        .with_timeout(std::time::Duration::from_secs(1));
    let plugin = PluginBuilder::new(manifest).with_fuel_limit(50_000_000);
    peer("extism 1.30.0, the same with its limits on", None, plugin)
}

/// With an allocator like ours, which takes a configuration that its user has to write.
pub(crate) fn pooled() -> Peer<'static> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(64)
        .total_memories(64)
        .total_tables(64)
        .max_unused_warm_slots(64)
        .max_memory_size(32 << 20)
        .linear_memory_keep_resident(64 << 10);
    let mut config = Config::new();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    let plugin = PluginBuilder::new(Manifest::new([echo()])).with_wasmtime_config(config);
    peer("extism 1.30.0, the same on a pool", None, plugin)
}

fn echo() -> Wasm {
    Wasm::data(wat::parse_str(include_str!("echo.wat")).expect("well formed"))
}

fn peer(what: &str, target: Option<f64>, plugin: PluginBuilder<'_>) -> Peer<'static> {
    let plugin = plugin.with_cache_disabled();
    let compiled = CompiledPlugin::new(plugin).expect("it compiles");
    here(what, target, 4, move || {
        let mut plugin = Plugin::new_from_compiled(&compiled).expect("a plug-in");
        let output: &[u8] = plugin.call("run", black_box(INPUT)).expect("a call");
        assert_eq!(output, INPUT);
    })
}
