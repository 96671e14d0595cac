//! How a host is set up: what it permits, and what it spends.
//!
//! Enters: plain structs, usually one of the presets with a field changed.
//! Leaves: the same; [`Sandbox`](crate::sandbox::Sandbox) and [`Executor`](crate::execution::Executor) read them.
//! Refuses: nothing here. Impossible values are refused where they are used.

use std::path::PathBuf;

use crate::capability::{Capability, Grants};
use crate::limits::Limits;

/// What is permitted to capsules and requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityConfig {
    /// Capabilities that a request may have. Default: all but `tools`, which needs a gateway.
    pub allowed_capabilities: Grants,
    /// The largest capsule, in bytes. Default 5,120.
    pub capsule_bytes_max: u32,
    /// Whether a run also tells where it trapped and what it aborted with. Neither is part of the claim. Default no.
    pub enable_debugging: bool,
    /// The largest input, in bytes. Default 16 MiB.
    pub input_bytes_max: u32,
    /// What no request's limits may pass. Default: [`Limits::DEFAULT`], with a billion fuel and ten seconds.
    pub limits_max: Limits,
    /// Whether a run that ended `aborted`, which nobody can re-run, is an error to the caller. It gets a receipt either
    /// way. Default yes.
    pub require_deterministic: bool,
}

/// What the host spends on running capsules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// How many compiled capsules are kept, and how many refusals. Default 100; 0 keeps none, and each run compiles anew.
    pub cache_entries_max: u32,
    /// A directory of mode 0700 in which compiled code is kept for later processes. Default: none, and nothing is written.
    ///
    /// It is made if it is not there. Code is loaded only if it was written with the key in the directory, so whoever can read that
    /// key can have this process run anything. The path begins at the root.
    pub code_dir: Option<PathBuf>,
    /// The most bytes of compiled code in that directory; the oldest is removed first. Default 256 MiB: some thousand capsules of
    /// the default size.
    pub code_dir_bytes_max: u64,
    /// How instances get their memory. Default: from a pool.
    pub allocation: Allocation,
    /// What runs capsules. Default: both engines.
    pub engines: Engines,
    /// How many capsules run at once; further ones wait. Default 256, at least 1.
    pub instances_max: u32,
    /// What a run has unless it asks. Default: [`Limits::DEFAULT`].
    pub limits: Limits,
    /// How much the compiler of native code tries. Default: for speed.
    pub optimization: Optimization,
}

/// What runs capsules. It cannot be seen in a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Engines {
    /// A capsule that was not seen before runs at once in the interpreter, while its native code is compiled on another thread;
    /// from then on that is used, also by a run that is still under way.
    Both,
    /// The interpreter wasmi alone: no machine code is made.
    Wasmi,
    /// wasmtime: the first run of a capsule waits for its native code. Only a run whose frames need more native stack than there is
    /// is interpreted.
    Wasmtime,
}

/// How much the compiler of native code tries. It cannot be seen in a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Optimization {
    /// To be done soon.
    None,
    /// To make fast code.
    Speed,
}

/// How instances get their memory. It cannot be seen in a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Allocation {
    /// Mapped anew for each run: slower, and without the pool's reservation of address space.
    OnDemand,
    /// From a pool of slots that are reset after each run.
    Pooled,
}

impl Default for SecurityConfig {
    fn default() -> Self {
        Self {
            allowed_capabilities: Grants::all().difference(&Capability::Tools.into()),
            capsule_bytes_max: 5 * 1024,
            enable_debugging: false,
            input_bytes_max: 16 * 1024 * 1024,
            limits_max: Limits {
                fuel: 1_000_000_000,
                output_bytes: 16 * 1024 * 1024,
                time_ms: 10_000,
                ..Limits::DEFAULT
            },
            require_deterministic: true,
        }
    }
}

impl SecurityConfig {
    /// For authors: larger capsules, an hour of patience, and where a trap came from.
    pub fn development() -> Self {
        let default = Self::default();
        Self {
            capsule_bytes_max: 1024 * 1024,
            enable_debugging: true,
            limits_max: Limits {
                fuel: 1_000_000_000_000,
                memory_pages: 4_096,
                time_ms: 3_600_000,
                ..default.limits_max
            },
            require_deterministic: false,
            ..default
        }
    }

    /// For strangers' capsules: no request gets more than the defaults.
    pub fn production() -> Self {
        Self {
            input_bytes_max: 4 * 1024 * 1024,
            limits_max: Limits::DEFAULT,
            ..Self::default()
        }
    }
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        Self {
            cache_entries_max: 100,
            code_dir: None,
            code_dir_bytes_max: 256 * 1024 * 1024,
            allocation: Allocation::Pooled,
            engines: Engines::Both,
            instances_max: 256,
            limits: Limits::DEFAULT,
            optimization: Optimization::Speed,
        }
    }
}

impl RuntimeConfig {
    /// For authors: what fits a laptop.
    pub fn development() -> Self {
        Self {
            instances_max: 16,
            ..Self::default()
        }
    }

    /// For hosts with many capsules.
    ///
    /// The pool keeps a slot warm for each capsule on each CPU, so it needs as many slots as capsules times CPUs.
    pub fn production() -> Self {
        Self {
            cache_entries_max: 1_000,
            instances_max: 1_024,
            ..Self::default()
        }
    }
}
