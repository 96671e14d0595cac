//! The one place that configures wasmtime.
//!
//! Enters: a host's [`RuntimeConfig`]. Leaves: an engine that behaves the same on every CPU of an architecture.
//! Refuses: a pool that the system has no address space for.
//!
//! Which features are on is validation's business: it refuses what `docs/abi.md` refuses, and the engine never
//! sees a module that it did not accept.

use std::hash::{Hash, Hasher};
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use super::disk::CodeDirError;
use crate::config::{Allocation, Optimization, RuntimeConfig};
use crate::limits::{Limits, NATIVE_STACK_BYTES, PAGE_BYTES};
use crate::observation::FRAMES_MAX;
use crate::rules::Metering;

/// The engine and its version, as a receipt's advisory part and its metering name it.
///
/// A test holds it against the version in the lock file.
pub const ENGINE_VERSION: &str = "48.0.8";

/// How often a running capsule's clock is looked at. A run overstays its limit by at most this and the
/// time of one bulk memory instruction, or of one hash, encoding or copy of its memory: those are not interrupted.
pub(super) const TICK: Duration = Duration::from_millis(5);

/// What stops a run that does not end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The engine looks at the clock in each round of a loop, which costs up to three times what the loop does.
    Clock,
    /// Its fuel: little enough that it is used up before the time is, whatever the capsule does.
    Fuel,
}

/// The least fuel that a run uses in a millisecond, of its own or in host calls: 5 ns a unit. Loads that miss every cache
/// take 2.7 (`cargo bench --bench operators`).
const FUEL_PER_MS_MIN: u64 = 200_000;

impl Stop {
    /// What is enough for these limits.
    pub(super) const fn of(limits: &Limits) -> Self {
        match limits.fuel / FUEL_PER_MS_MIN < limits.time_ms as u64 {
            true => Self::Fuel,
            false => Self::Clock,
        }
    }
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The directory for compiled code is not taken.
    #[error("compiled code cannot be kept: {0}")]
    CodeDir(#[from] CodeDirError),
    /// wasmtime, or a thread that it needs, cannot be had.
    #[error("the engine could not be set up: {reason}")]
    SetUp {
        /// What wasmtime or the system says.
        reason: String,
    },
}

impl EngineError {
    /// What can be done about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::CodeDir(error) => error.remedy(),
            Self::SetUp { .. } => {
                "a run reserves 4 GiB of addresses and more: raise `ulimit -v`, or lower `instances_max`".to_owned()
            }
        }
    }
}

/// Memory of a slot that is cleared by writing rather than given back to the system.
///
/// A page given back costs a system call and a page fault in each run.
const KEEP_RESIDENT_BYTES: usize = 64 * 1024;

/// The largest memory image that is made of sparse segments. Two bytes far apart would otherwise keep 16 MiB in the cache.
const IMAGE_BYTES_MAX: u64 = 256 * 1024;

/// The most table slots of a module; validation allows fewer.
pub(crate) const TABLE_SLOTS_MAX: usize = 10_000;

/// Native stack for a metered module: 32 bytes a unit of the metering. The dearest frames that were found take less, see
/// `tests/runs/depth.rs`.
const NATIVE_STACK_BYTES_METERED: usize = 1024 * 1024;

pub(super) fn engine(
    runtime: &RuntimeConfig,
    memory_pages_max: u32,
    metering: Metering,
    stop: Stop,
) -> Result<Engine, EngineError> {
    let mut config = Config::new();
    // A module that counts for itself has canonical NaNs too.
    let engine_counts = metering == Metering::EngineFuel;
    config
        .consume_fuel(engine_counts)
        .cranelift_nan_canonicalization(engine_counts)
        .epoch_interruption(stop == Stop::Clock)
        .cranelift_opt_level(match runtime.optimization {
            Optimization::None => OptLevel::None,
            Optimization::Speed => OptLevel::Speed,
        })
        .memory_guaranteed_dense_image_size(IMAGE_BYTES_MAX)
        .max_wasm_stack(match metering {
            Metering::EngineFuel => NATIVE_STACK_BYTES as usize,
            Metering::Module => NATIVE_STACK_BYTES_METERED,
        })
        // The one frame tells which instruction trapped.
        .wasm_backtrace_max_frames(NonZeroUsize::new(1));
    config.target(TARGET).map_err(failed)?;
    if runtime.allocation == Allocation::Pooled {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(
            runtime,
            memory_pages_max,
        )));
    }
    let engine = Engine::new(&config).map_err(failed)?;
    if stop == Stop::Clock {
        start_clock(&engine)?;
    }
    Ok(engine)
}

/// Native stack for a module that is looked at: its code is not optimised, and each function calls the host besides.
pub(super) const OBSERVED_STACK_BYTES: usize = 16 * 1024 * 1024;

/// The engine for runs that are looked at: code in which each instruction has its place, and the whole stack on a trap.
pub(super) fn observing() -> Result<Engine, EngineError> {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::None)
        .epoch_interruption(true)
        // Nothing is asynchronous here; the engine wants the one to be the larger all the same.
        .async_stack_size(2 * OBSERVED_STACK_BYTES)
        .max_wasm_stack(OBSERVED_STACK_BYTES)
        .wasm_backtrace_max_frames(NonZeroUsize::new(FRAMES_MAX));
    config.target(TARGET).map_err(failed)?;
    let engine = Engine::new(&config).map_err(failed)?;
    start_clock(&engine)?;
    Ok(engine)
}

/// All that compiled code depends on beside the module. Whoever adds a setting above that changes code adds it here, unless
/// wasmtime's own hash has it.
pub(super) fn fingerprint(
    engine: &Engine,
    runtime: &RuntimeConfig,
    metering: Metering,
    stop: Stop,
) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key(FINGERPRINT_CONTEXT);
    // No value has a line's end in it.
    let ours = format!(
        "{ENGINE_VERSION}\n{TARGET}\n{}\n{}\n{stop:?}\n{:?}\n{:?}\n{IMAGE_BYTES_MAX}\n",
        metering.label(),
        metering.rules(),
        runtime.optimization,
        runtime.allocation,
    );
    hasher.update(ours.as_bytes());
    engine
        .precompile_compatibility_hash()
        .hash(&mut Feed(&mut hasher));
    hasher.finalize()
}

const FINGERPRINT_CONTEXT: &str = "tenzik 2026-11-20 engine of compiled code v1";

/// Takes what is hashed with the standard library's trait.
struct Feed<'a>(&'a mut blake3::Hasher);

impl Hasher for Feed<'_> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Nobody asks: the digest is the hasher's behind it.
    fn finish(&self) -> u64 {
        0
    }
}

/// Naming the target turns off the search for CPU features, so that the same build compiles the same code on every CPU.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const TARGET: &str = "x86_64-unknown-linux-gnu";
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
const TARGET: &str = "aarch64-unknown-linux-gnu";
#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
const TARGET: &str = "aarch64-apple-darwin";
#[cfg(not(any(
    all(
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ),
    all(target_os = "macos", target_arch = "aarch64")
)))]
compile_error!(
    "no compilation target is pinned for this system; without one, two machines could compile differently"
);

/// `pagemap_scan` stays off: it has leaked one tenant's pages to the next.
fn pool(runtime: &RuntimeConfig, memory_pages_max: u32) -> PoolingAllocationConfig {
    let slots = runtime.instances_max.max(1);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(slots)
        .total_memories(slots)
        .total_tables(slots)
        .max_tables_per_module(1)
        .max_memories_per_module(1)
        .table_elements(TABLE_SLOTS_MAX)
        .max_memory_size((u64::from(memory_pages_max) * PAGE_BYTES) as usize)
        .max_unused_warm_slots(slots)
        .linear_memory_keep_resident(KEEP_RESIDENT_BYTES)
        .table_keep_resident(TABLE_SLOTS_MAX * size_of::<usize>());
    pool
}

/// Moves the engine's epoch on for as long as the engine lives.
fn start_clock(engine: &Engine) -> Result<(), EngineError> {
    let engine = engine.weak();
    thread::Builder::new()
        .name("tenzik-clock".to_owned())
        .spawn(move || {
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        })
        .map_err(|error| EngineError::SetUp {
            reason: format!("no thread for the clock: {error}"),
        })?;
    Ok(())
}

fn failed(error: wasmtime::Error) -> EngineError {
    EngineError::SetUp {
        reason: format!("{error:#}"),
    }
}
